"""Losses and metrics of every task on held-out images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from typing import Any

import torch

from mtl_core.config import RunConfig
from mtl_core.data.batches import Batches
from mtl_core.events import Control
from mtl_core.sharing.model import MultiTaskModel
from mtl_core.tasks.kind import TaskKind
from mtl_core.training.execution import Execution
from mtl_core.training.losses import labelled_part
from mtl_core.training.setup import Run


def evaluate(run: Run, model: MultiTaskModel, batches: Batches, control: Control) -> dict[str, float] | None:
    """``scalars_of`` all tasks of a run; None if a stop or a pause was requested meanwhile."""
    return scalars_of(run.kinds, model, batches, run.execution, run.complete, lambda: control.interrupted)


@torch.no_grad()
def scalars_of(
    kinds: Mapping[str, TaskKind],
    model: MultiTaskModel,
    batches: Batches,
    execution: Execution,
    complete: Set[str] = frozenset(),
    interrupted: Callable[[], bool] = lambda: False,
) -> dict[str, float] | None:
    """``{"<task>/loss": ..., "<task>/<metric>": ...}`` over all images of ``batches``; the loss is the mean over the counted
    items (images, known pixels, responsible places). It does not depend on the batch size, except in contrastive learning.

    Args:
        kinds: the tasks to measure: all of the network's, or some.
        complete: targets that every image of the split has.
        interrupted: whether to stop.

    Returns:
        None if interrupted. A metric that is not defined (no image has the target) is left out.
    """
    model.eval()
    measurements = {name: kind.measurement() for name, kind in kinds.items()}
    parts: dict[str, list[Any]] = {name: [] for name in kinds}
    for batch in batches.epoch(0):
        if interrupted():
            return None
        with execution.autocast():
            outputs = model(batch.images, batch.parts)
        for name, kind in kinds.items():
            output, target = labelled_part(kind, outputs[name], batch, complete)
            if len(target):
                measurements[name].update(output, target)
                parts[name].append(kind.loss_parts(output, target))  # read at the end, because reading here would synchronise the GPU
    scalars = {f"{name}/loss": _mean_loss(found) for name, found in parts.items() if found}
    for name, measurement in measurements.items():
        if interrupted():  # matching boxes over a large split takes seconds
            return None
        scalars |= {f"{name}/{metric}": value for metric, value in measurement.compute().items()}
    return {key: value for key, value in scalars.items() if math.isfinite(value)}


def _mean_loss(parts: list[Any]) -> float:
    """Mean over batches of (sum, number), in double precision; NaN if the numbers are all 0."""
    total, count = (math.fsum(float(value) for value in column) for column in zip(*parts, strict=True))
    return total / count if count else math.nan


def selection_score(config: RunConfig, kinds: Mapping[str, TaskKind], scalars: Mapping[str, float]) -> float:
    """The mean over ``selecting_tasks`` of each one's selection metric on val, weighted by ``selection_weight``: from 0 to 1.

    A value below 0 or undefined counts as 0, so that one failed task does not outweigh the others. Where a task is below its ``selection_floor``,
    the score is minus the mean shortfall over all floors instead: between -1 and 0, below the score of every epoch that keeps the floors.
    """

    def value(name: str) -> float:
        return max(0.0, scalars.get(f"{name}/{kinds[name].selection_metric}", 0.0))

    floors = {name: task.selection_floor for name, task in config.tasks.items() if task.selection_floor is not None}
    missing = [max(0.0, floor - value(name)) for name, floor in floors.items()]
    if any(missing):
        return -sum(missing) / len(missing)
    weights = {name: config.tasks[name].selection_weight for name in selecting_tasks(config, kinds)}
    return sum(weight * value(name) for name, weight in weights.items()) / sum(weights.values())


def tasks_at_their_best(kinds: Mapping[str, TaskKind], scalars: Mapping[str, float], best: dict[str, float]) -> list[str]:
    """The tasks whose main metric on val is better than in every epoch before. Their values are written into ``best``.

    Args:
        scalars: of an epoch, with ``val/<task>/<metric>``; a task that was not measured is left out.
        best: task -> best value of the epochs before.
    """
    found = []
    for name, kind in kinds.items():
        main = kind.metrics[0]
        value = scalars.get(f"val/{name}/{main.name}")
        if value is not None and (name not in best or (value > best[name] if main.higher_is_better else value < best[name])):
            best[name] = value
            found.append(name)
    return found


def selecting_tasks(config: RunConfig, kinds: Mapping[str, TaskKind]) -> list[str]:
    """The tasks whose metrics choose the best checkpoint; the same tasks in every epoch.

    ``select_by`` if the config has it. Otherwise all tasks that are supervised, have a loss weight above 0 and are trained to the last epoch. If
    there is none, the tasks with a loss weight above 0 that are trained to the last epoch; if there is none, all tasks.
    """
    if config.select_by:
        return list(config.select_by)
    trained = [name for (name, task), on in zip(config.tasks.items(), config.trains(config.epochs), strict=True) if on and task.loss_weight > 0]
    return [name for name in trained if not kinds[name].is_self_supervised] or trained or list(kinds)
