"""A run's probe images through training, cut by image: what one slider moves through. Reads no torch for the kinds of this repository.

A probe file holds all images of one epoch; a viewer wants one image at all epochs. So the files are read once, and kept packed, about as large
as they are on disk.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mtl_core.data.dataset import Task
from mtl_core.figures.layers import packed, prediction_layer, target_layer
from mtl_core.runs.artifacts import probe_epochs, read_probe_file, read_probe_targets

MOST_CHARACTERS = 20_000_000  # sent for one image; beyond, epochs are left out evenly


class Film:
    """The probe set of one run. Any thread may ask.

    Args:
        folder: the run's folder.
        tasks: the run's tasks by name.

    Raises:
        StoreError: the files are missing or damaged.
    """

    def __init__(self, folder: Path, tasks: Mapping[str, Task]):
        self.folder, self.tasks = Path(folder), dict(tasks)
        self.probes = read_probe_targets(folder)
        self._frames: dict[int, list[str]] = {}  # epoch -> one JSON object per image
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.probes.images)

    def image(self, number: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        return self.probes.images[number]

    def row(self, number: int) -> int:
        """Where the image stands in its split."""
        return int(self.probes.index[number])

    def truth(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Targets by task, and bool (n,) where there are any."""
        return self.probes.targets, self.probes.labelled

    def arrays(self, epoch: int) -> dict[str, np.ndarray]:
        """Predictions of all images by task, as in a probe file. Read anew at each call."""
        return read_probe_file(self.folder, epoch)

    def epochs(self) -> list[int]:
        """Epochs whose predictions are saved now; reads those that are new."""
        epochs = probe_epochs(self.folder)
        with self._lock:
            for epoch in epochs:
                if epoch not in self._frames:
                    self._frames[epoch] = self._read(epoch)
        return epochs

    def targets(self, number: int) -> str:
        """JSON: each task's target of one image; null where it has none."""
        probes = self.probes
        return json.dumps(target_layers(self.tasks, probes.images[number], number, probes.targets, probes.labelled, probes.inputs))

    def seen(self, task: str, number: int) -> np.ndarray:
        """uint8 (H, W, 3): the image as a task is shown it; a self-supervised one sees a changed copy."""
        return self.probes.inputs.get(task, self.probes.images)[number]

    def frames(self, number: int) -> tuple[list[int], str]:
        """Epochs, and a JSON list with each task's prediction of one image after each of them."""
        epochs = self.epochs()
        chosen = thinned(epochs, [len(self._frames[epoch][number]) for epoch in epochs])
        return chosen, f"[{','.join(self._frames[epoch][number] for epoch in chosen)}]"

    def _read(self, epoch: int) -> list[str]:
        arrays, probes = read_probe_file(self.folder, epoch), self.probes
        return [json.dumps(prediction_layers(self.tasks, image, number, arrays, probes.inputs)) for number, image in enumerate(probes.images)]


def target_layers(
    tasks: Mapping[str, Task],
    image: np.ndarray,
    row: int,
    targets: Mapping[str, np.ndarray],
    labelled: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray],
) -> dict[str, dict | None]:
    """One image's targets by task; None where the image has none. ``inputs``: the changed images that self-supervised tasks see."""
    layers: dict[str, dict | None] = {}
    for name, task in tasks.items():
        layers[name] = None
        if name in targets and bool(labelled[name][row]):
            seen = inputs[name][row] if name in inputs else image
            layers[name] = target_layer(task, seen, targets[name][row])
            if name in inputs:
                layers[name]["seen"] = packed(seen)
    return layers


def prediction_layers(
    tasks: Mapping[str, Task], image: np.ndarray, row: int, arrays: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]
) -> dict[str, dict]:
    """One image's predictions by task. ``arrays`` as in a probe file; ``inputs`` as for ``target_layers``."""
    layers = {}
    for name, task in tasks.items():
        if name in arrays:
            candidates = arrays.get(f"candidates/{name}")
            seen = inputs[name][row] if name in inputs else image
            layers[name] = prediction_layer(task, seen, arrays[name][row], None if candidates is None else candidates[row])
    return layers


def thinned(epochs: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """As many epochs, evenly spread and with the first and the last, as ``MOST_CHARACTERS`` allow."""
    total = sum(sizes)
    if total <= MOST_CHARACTERS or len(epochs) <= 2:
        return list(epochs)
    count = max(2, int(len(epochs) * MOST_CHARACTERS / total))
    return [epochs[place] for place in np.unique(np.linspace(0, len(epochs) - 1, count).round().astype(int))]
