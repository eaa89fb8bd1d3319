"""Predictions of a whole split by one checkpoint of a run: made on demand, kept in the run's folder, read without computing anything.

``<run>/predictions/<split>_epoch_<k>_step_<s>/``: ``meta.json`` and numbered ``.npy`` files: the rows of the split, and one array per task (and its
candidates), as in a probe file. Images and targets stay in the prepared data. The folder is written under a temporary name and renamed when whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.source import Progress
from mtl_core.errors import StoreError
from mtl_core.inference.predictor import Predictor
from mtl_core.runs.artifacts import write_text
from mtl_core.runs.film import Film, prediction_layers, target_layers
from mtl_core.training.build import evenly_spaced_rows
from mtl_core.training.probe_set import decoded, joined

MOST_IMAGES = 2000
MOST_BYTES = 400_000_000  # of predictions in memory while they are made
BATCH = 32
_FOLDER = re.compile(r"(train|val|test)_epoch_(\d{4,})_step_(\d{8,})")


@dataclass(frozen=True)
class SplitPredictions:
    """The stored predictions of one split; answers what a ``Film`` does, with one epoch.

    Attributes:
        split: ``train``, ``val`` or ``test``.
        epoch: of the checkpoint that predicted.
        index: int64 (n,), the rows of the split that were predicted.
        data: the split.
        tasks: the run's tasks by name.
        predictions: task (and ``candidates/<task>``) -> n rows, memory-mapped.
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
        """The one epoch there is."""
        return [self.epoch]

    def image(self, number: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        image = np.asarray(self.data.images[self.index[number]])
        return np.repeat(image, 3 // len(image), axis=0).transpose(1, 2, 0)

    def row(self, number: int) -> int:
        """Where the image stands in its split."""
        return int(self.index[number])

    def truth(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Targets by task, and bool (n,) where there are any."""
        names = {name: task.target for name, task in self.tasks.items() if task.target in self.data.targets}
        targets = {name: self.data.targets[target][self.index] for name, target in names.items()}
        return targets, {name: np.asarray(self.data.labelled[target][self.index]) for name, target in names.items()}

    def arrays(self, epoch: int) -> dict[str, np.ndarray]:
        """Predictions of all images by task."""
        return dict(self.predictions)

    def targets(self, number: int) -> str:
        """JSON: each task's target of one image; null where it has none."""
        row = self.row(number)
        targets = {name: self.data.targets[task.target] for name, task in self.tasks.items() if task.target in self.data.targets}
        labelled = {name: self.data.labelled[self.tasks[name].target] for name in targets}
        return json.dumps(target_layers(self.tasks, self.image(number), row, targets, labelled))

    def frames(self, number: int) -> tuple[list[int], str]:
        """The epoch, and a JSON list with each task's prediction of one image."""
        return [self.epoch], f"[{json.dumps(prediction_layers(self.tasks, self.image(number), number, self.predictions))}]"


Pictures = Film | SplitPredictions


def predict_split(predictor: Predictor, data: MultiTaskDataset, split: str, checkpoint: str, run_folder: Path, progress: Progress) -> None:
    """Predict at most ``MOST_IMAGES`` images of a split, evenly spread, and keep the predictions. What is there already is left alone.

    Args:
        checkpoint: name of the checkpoint that ``predictor`` was loaded from.
        progress: told the share done; what it raises ends the work, and nothing is kept.
    """
    place = Path(run_folder) / "predictions" / f"{split}_{checkpoint}"
    if (place / "meta.json").is_file():
        return
    height, width = data.images.shape[2:]
    fitting = max(1, MOST_BYTES // (5 * height * width * max(1, len(predictor.kinds))))
    index = evenly_spaced_rows(data, min(MOST_IMAGES, fitting))
    parts = []
    for start in range(0, len(index), BATCH):
        frames = np.array(data.images[index[start : start + BATCH]]).transpose(0, 2, 3, 1)
        parts.append(decoded(predictor.kinds, predictor.outputs(frames)))
        progress((start + len(frames)) / len(index), f"predicting {split}: {start + len(frames):,} of {len(index):,} images")
    _keep(place, joined(parts), index, len(data))


def kept_splits(run_folder: Path) -> list[tuple[str, int]]:
    """(split, epoch) of all that was predicted, newest epoch last."""
    parent = Path(run_folder) / "predictions"
    found = [_FOLDER.fullmatch(path.name) for path in parent.iterdir()] if parent.is_dir() else []
    return sorted(((match[1], int(match[2])) for match in found if match), key=lambda each: each[1])


def open_split(run_folder: Path, split: str, checkpoint: str, data: MultiTaskDataset, tasks: Mapping[str, Task]) -> SplitPredictions | None:
    """What ``predict_split`` kept; None where it has not.

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
    temporary = place.with_name(f".{place.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        files = {name: f"{number}.npy" for number, name in enumerate(("index", *arrays))}
        for name, file in files.items():
            np.save(temporary / file, index if name == "index" else arrays[name], allow_pickle=False)
        write_text(temporary / "meta.json", json.dumps({"files": files, "images_in_split": images_in_split}))
        if not place.exists():  # someone else may have been faster
            os.replace(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
