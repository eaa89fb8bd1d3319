"""The losses of a batch whose parts pass through the network one after another, so that only the activations of one part are in memory.

A first pass over the parts adds up each task's sum and number of items. So the losses have the values of the whole batch, and a balancing method,
written for whole batches, decides as it does there. A backward pass from them goes through the parts again: forward and backward for each, and the
parts' gradients are added up. A gradient method starts one backward pass for each task, so it costs a further forward pass for each.

Where a method works at the shared features, the graph is cut there as in ``MultiTaskModel``: the features of the whole batch are kept, and each side
of the cut is computed again in parts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mtl_core.data.batches import Batch, image_rows, part_of, parts_of
from mtl_core.randomness import draw_again_from, drawing, drawn_from, random_state
from mtl_core.sharing.model import trained
from mtl_core.tasks.kind import TaskKind
from mtl_core.training.losses import as_seen, loss_sums, separate_losses, whole_losses
from mtl_core.training.setup import Network, Run

Forward = Callable[[Tensor, Mapping[str, slice]], Mapping[str, Any]]  # images and parts -> outputs, as ``MultiTaskModel.forward``


def losses_of(
    run: Run, network: Network, batch: Batch, kinds: Mapping[str, TaskKind] | None = None, forward: Forward | None = None
) -> tuple[list[Tensor], Tensor]:
    """Each task's loss on a batch, and which tasks are present; see ``separate_losses``.

    Args:
        kinds: the tasks; None for all of the run.
        forward: in place of the network's own forward pass, where no gradient is needed.
    """
    kinds = run.kinds if kinds is None else kinds
    if run.config.accumulate == 1:
        with run.execution.autocast():
            outputs = (forward or network.model)(batch.images, batch.parts)
        return separate_losses(kinds, outputs, batch, run.complete, run.ranks)
    return LossesInParts(run, network, batch, kinds, forward).losses()


def loss_values(run: Run, network: Network, batch: Batch, forward: Forward | None = None) -> tuple[Tensor, Tensor]:
    """``losses_of``, stacked: losses (T,) and present (T,) bool. Call without gradients."""
    losses, present = losses_of(run, network, batch, forward=forward)
    return torch.stack(losses), present


class _Part(NamedTuple):
    images: Tensor
    parts: Mapping[str, slice]
    seen: list[Batch]
    rows: Tensor  # its rows of the whole batch's images


class LossesInParts:
    """One batch in ``accumulate`` parts; the arguments are those of ``losses_of``."""

    def __init__(self, run: Run, network: Network, batch: Batch, kinds: Mapping[str, TaskKind], forward: Forward | None = None):
        self.run, self.model, self.kinds, self.forward = run, network.model, kinds, forward
        seen = as_seen(batch)
        self.shares, self.count = [share for share, _ in seen], len(batch.images)
        self.parts = [_part(seen, own) for own in parts_of(len(batch.index), run.config.accumulate)]
        self.is_drawing, self.generators = network.draws, drawn_from()
        self.asked = self.model.asked()
        self.is_cut = self.model.split_features and self.model.has_shared_features and self.model.training
        self.states: list[tuple[Any, Any]] = []  # of the random generators, before each part and before its heads
        self.labelled: list[Tensor] = []  # (T, W) bool for each part

    def losses(self) -> tuple[list[Tensor], Tensor]:
        """The first pass. Losses with a graph if gradients are on."""
        with_graph, added, has_graph = torch.is_grad_enabled() and self.forward is None, None, [False] * len(self.kinds)
        features: list[list[Tensor]] = []
        for part in self.parts:
            totals = self._first_totals(part)
            own, width = totals[1], len(self.shares)
            self.labelled.append(own[2] > 0)
            added = own if added is None else added + own
            has_graph = [had or any(total.requires_grad for total in totals[0][row * width : (row + 1) * width]) for row, had in enumerate(has_graph)]
            if with_graph and self.is_cut:
                features.append([feature.detach().requires_grad_(feature.requires_grad) for feature in self.model.take_features()[0]])
            del totals  # and with it the part's activations
        assert added is not None  # a batch has at least one image
        values, self.factors, present = whole_losses(self.run.ranks.sum_over(added), self.shares)
        there = present.tolist()
        self.rows = [row for row in range(len(self.kinds)) if with_graph and there[row] and has_graph[row]]
        self.values, zero = values, values.new_zeros(())
        losses = [values[row] if there[row] else zero for row in range(len(self.kinds))]
        if self.rows:
            self.parameters = trained(self.model.parameters())
            self.copies = self._cut(features) if self.is_cut else []
            self.read = [copy for copy in self.copies if copy.requires_grad]
            for row, loss in zip(self.rows, _Losses.apply(self, *self.read, *self.parameters), strict=True):
                losses[row] = loss
        return losses, present

    def gradients_of_losses(self, at_losses: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The gradients at the inputs of ``_Losses``: at the copies of the features where the graph is cut, and at the parameters."""
        wanted = {row: gradient for row, gradient in zip(self.rows, at_losses, strict=True) if gradient is not None}
        at_copies: list[Tensor | None] = [None] * len(self.read)
        at_parameters: list[Tensor | None] = [None] * len(self.parameters)
        with self._again():
            for number, part in enumerate(self.parts):
                copies = [copy[part.rows].detach().requires_grad_(copy.requires_grad) for copy in self.copies]
                outputs, at_outputs = self._outputs(self._totals(number, copies), wanted, self.labelled[number])
                if not outputs:
                    continue
                read = [copy for copy in copies if copy.requires_grad]
                found = torch.autograd.grad(outputs, [*read, *self.parameters], at_outputs, allow_unused=True)
                for place, (whole, gradient) in enumerate(zip(self.read, found, strict=False)):
                    if gradient is not None:
                        at_copies[place] = _with_rows(at_copies[place], whole, part.rows, gradient)
                at_parameters = _added(at_parameters, found[len(read) :])
        return [*at_copies, *self._in_the_network(at_parameters)]

    def gradients_of_features(self, at_features: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The gradients at the parameters of the shared network, from those at the features of the whole batch."""
        found: list[Tensor | None] = [None] * len(self.parameters)
        with self._again():
            for number, part in enumerate(self.parts):
                self._draw_as(number, 0)
                with self.run.execution.autocast():
                    features = [feature for feature in self._features(part) if feature.requires_grad]
                known = zip(features, self._in_the_network(at_features), strict=True)
                pairs = [(feature, gradient[part.rows].to(feature.dtype)) for feature, gradient in known if gradient is not None]
                if pairs:
                    outputs, at_outputs = zip(*pairs, strict=True)
                    found = _added(found, torch.autograd.grad(outputs, self.parameters, at_outputs, allow_unused=True))
        return self._in_the_network(found)

    def _in_the_network(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Gradients as they are inside the network, with the loss scale of fp16. ``LossScale`` divides them again at the parameters."""
        scaling = self.model.scaling
        return list(gradients) if scaling is None else [None if each is None else each * scaling.value for each in gradients]

    def _first_totals(self, part: _Part) -> tuple[list[Tensor], Tensor]:
        before = random_state() if self.is_drawing else None
        with self.run.execution.autocast():
            if self.forward is not None:
                outputs = self.forward(part.images, part.parts)
            else:
                read = self.model.read(part.images, self.asked, part.parts)
                self.states.append((before, random_state() if self.is_drawing else None))
                outputs = self.model.outputs_of(read)
        return loss_sums(self.kinds, outputs, part.seen, self.run.complete)

    def _totals(self, number: int, copies: list[Tensor]) -> list[Tensor]:
        """The sums of a part, computed again; from the features where the graph is cut."""
        part = self.parts[number]
        self._draw_as(number, 1 if copies else 0)
        with self.run.execution.autocast():
            if copies:
                read = {task: [copy[part.parts[task]] for copy in copies] if part.parts else copies for task in self.asked}
            else:
                read = self.model.read(part.images, self.asked, part.parts)
            outputs = self.model.outputs_of(read)
        return loss_sums(self.kinds, outputs, part.seen, self.run.complete)[0]

    def _outputs(self, totals: list[Tensor], wanted: Mapping[int, Tensor], labelled: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The sums that a backward pass starts from, and the gradients there. With several ranks also from empty sums, because
        normalisation adds up over the ranks."""
        is_whole, width, pairs = self.run.ranks.size == 1, len(self.shares), []
        there = labelled.tolist()
        for row, gradient in wanted.items():
            for view, total in enumerate(totals[row * width : (row + 1) * width]):
                if total.requires_grad and (there[row][view] or not is_whole):
                    pairs.append((total, (gradient * self.factors[row, view].to(gradient)).to(total)))
        return [total for total, _ in pairs], [gradient for _, gradient in pairs]

    def _features(self, part: _Part) -> list[Tensor]:
        return next(iter(self.model.features(part.images, self.asked).values()))

    def _cut(self, features: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """Let the model hold the features of the whole batch, with a graph where they have one; the detached copies that the heads read."""
        self.whole = [_together(self.count, self.parts, parts) for parts in zip(*features, strict=True)]
        self.trained_features = [place for place, first in enumerate(features[0]) if first.requires_grad]
        made = list(self.whole)
        if self.trained_features:
            for place, feature in zip(self.trained_features, _Features.apply(self, *self.parameters), strict=True):
                made[place] = feature
        self.whole = []  # they hold the graph, which holds this object
        copies = self.model.copies_of(made)
        self.model.keep_cut(made, copies)
        return copies

    def _draw_as(self, number: int, place: int) -> None:
        """Let the random numbers be those of the first pass."""
        if self.is_drawing:
            draw_again_from(self.states[number][place])

    @contextlib.contextmanager
    def _again(self) -> Iterator[None]:
        """Context in which parts are computed again: with a graph, and with buffers and generators that stand afterwards where they stood.

        A backward pass on a GPU runs in a thread of its own, in which the run's generators have to be entered again.
        """
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        entered = drawing(self.generators) if self.is_drawing else contextlib.nullcontext()
        with torch.enable_grad(), entered, self.model.kept_cut():
            state = random_state() if self.is_drawing else None
            try:
                yield
            finally:
                if state is not None:
                    draw_again_from(state)
                with torch.no_grad():
                    for buffer, before in zip(self.model.buffers(), buffers, strict=True):
                        buffer.copy_(before)


def _part(seen: Sequence[tuple[float, Batch]], own: slice) -> _Part:
    batches = [part_of(batch, own) for _, batch in seen]
    return _Part(batches[0].images, batches[0].parts, batches, image_rows(seen[0][1], own).to(batches[0].images.device))


def _together(count: int, parts: Sequence[_Part], features: Sequence[Tensor]) -> Tensor:
    """A feature of the whole batch (N, ...) from those of its parts."""
    whole = features[0].detach().new_empty((count, *features[0].shape[1:]))
    for part, feature in zip(parts, features, strict=True):
        whole[part.rows] = feature.detach()
    return whole


def _with_rows(gradient: Tensor | None, whole: Tensor, rows: Tensor, part: Tensor) -> Tensor:
    gradient = torch.zeros_like(whole) if gradient is None else gradient
    gradient[rows] = part.to(gradient)
    return gradient


def _added(sums: Sequence[Tensor | None], more: Sequence[Tensor | None]) -> list[Tensor | None]:
    pairs = zip(sums, more, strict=True)
    return [gradient if total is None else total if gradient is None else total + gradient for total, gradient in pairs]


class _Losses(torch.autograd.Function):
    """The losses of the whole batch. Their graph leads to the inputs: features where it is cut, and parameters."""

    @staticmethod
    def forward(ctx: Any, source: LossesInParts, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.source = source
        ctx.set_materialize_grads(False)
        return tuple(source.values[row].clone() for row in source.rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        return None, *ctx.source.gradients_of_losses(gradients)


class _Features(torch.autograd.Function):
    """The shared features of the whole batch that depend on trained parameters."""

    @staticmethod
    def forward(ctx: Any, source: LossesInParts, *parameters: Tensor) -> tuple[Tensor, ...]:
        ctx.source = source
        ctx.set_materialize_grads(False)
        return tuple(source.whole[place] for place in source.trained_features)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        return None, *ctx.source.gradients_of_features(gradients)
