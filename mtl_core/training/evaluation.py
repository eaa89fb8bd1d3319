"""Losses and metrics of every task on held-out images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from mtl_core.config import RunConfig
from mtl_core.data.batches import Batches
from mtl_core.events import Control
from mtl_core.sharing.model import MultiTaskModel
from mtl_core.tasks.kind import TaskKind
from mtl_core.training.losses import labelled_part
from mtl_core.training.setup import Run


@torch.no_grad()
def evaluate(run: Run, model: MultiTaskModel, batches: Batches, control: Control) -> dict[str, float] | None:
    """``{"<task>/loss": ..., "<task>/<metric>": ...}`` over all images of ``batches``; the loss is the mean over what counts in it
    (images, known pixels, responsible places) and does not depend on the batch size, but for contrastive learning.

    Returns:
        None if a stop or a pause was asked for meanwhile. A metric that is not defined (no image has the target) is left out.
    """
    model.eval()
    measurements = {name: kind.measurement() for name, kind in run.kinds.items()}
    parts: dict[str, list[Any]] = {name: [] for name in run.kinds}
    for batch in batches.epoch(0):
        if control.interrupted:
            return None
        with run.execution.autocast():
            outputs = model(batch.images, batch.parts)
        for name, kind in run.kinds.items():
            output, target = labelled_part(kind, outputs[name], batch, run.complete)
            if len(target):
                measurements[name].update(output, target)
                parts[name].append(kind.loss_parts(output, target))  # read at the end: asked for here, the device would be waited for
    scalars = {f"{name}/loss": _mean_loss(found) for name, found in parts.items() if found}
    for name, measurement in measurements.items():
        if control.interrupted:  # matching boxes over a large split takes seconds
            return None
        scalars |= {f"{name}/{metric}": value for metric, value in measurement.compute().items()}
    return {key: value for key, value in scalars.items() if math.isfinite(value)}


def _mean_loss(parts: list[Any]) -> float:
    """Of (sum, number) of each batch, added up in double precision; NaN where nothing was counted."""
    total, count = (math.fsum(float(value) for value in column) for column in zip(*parts, strict=True))
    return total / count if count else math.nan


def selection_score(config: RunConfig, kinds: Mapping[str, TaskKind], scalars: Mapping[str, float]) -> float:
    """Mean over ``selecting_tasks`` of each one's selection metric on val, each at most 1; below 0, or not defined, counts as 0.

    So one lost task can't drown the others, and scores of all epochs are means over the same tasks.
    """
    chosen = {name: kinds[name] for name in selecting_tasks(config, kinds)}
    values = [scalars.get(f"{name}/{kind.selection_metric}", 0.0) for name, kind in chosen.items()]
    return sum(max(0.0, value) for value in values) / len(values)


def selecting_tasks(config: RunConfig, kinds: Mapping[str, TaskKind]) -> list[str]:
    """The tasks whose metrics choose the best checkpoint, the same ones in every epoch.

    ``select_by`` where the config says it. Else the tasks that the run is about: not those that make their targets themselves, whose loss weight is
    0, or that are not trained to the end. Where none of these is left, those trained to the end with a loss weight; then all.
    """
    if config.select_by:
        return list(config.select_by)
    trained = [name for (name, task), on in zip(config.tasks.items(), config.trains(config.epochs), strict=True) if on and task.loss_weight > 0]
    return [name for name in trained if not kinds[name].is_self_supervised] or trained or list(kinds)
