"""The losses of all tasks on one batch, also where images lack targets."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mtl_core.data.batches import Batch
from mtl_core.tasks.kind import TaskKind


def task_losses(kinds: Mapping[str, TaskKind], outputs: Mapping[str, Any], batch: Batch, complete: Set[str]) -> tuple[Tensor, Tensor]:
    """``separate_losses``, stacked: losses (T,) and present (T,) bool."""
    losses, present = separate_losses(kinds, outputs, batch, complete)
    return torch.stack(losses), present


def separate_losses(kinds: Mapping[str, TaskKind], outputs: Mapping[str, Any], batch: Batch, complete: Set[str]) -> tuple[list[Tensor], Tensor]:
    """Each task's mean loss over the images labelled for it. Not stacked, because a backward pass from one entry of a stack visits every head.

    Args:
        complete: targets that every image of the data set has; skipping the look-up for them avoids a GPU synchronisation.

    Returns:
        T scalars in the order of ``kinds``, the constant 0 for a task without a labelled image here; present (T,) bool.
    """
    losses, present = [], []
    for name, kind in kinds.items():
        parts = [(share, *labelled_part(kind, outputs[name], part, complete)) for share, part in _as_seen(batch)]
        parts = [(share * len(target), kind.loss(output, target)) for share, output, target in parts if share > 0 and len(target)]
        present.append(bool(parts))
        losses.append(_mean(parts) if parts else batch.images.new_zeros(()))
    return losses, torch.tensor(present, device=batch.images.device)


def _as_seen(batch: Batch) -> list[tuple[float, Batch]]:
    """The batch with share 1; after mixup, the batch with its own targets and again with the partners' targets, each with its share."""
    mix = batch.mix
    if mix is None:
        return [(1.0, batch)]
    targets, labelled = ({name: rows[mix.partner] for name, rows in arrays.items()} for arrays in (batch.targets, batch.labelled))
    return [(mix.share, batch), (1 - mix.share, replace(batch, targets=targets, labelled=labelled))]


def _mean(parts: list[tuple[float, Tensor]]) -> Tensor:
    """Weighted mean of (weight, loss) pairs."""
    if len(parts) == 1:
        return parts[0][1]
    total = sum(count for count, _ in parts)
    return torch.stack([loss * (count / total) for count, loss in parts]).sum()


def labelled_part(kind: TaskKind, output: Any, batch: Batch, complete: Set[str]) -> tuple[Any, Tensor]:
    """Output and target of the images that have this task's target."""
    target = batch.targets[kind.task.target]
    if kind.task.target in complete:
        return output, target
    rows = batch.labelled[kind.task.target].nonzero()[:, 0]
    return kind.select(output, rows), target[rows]
