"""The losses of all tasks on one batch, also where images lack targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mtl_core.data.batches import Batch
from mtl_core.ranks import ALONE, Ranks
from mtl_core.tasks.kind import TaskKind


def task_losses(
    kinds: Mapping[str, TaskKind], outputs: Mapping[str, Any], batch: Batch, complete: Set[str], ranks: Ranks = ALONE
) -> tuple[Tensor, Tensor]:
    """``separate_losses``, stacked: losses (T,) and present (T,) bool."""
    losses, present = separate_losses(kinds, outputs, batch, complete, ranks)
    return torch.stack(losses), present


def separate_losses(
    kinds: Mapping[str, TaskKind], outputs: Mapping[str, Any], batch: Batch, complete: Set[str], ranks: Ranks = ALONE
) -> tuple[list[Tensor], Tensor]:
    """Each task's mean loss over the images labelled for it. Not stacked, because a backward pass from one entry of a stack visits every head.

    Args:
        complete: targets that every image of the data set has; skipping the look-up for them avoids a GPU synchronisation.
        ranks: the processes that hold the other parts of the batch. Each loss then has the value for the whole batch, and the gradient of the part
            that is here.

    Returns:
        T scalars in the order of ``kinds``, the constant 0 for a task without a labelled image here; present (T,) bool.
    """
    if ranks.size > 1:
        return _over_ranks(kinds, outputs, batch, complete, ranks)
    found = [(_loss if batch.mix is None else _mixed_loss)(kind, outputs[name], batch, complete) for name, kind in kinds.items()]
    present = torch.tensor([loss is not None for loss in found], device=batch.images.device)
    return [batch.images.new_zeros(()) if loss is None else loss for loss in found], present


def _loss(kind: TaskKind, output: Any, batch: Batch, complete: Set[str]) -> Tensor | None:
    """A task's mean loss over the images labelled for it; None without such an image."""
    output, target = labelled_part(kind, output, batch, complete)
    return kind.loss(output, target) if len(target) else None


def _mixed_loss(kind: TaskKind, output: Any, batch: Batch, complete: Set[str]) -> Tensor | None:
    """``_loss`` after mixup: the mean over an image's own target and its partner's, by their shares."""
    parts = [(share, *labelled_part(kind, output, part, complete)) for share, part in as_seen(batch)]
    parts = [(share * len(target), kind.loss(own, target)) for share, own, target in parts if share > 0 and len(target)]
    return _mean(parts) if parts else None


def _over_ranks(
    kinds: Mapping[str, TaskKind], outputs: Mapping[str, Any], batch: Batch, complete: Set[str], ranks: Ranks
) -> tuple[list[Tensor], Tensor]:
    """The losses of a batch that the ranks divide: sums and numbers of items are added up over the ranks before they are divided."""
    seen = as_seen(batch)
    totals, own = loss_sums(kinds, outputs, [part for _, part in seen], complete)
    values, factors, present = whole_losses(ranks.sum_over(own), [share for share, _ in seen])
    there = present.tolist()
    losses, width = [], len(seen)
    for row in range(len(kinds)):
        local = [total * factor for total, factor in zip(totals[row * width :], factors[row].to(totals[row * width]), strict=False)]
        losses.append(_WithValue.apply(sum(local[1:], local[0]), values[row]) if there[row] else batch.images.new_zeros(()))
    return losses, present


def loss_sums(kinds: Mapping[str, TaskKind], outputs: Mapping[str, Any], seen: Sequence[Batch], complete: Set[str]) -> tuple[list[Tensor], Tensor]:
    """Each task's loss as a sum over items, so that the sums of several parts of a batch add up.

    Args:
        seen: W views of the part's targets, see ``as_seen``.

    Returns:
        T * W sums, of which an empty one has a gradient of zeros; (3, T, W) in double precision, detached: the sums, the numbers of items, and the
        numbers of labelled images.
    """
    totals, items, images = [], [], []
    for name, kind in kinds.items():
        for part in seen:
            output, target = labelled_part(kind, outputs[name], part, complete)
            total, number = kind.loss_parts(output, target) if len(target) else (_zero_of(outputs[name]), 0)
            totals.append(total)
            items.append(number)
            images.append(len(target))
    device = seen[0].images.device
    wide = {"device": device, "dtype": torch.float32 if device.type == "mps" else torch.float64}  # mps has no double precision
    own = [torch.stack([torch.as_tensor(number, **wide).detach() for number in numbers]) for numbers in (totals, items)]
    own.append(torch.tensor(images, **wide))
    return totals, torch.stack(own).view(3, len(kinds), -1)


def whole_losses(added: Tensor, shares_of_views: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
    """The sums (3, T, W) of ``loss_sums``, added up over all parts of a batch -> losses of the whole batch (T,), 0 where absent; factors (T, W) on
    the parts' sums, with which their gradients add up to those of the losses; present (T,) bool.
    """
    sums, counts, images = added
    shares = images * images.new_tensor(shares_of_views)  # (T, W); more than one view after mixup
    shares = shares / shares.sum(dim=1, keepdim=True).clamp(min=1e-30)
    factors = shares / counts.clamp(min=1)
    return (sums * factors).sum(dim=1).float(), factors, shares.sum(dim=1) > 0


class _WithValue(torch.autograd.Function):
    """A scalar with the gradient of ``own`` and the value ``value``."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _Zero(torch.autograd.Function):
    """0 with a gradient of zeros on every output: a rank without a label takes part in the backward pass, where normalisation adds up over ranks."""

    @staticmethod
    def forward(ctx: Any, *outputs: Tensor) -> Tensor:
        ctx.save_for_backward(*outputs)
        return outputs[0].new_zeros((), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.zeros_like(output) for output in ctx.saved_tensors)


def _zero_of(output: Any) -> Tensor:
    return _Zero.apply(*_tensors(output))


def _tensors(output: Any) -> list[Tensor]:
    """The floating-point tensors of a head's output."""
    if torch.is_tensor(output):
        return [output] if output.is_floating_point() else []
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def as_seen(batch: Batch) -> list[tuple[float, Batch]]:
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
