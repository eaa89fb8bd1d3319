"""Predictions of a whole split by one checkpoint: computed on demand, stored in the run's folder, read again without computation.

``<run>/predictions/<split>_epoch_<k>_step_<s>/``: ``meta.json`` and numbered ``.npy`` files: the rows of the split, and one array per task (and its
candidates), as in a probe file. Images and targets stay in the prepared data, except that inputs and targets of self-supervised tasks are stored
with their predictions (``input/<task>``, ``target/<task>``). The folder is written under a temporary name and renamed when complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mtl_core.atomic_files import atomic_folder, write_text
from mtl_core.data.batches import Batch
from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.errors import StoreError
from mtl_core.inference.predictor import Predictor
from mtl_core.runs.looks import note_look
from mtl_core.runs.prediction_timeline import Film, prediction_layers, target_layers
from mtl_core.tasks.pretext.self_supervised import drawn_views, self_supervised, with_views
from mtl_core.training.build import evenly_spaced_rows
from mtl_core.training.probe_set import decoded, joined

MOST_IMAGES = 2000
MOST_BYTES = 400_000_000  # of predictions in memory while they are made
BATCH = 32
_FOLDER = re.compile(r"(train|val|test)_epoch_(\d{4,})_step_(\d{8,})")


@dataclass(frozen=True)
class SplitPredictions:
    """The stored predictions of one split, with the interface of a ``Film`` of one epoch.

    Attributes:
        split: ``train``, ``val`` or ``test``.
        epoch: epoch of the checkpoint.
        index: int64 (n,), the rows of the split that were predicted.
        data: the split.
        tasks: the run's tasks by name.
        predictions: task (and ``candidates/<task>``, ``input/<task>``, ``target/<task>``) -> n rows, memory-mapped.
    """

    split: str
    epoch: int
    index: np.ndarray
    data: MultiTaskDataset
    tasks: Mapping[str, Task]
    predictions: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.index)

    def epochs(self) -> list[int]:
        """The one epoch, as a list."""
        return [self.epoch]

    def image(self, number: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        image = np.asarray(self.data.images[self.index[number]])
        return np.repeat(image, 3 // len(image), axis=0).transpose(1, 2, 0)

    def row(self, number: int) -> int:
        """Row of the image in its split."""
        return int(self.index[number])

    def truth(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Targets by task, and by task bool (n,): whether the image has a target."""
        names = {name: task.target for name, task in self.tasks.items() if task.target in self.data.targets}
        targets = {name: self.data.targets[target][self.index] for name, target in names.items()}
        labelled = {name: np.asarray(self.data.labelled[target][self.index]) for name, target in names.items()}
        made = {name: self.predictions[f"target/{name}"] for name in self.tasks if f"target/{name}" in self.predictions}
        return targets | made, labelled | {name: np.ones(len(self), dtype=bool) for name in made}

    def arrays(self, epoch: int) -> dict[str, np.ndarray]:
        """Predictions of all images by task."""
        return dict(self.predictions)

    def targets(self, number: int) -> str:
        """JSON: each task's target of one image; null if the image has none."""
        row = self.row(number)
        read = {name: task.target for name, task in self.tasks.items() if task.target in self.data.targets}
        targets = {name: self.data.targets[target][row : row + 1] for name, target in read.items()}
        labelled = {name: self.data.labelled[target][row : row + 1] for name, target in read.items()}
        for name in self.tasks:
            if f"target/{name}" in self.predictions:
                targets[name], labelled[name] = self.predictions[f"target/{name}"][number : number + 1], np.ones(1, dtype=bool)
        inputs = {name: values[number : number + 1] for name, values in self._inputs().items()}
        return json.dumps(target_layers(self.tasks, self.image(number), 0, targets, labelled, inputs))

    def seen(self, task: str, number: int) -> np.ndarray:
        """uint8 (H, W, 3): a task's input image; a self-supervised task has a changed copy."""
        inputs = self._inputs()
        return inputs[task][number] if task in inputs else self.image(number)

    def _inputs(self) -> dict[str, np.ndarray]:
        return {name: self.predictions[f"input/{name}"] for name in self.tasks if f"input/{name}" in self.predictions}

    def frames(self, number: int) -> tuple[list[int], str]:
        """The epoch, and a JSON list with each task's prediction of one image."""
        return [self.epoch], f"[{json.dumps(prediction_layers(self.tasks, self.image(number), number, self.predictions, self._inputs()))}]"


