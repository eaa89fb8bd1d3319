"""Predictions of a run's probe images at every epoch, grouped by image for the epoch slider. Imports no torch for the built-in task kinds.

A probe file holds all images of one epoch; a viewer needs one image at all epochs. The files are therefore read once and kept in memory, packed
to about their size on disk.
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

MOST_CHARACTERS = 20_000_000  # sent for one image; above this, epochs are dropped evenly


class Film:
    """The probe set of one run, with its predictions at every saved epoch. Thread-safe.

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
        """Row of the image in its split."""
        return int(self.probes.index[number])

    def truth(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Targets by task, and by task bool (n,): whether the image has a target."""
        return self.probes.targets, self.probes.labelled

    def arrays(self, epoch: int) -> dict[str, np.ndarray]:
        """Predictions of all images by task, as in a probe file. Each call reads the file."""
        return read_probe_file(self.folder, epoch)

    def epochs(self) -> list[int]:
        """Epochs with saved predictions; reads the files of new epochs."""
        epochs = probe_epochs(self.folder)
        with self._lock:
            for epoch in epochs:
                if epoch not in self._frames:
                    self._frames[epoch] = self._read(epoch)
        return epochs

    def targets(self, number: int) -> str:
        """JSON: each task's target of one image; null if the image has none."""
        probes = self.probes
        return json.dumps(target_layers(self.tasks, probes.images[number], number, probes.targets, probes.labelled, probes.inputs))

    def seen(self, task: str, number: int) -> np.ndarray:
        """uint8 (H, W, 3): a task's input image; a self-supervised task has a changed copy."""
        return self.probes.inputs.get(task, self.probes.images)[number]

    def frames(self, number: int) -> tuple[list[int], str]:
        """Epochs, and a JSON list with the predictions of all tasks for one image after each of these epochs."""
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
    """One image's targets by task; None if the image has no target. ``inputs``: the changed input images of self-supervised tasks."""
    layers: dict[str, dict | None] = {}
    for name, task in tasks.items():
        layers[name] = None
        if name in targets and bool(labelled[name][row]):
            seen = inputs[name][row] if name in inputs else image
            layer = layers[name] = target_layer(task, seen, targets[name][row])
            if layer is not None and name in inputs:
                layer["seen"] = packed(seen)
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
    """As many epochs as ``MOST_CHARACTERS`` allow, evenly spread, with the first and the last."""
    total = sum(sizes)
    if total <= MOST_CHARACTERS or len(epochs) <= 2:
        return list(epochs)
    count = max(2, int(len(epochs) * MOST_CHARACTERS / total))
    return [epochs[place] for place in np.unique(np.linspace(0, len(epochs) - 1, count).round().astype(int))]
