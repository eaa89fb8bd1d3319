"""The probe set: a few fixed validation images whose predictions are saved at every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from mtl_core.atomic_files import atomic_write
from mtl_core.data.dataset import PADDING, MultiTaskDataset
from mtl_core.events import ProbesSaved
from mtl_core.sharing.model import MultiTaskModel
from mtl_core.tasks.kind import TaskKind
from mtl_core.tasks.pretext.self_supervised import drawn_views, self_supervised
from mtl_core.training.build import evenly_spaced_rows, rows_of
from mtl_core.training.setup import Run

ATTENDED = 8  # probe images of which attention maps are kept
MAP_SIDE = 32  # their height and width at most; larger maps are averaged


class ProbeSet:
    """Writes ``probes/targets.npz`` once (on the first rank) and ``probes/epoch_<k>.npz`` per epoch into the run's folder.

    ``targets.npz``: ``images`` uint8 (n, H, W, 3), ``index`` (n,) its rows in val, and per task ``target/<task>`` and ``labelled/<task>``;
    for a self-supervised task also ``input/<task>`` uint8 (n, H, W, 3), the changed images that it sees.
    ``epoch_<k>.npz``: per task its predictions, see ``mtl_core.tasks.kind``; ``candidates/<task>`` if the kind has candidates.
    ``attention_<k>.npz``, only where the sharing scheme learns where to look: ``<task>/<stage>`` uint8 (m, h, w), 255 for 1, of the first images.
    """

    def __init__(self, run: Run, model: MultiTaskModel, folder: Path):
        self.run, self.model = run, model
        self.folder = folder / "probes"
        rows = evenly_spaced_rows(run.data.val, run.config.probe_samples)
        dataset = rows_of(run.data.val, rows)
        self.batches = run.evaluation_batches(dataset)
        self.attended = run.evaluation_batches(rows_of(run.data.val, rows[:ATTENDED]))
        self.attended.views = None
        if not run.ranks.is_first:
            return
        self.folder.mkdir(exist_ok=True)
        for left in self.folder.glob(".*.tmp"):  # left by a process that was killed while writing
            left.unlink(missing_ok=True)
        images = np.repeat(dataset.images, 3 // dataset.images.shape[1], axis=1).transpose(0, 2, 3, 1)
        arrays = {"images": images, "index": rows}
        for name, kind in run.kinds.items():
            if not kind.is_self_supervised:
                arrays[f"target/{name}"] = dataset.targets[kind.task.target]
                arrays[f"labelled/{name}"] = dataset.labelled[kind.task.target]
        for name, (seen, target) in self._made(dataset).items():
            arrays |= {f"input/{name}": seen, f"target/{name}": target, f"labelled/{name}": np.ones(len(rows), dtype=bool)}
        _write(self.folder / "targets.npz", arrays)

    def _made(self, dataset: MultiTaskDataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Each self-supervised task's views of the probe images and its targets, as the evaluation draws them."""
        if self.batches.views is None:
            return {}
        plain = self.run.evaluation_batches(dataset)
        plain.views = None
        return drawn_views(self.run.kinds, next(iter(plain.epoch(0))), plain.seed)  # one batch: see the limit of probe_samples

    @torch.no_grad()
    def save(self, epoch: int) -> ProbesSaved:
        """Predict the probe images after ``epoch`` epochs and save the predictions."""
        self.model.eval()
        parts = []
        for batch in self.batches.epoch(0):
            with self.run.execution.autocast():
                outputs = self.model(batch.images, batch.parts)
            for name, kind in self_supervised(self.run.kinds).items():  # only the first view of an image is shown
                outputs[name] = kind.first_views(outputs[name], len(batch.index))
            parts.append(decoded(self.run.kinds, outputs))
        path = self.folder / f"epoch_{epoch:04d}.npz"
        if maps := self._attention_maps():
            _write(self.folder / f"attention_{epoch:04d}.npz", maps)
        _write(path, joined(parts))
        return ProbesSaved(epoch, f"probes/{path.name}")

    def _attention_maps(self) -> dict[str, np.ndarray]:
        batch = next(iter(self.attended.epoch(0)))
        with self.run.execution.autocast():
            found = self.model.attention_maps(batch.images)
        return {f"{task}/{stage}": _as_bytes(maps) for task, stages in found.items() for stage, maps in stages.items()}

    @torch.no_grad()
    def learnt(self) -> dict[str, float]:
        """What the sharing scheme has learnt, as ``sharing/<matrix>/<row>/<column>``; over the probe images where it depends on images."""
        self.model.eval()
        batch = next(iter(self.batches.epoch(0)))
        with self.run.execution.autocast():
            found = self.model.learnt(batch.images)
        return {
            f"sharing/{matrix.name}/{row}/{column}": value
            for matrix in found
            for row, values in zip(matrix.rows, matrix.values.tolist(), strict=True)
            for column, value in zip(matrix.columns, values, strict=True)
            if math.isfinite(value)
        }


def decoded(kinds: Mapping[str, TaskKind], outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays that a probe file holds for a batch: predictions by task, and ``candidates/<task>`` if the kind has candidates."""
    arrays = {name: kind.decode(outputs[name]) for name, kind in kinds.items()}
    for name, kind in kinds.items():
        if (candidates := kind.candidates(outputs[name])) is not None:
            arrays[f"candidates/{name}"] = candidates
    return arrays


def joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of several batches concatenated. Rows of candidates are padded to the longest batch's."""
    arrays = {}
    for name in parts[0]:
        rows = [part[name] for part in parts]
        if name.startswith("candidates/"):
            most = max(values.shape[1] for values in rows)
            rows = [np.pad(values, ((0, 0), (0, most - values.shape[1]), (0, 0)), constant_values=PADDING) for values in rows]
        arrays[name] = np.concatenate(rows)
    return arrays


def _as_bytes(maps: Tensor) -> np.ndarray:
    """uint8 (n, h, w) of maps (n, H, W) in 0..1, averaged to at most ``MAP_SIDE`` in height and width."""
    height, width = (min(MAP_SIDE, side) for side in maps.shape[1:])
    smaller = adaptive_avg_pool2d(maps.float()[:, None], (height, width))[:, 0]
    return (255 * smaller.nan_to_num(0.0).clamp(0, 1)).round().to(torch.uint8).cpu().numpy()


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with atomic_write(path) as file:
        np.savez_compressed(file, **cast("dict[str, Any]", arrays))
