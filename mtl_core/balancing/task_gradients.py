"""The tasks' gradients, computed at the shared parameters or at the features that the heads read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mtl_core.ranks import ALONE, Ranks
from mtl_core.sharing.model import MultiTaskModel, trained


@dataclass(frozen=True)
class TaskGradients:
    """Gradients of the T' tasks that take part in an update.

    Attributes:
        jacobian: (T', P), one task's flat gradient per row.
        gramian: (T', T'), the rows' scalar products.
        losses: (T',), detached.
        rows: (T',) indices of these tasks among all tasks of the run.
        own: per task, its gradients on the parameters that only it uses; None for a parameter without gradient. The tensors of ``.grad``, not copies.
    """

    jacobian: Tensor
    gramian: Tensor
    losses: Tensor
    rows: Tensor
    own: Sequence[Sequence[Tensor | None]] = ()

    def gramian_of(self, part: slice) -> Tensor:
        """(T', T') scalar products of a part of the rows."""
        return self.jacobian[:, part] @ self.jacobian[:, part].T


class AtParameters:
    """Gradients on all trained shared parameters, as in the papers: one backward pass through the whole network per task."""

    def __init__(self, model: MultiTaskModel, ranks: Ranks = ALONE):
        self.model, self.places, self.ranks = model, trained(model.shared_parameters()), ranks
        self.reached: list[bool] = []

    def task_gradients(self, losses: Sequence[Tensor], rows: Tensor) -> TaskGradients:
        """Compute the tasks' gradients and fill ``.grad`` of their own parameters. Frees the graph. Both are added up over the ranks."""
        jacobian, own, reached = _task_gradients(self.model, self.places, losses, rows, self.ranks)
        self.reached = self.ranks.any_over(reached)
        return _described(self.ranks.sum_over(jacobian), losses, rows, own)

    def apply(self, gradient: Tensor) -> None:
        """Write the flat update (P,) into ``.grad`` of the shared parameters. Parameters that none of these tasks uses get None, as after a plain
        backward pass, because zeros would let momentum and weight decay move them."""
        for parameter, part, is_reached in zip(self.places, _split(gradient, self.places), self.reached, strict=True):
            if is_reached:
                parameter.grad = part.to(memory_format=_memory_format(parameter))

    def finish(self) -> None:
        """Add a plain backward pass up over the ranks; it has filled ``.grad`` already."""
        self.ranks.sum_gradients(self.model.parameters())


class AtFeatures:
    """Gradients at the features that the heads read: a backward pass through each head, and one through the shared network for the update.

    The features of a batch that several ranks divide are gathered, so that a method sees those of the whole batch.
    """

    def __init__(self, model: MultiTaskModel, ranks: Ranks = ALONE):
        self.model, self.ranks = model, ranks
        features, copies = model.take_features()  # "take" removes them from the model, so that it does not hold the step's activations
        pairs = [(feature, copy) for feature, copy in zip(features, copies, strict=True) if copy.requires_grad]
        self.features, self.places = [feature for feature, _ in pairs], [copy for _, copy in pairs]
        self.reached: list[bool] = []

    def task_gradients(self, losses: Sequence[Tensor], rows: Tensor) -> TaskGradients:
        """As ``AtParameters``; P counts the numbers of all features of the batch."""
        jacobian, own, reached = _task_gradients(self.model, self.places, losses, rows, self.ranks)
        self.reached = self.ranks.any_over(reached)
        return _described(self._of_the_batch(jacobian), losses, rows, own)

    def apply(self, gradient: Tensor) -> None:
        """Propagate the flat update (P,) through the shared network into ``.grad`` of its parameters. Features that no head read are left out."""
        parts = zip(self.features, self._own_parts(gradient), self.reached, strict=True)
        self._into_shared([part.to(feature.dtype, memory_format=_memory_format(feature)) if is_in else None for feature, part, is_in in parts])
        self.ranks.sum_gradients(self.model.shared_parameters())

    def finish(self) -> None:
        """Continue a plain backward pass, which ended at the features, through the shared network."""
        self._into_shared([place.grad for place in self.places])
        self.ranks.sum_gradients(self.model.parameters())

    def _of_the_batch(self, jacobian: Tensor) -> Tensor:
        """The Jacobian at this rank's features -> at those of the whole batch, in the order that one process has them in."""
        if self.ranks.size == 1:
            return jacobian
        parts = jacobian.split([place.numel() for place in self.places], dim=1)
        by_image = [part.reshape(len(jacobian), len(place), -1).transpose(0, 1) for part, place in zip(parts, self.places, strict=True)]
        return torch.cat([self.ranks.gather(part).transpose(0, 1).reshape(len(jacobian), -1) for part in by_image], dim=1)

    def _own_parts(self, gradient: Tensor) -> list[Tensor]:
        """The flat update (P,) at the features of the batch -> this rank's part at each feature."""
        parts = gradient.split([self.ranks.size * place.numel() for place in self.places])
        whole = [part.view(-1, *place.shape[1:]) for part, place in zip(parts, self.places, strict=True)]
        return [part[self.ranks.own(len(part))] for part in whole]

    def _into_shared(self, gradients: Sequence[Tensor | None]) -> None:
        pairs = [(feature, gradient) for feature, gradient in zip(self.features, gradients, strict=True) if gradient is not None]
        if pairs:
            torch.autograd.backward([feature for feature, _ in pairs], [gradient for _, gradient in pairs])


def shared_gradients(model: MultiTaskModel, loss: Tensor) -> list[Tensor | None]:
    """One task's gradient on each shared parameter that is trained, None where it has none; at the parameters even if the graph is cut at
    the features. The graph and the cut stay usable for the update.
    """
    parameters = trained(model.shared_parameters())
    cut = model.cut_features()
    if cut is None:
        return _gradients([loss], parameters)
    features, copies = cut
    pairs = [(feature, copy) for feature, copy in zip(features, copies, strict=True) if copy.requires_grad]
    at_copies = _gradients([loss], [copy for _, copy in pairs])
    reached = [(feature, gradient) for (feature, _), gradient in zip(pairs, at_copies, strict=True) if gradient is not None]
    return _gradients([feature for feature, _ in reached], parameters, [gradient for _, gradient in reached])


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], at_outputs: Sequence[Tensor] | None = None, keep: bool = True
) -> list[Tensor | None]:
    """``torch.autograd.grad`` that also accepts an empty list and an output without a graph."""
    if not inputs or not any(output.requires_grad for output in outputs):
        return [None] * len(inputs)
    return list(torch.autograd.grad(outputs, inputs, at_outputs, retain_graph=keep, allow_unused=True))


def _task_gradients(
    model: MultiTaskModel, places: Sequence[Tensor], losses: Sequence[Tensor], rows: Tensor, ranks: Ranks
) -> tuple[Tensor, list[list[Tensor | None]], list[bool]]:
    """This rank's part of the tasks' gradients (T', P); all of those on their own parameters; for each of ``places`` whether a task here uses it."""
    jacobian = torch.zeros((len(rows), sum(place.numel() for place in places)), device=losses[0].device)
    own_gradients, reached = [], [False] * len(places)
    for index, row in enumerate(rows.tolist()):
        own = trained(model.task_parameters(model.tasks[row]))
        is_last = index == len(rows) - 1
        gradients = _gradients([losses[row]], [*places, *own], keep=not is_last)
        own_gradients.append(ranks.sum_present(gradients[len(places) :], own))
        for parameter, gradient in zip(own, own_gradients[-1], strict=True):
            parameter.grad = gradient
        found = fill(jacobian[index], places, gradients[: len(places)])
        reached = [before or now for before, now in zip(reached, found, strict=True)]
        del gradients  # one task's gradients at a time are in memory beside the Jacobian
    return jacobian, own_gradients, reached


def _described(jacobian: Tensor, losses: Sequence[Tensor], rows: Tensor, own: Sequence[Sequence[Tensor | None]]) -> TaskGradients:
    values = torch.stack([losses[row].detach() for row in rows.tolist()])
    return TaskGradients(jacobian, jacobian @ jacobian.T, values, rows, own)


def fill(flat: Tensor, places: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[bool]:
    """Write gradients into a flat vector (P,) of zeros. Returns which of them are not None."""
    for part, gradient in zip(_split(flat, places), gradients, strict=True):
        if gradient is not None:
            part.copy_(gradient)
    return [gradient is not None for gradient in gradients]


def _split(flat: Tensor, places: Sequence[Tensor]) -> list[Tensor]:
    """Views of a flat vector (P,) in the shapes of ``places``."""
    parts = flat.split([math.prod(place.shape) for place in places])
    return [part.view(place.shape) for part, place in zip(parts, places, strict=True)]


def _memory_format(place: Tensor) -> torch.memory_format:
    is_channels_last = place.ndim == 4 and place.is_contiguous(memory_format=torch.channels_last) and not place.is_contiguous()
    return torch.channels_last if is_channels_last else torch.contiguous_format


def exchange_last(memory: dict[str, Any], tasks: TaskGradients, task_count: int) -> Tensor:
    """Store these tasks' gradients in ``memory`` and return the stored ones (T', P), from another batch and parameters one step older.

    The first time that a task is present, its present gradient is returned.

    Args:
        memory: has, or gets, ``last`` (T, P) and ``has_last`` (T,).
    """
    if "last" not in memory:
        memory["last"] = tasks.jacobian.new_zeros(task_count, tasks.jacobian.shape[1])
        memory["has_last"] = torch.zeros(task_count, dtype=torch.bool, device=tasks.jacobian.device)
    last = torch.where(memory["has_last"][tasks.rows][:, None], memory["last"][tasks.rows], tasks.jacobian)
    memory["last"][tasks.rows] = tasks.jacobian
    memory["has_last"][tasks.rows] = True
    return last


def running_mean(memory: dict[str, Any], tasks: TaskGradients, newest: Tensor, share: float, task_count: int) -> Tensor:
    """Running means (T', P) of the rows ``newest`` (T', P), stored in ``memory``. Each starts at its first value; an absent task's does not change.

    Args:
        memory: has, or gets, ``mean`` (T, P) and ``has_mean`` (T,).
        share: of the newest row in the mean.
    """
    if "mean" not in memory:
        memory["mean"] = newest.new_zeros(task_count, newest.shape[1])
        memory["has_mean"] = torch.zeros(task_count, dtype=torch.bool, device=newest.device)
    old = torch.where(memory["has_mean"][tasks.rows][:, None], memory["mean"][tasks.rows], newest)
    mean = torch.lerp(old, newest, share)
    memory["mean"][tasks.rows] = mean
    memory["has_mean"][tasks.rows] = True
    return mean
