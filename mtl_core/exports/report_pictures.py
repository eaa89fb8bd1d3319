"""The report's pictures: a few probe images of each task with their targets and their predictions at several epochs."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_core.data.dataset import Task
from mtl_core.exports.export_source import ExportSource
from mtl_core.figures.gallery import Tile, contact_sheet, png
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.picture_font import picture_language
from mtl_core.inference.model_folder import tasks_of
from mtl_core.language import speaking, tr
from mtl_core.runs.artifacts import ProbeTargets, probe_epochs, read_probe_targets, read_probes
from mtl_core.tasks import TASK_KINDS

IMAGES = 6  # in a row
EPOCHS = 4  # rows of predictions
TILE = 150  # approximate size in pixels; small images are enlarged by whole factors
INK = "#7A8794"  # readable on white and on black, because the reader's theme is unknown


def sheets(source: ExportSource) -> list[tuple[str, bytes, list[tuple[str, str]]]]:
    """(task, PNG, legend as (CSS colour, text)) of every task. Raises StoreError if the run's files are damaged."""
    epochs = spread(probe_epochs(source.folder), EPOCHS)
    if not epochs:
        return []
    probes = read_probe_targets(source.folder)
    predictions = {epoch: read_probes(source.folder, epoch) for epoch in epochs}
    tasks = tasks_of([{**info, "name": name} for name, info in source.tasks.items()])
    found = []
    for name, task in tasks.items():
        kind = TASK_KINDS.load(task.kind)
        with speaking(picture_language()):
            rows = [(tr("target"), _targets(kind, probes, task))]
            rows += [(tr("epoch {epoch}", epoch=epoch), _predicted(kind, probes, task, predictions[epoch][name])) for epoch in epochs]
        found.append((name, png(contact_sheet(rows, ink=INK, text_height=15)), kind.legend(task)))
    return found


def spread(values: list[int], count: int) -> list[int]:
    """At most ``count`` of the values, evenly spread, with the first and the last."""
    places = np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int)
    return [values[place] for place in dict.fromkeys(places.tolist())]


def _scale(probes: ProbeTargets) -> int:
    return max(1, round(TILE / probes.images.shape[2]))


def _targets(kind: Any, probes: ProbeTargets, task: Task) -> list[Tile]:
    tiles, scale = [], _scale(probes)
    for row, image in enumerate(probes.images[:IMAGES]):
        if probes.labelled[task.name][row]:
            tiles.append(_tile(kind.draw_target(image, probes.targets[task.name][row], task, scale)))
        else:
            tiles.append(Tile(enlarge(image, scale), tr("no target")))
    return tiles


def _predicted(kind: Any, probes: ProbeTargets, task: Task, predictions: np.ndarray) -> list[Tile]:
    pairs = zip(probes.images[:IMAGES], predictions[:IMAGES], strict=True)
    return [_tile(kind.draw_prediction(image, prediction, task, _scale(probes))) for image, prediction in pairs]


def _tile(drawing: Any) -> Tile:
    return Tile(drawing.image, drawing.caption)