Pictures = Film | SplitPredictions


def predict_split(predictor: Predictor, data: MultiTaskDataset, split: str, checkpoint: str, run_folder: Path, progress: Progress) -> None:
    """Predict a split's images (at most ``images_predicted``, evenly spread) and store the predictions. Does nothing if they are stored already.

    Args:
        checkpoint: name of the predictor's checkpoint.
        progress: called with the share done (0..1); an exception from it ends the work, and nothing is stored.
    """
    place = Path(run_folder) / "predictions" / f"{split}_{checkpoint}"
    if (place / "meta.json").is_file():
        return
    index = evenly_spaced_rows(data, images_predicted(len(data), data.images.shape[2:], len(predictor.kinds)))
    parts = []
    for start in range(0, len(index), BATCH):
        frames = np.array(data.images[index[start : start + BATCH]]).transpose(0, 2, 3, 1)
        parts.append(_predicted(predictor, frames, start))
        progress((start + len(frames)) / len(index), f"predicting {split}: {start + len(frames):,} of {len(index):,} images")
    if split == "test":
        note_look(Path(run_folder), "predicted", int(checkpoint.split("_")[1]))
    _keep(place, joined(parts), index, len(data))


def images_predicted(images: int, size: tuple[int, int], tasks: int) -> int:
    """Number of predicted images of a split: all, limited by ``MOST_IMAGES`` and by ``MOST_BYTES`` for images of this size (H, W)."""
    return min(images, MOST_IMAGES, max(1, MOST_BYTES // (5 * size[0] * size[1] * max(1, tasks))))


@torch.inference_mode()
def _predicted(predictor: Predictor, frames: np.ndarray, start: int) -> dict[str, np.ndarray]:
    """The stored arrays of a batch. Self-supervised tasks get their own views, equal at every call."""
    batch = Batch(predictor.normalised(frames), {}, {}, torch.arange(len(frames)))
    made = self_supervised(predictor.kinds)
    seen = with_views(batch, predictor.kinds, seed=0, epoch=0, step=start)
    outputs = predictor.model(seen.images, seen.parts)
    for name, kind in made.items():
        outputs[name] = kind.first_views(outputs[name], len(frames))
    arrays = decoded(predictor.kinds, outputs)
    for name, (shown, target) in drawn_views(made, batch, step=start).items():
        arrays |= {name: made[name].numbered(arrays[name], start), f"input/{name}": shown, f"target/{name}": target}
    return arrays


def kept_splits(run_folder: Path) -> list[tuple[str, int]]:
    """(split, epoch) of all stored predictions, newest epoch last."""
    parent = Path(run_folder) / "predictions"
    found = [_FOLDER.fullmatch(path.name) for path in parent.iterdir()] if parent.is_dir() else []
    return sorted(((match[1], int(match[2])) for match in found if match), key=lambda each: each[1])


def open_split(run_folder: Path, split: str, checkpoint: str, data: MultiTaskDataset, tasks: Mapping[str, Task]) -> SplitPredictions | None:
    """The predictions stored by ``predict_split``; None if there are none.

    Raises:
        StoreError: the files are damaged, or belong to other data.
    """
    place = Path(run_folder) / "predictions" / f"{split}_{checkpoint}"
    if not (place / "meta.json").is_file():
        return None
    try:
        meta = json.loads((place / "meta.json").read_text(encoding="utf-8"))
        arrays = {name: np.load(place / file, mmap_mode="r", allow_pickle=False) for name, file in meta["files"].items()}
        index, match = arrays.pop("index"), _FOLDER.fullmatch(place.name)
        if match is None or meta["images_in_split"] != len(data) or any(len(values) != len(index) for values in arrays.values()):
            raise ValueError("they are of other data than the run's")
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise StoreError(f"the predictions in '{place}' cannot be used: {error}. Delete that folder and predict the split again.") from None
    return SplitPredictions(split, int(match[2]), np.asarray(index), data, tasks, arrays)


def _keep(place: Path, arrays: dict[str, np.ndarray], index: np.ndarray, images_in_split: int) -> None:
    with atomic_folder(place) as temporary:
        files = {name: f"{number}.npy" for number, name in enumerate(("index", *arrays))}
        for name, file in files.items():
            np.save(temporary / file, index if name == "index" else arrays[name], allow_pickle=False)
        write_text(temporary / "meta.json", json.dumps({"files": files, "images_in_split": images_in_split}))
