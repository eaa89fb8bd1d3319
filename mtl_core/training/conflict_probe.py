"""Measurement of task conflict: cosines between the tasks' gradients on the shared parameters, and the norms of the gradients.

Cosines are always those of the gradients on the shared parameters. The sign of a cosine at the features agrees with them in only about half of
the cases (``docs/decisions.md``). Norms are measured at the features, where they are good proxies and cost next to nothing. If a sharing scheme
has no features that all tasks share, norms are measured on the shared parameters: a gradient at a task's own features may end in its own part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from mtl_core.balancing.balancer import GradientAggregator
from mtl_core.balancing.gradient_blocks import TaskProducts
from mtl_core.balancing.task_gradients import TaskGradients, fill, shared_gradients
from mtl_core.config import RunConfig
from mtl_core.sharing.model import MultiTaskModel, trained
from mtl_core.training.setup import Network

Noted = dict[str, Tensor]  # scalar key -> 0-d tensor, or the first part of several keys -> (T,), one entry per task


class ConflictProbe:
    """Cosines between the tasks' gradients on the shared parameters, whole and by block. Blocks are the groups that several tasks use.

    A method that computes the tasks' gradients is measured at every step, at no cost. Every other method is measured every ``conflict_every``
    steps, by one more backward pass through the shared network per task, on the same graph. The probe changes nothing that the update uses. A
    method that works at the features has cut the graph there; the probe continues behind the cut, so its cosines compare with other methods'.

    Under a scheme without shared features the probe measures norms too, from the same gradients: each is the task's own gradient times its loss
    weight, before the method combines or weighs it.

    Frozen parameters are left out. If no shared parameter is trained, nothing is measured.
    """

    def __init__(self, config: RunConfig, network: Network):
        self.network, self.every = network, config.conflict_every
        self.parameters = trained(network.model.shared_parameters())
        self.blocks = _blocks(network.model)
        self.has_norms = config.gradient_norms and not network.model.has_shared_features
        self.noted: Noted = {}
        self._gives_gradients = isinstance(network.balancer, GradientAggregator) and not network.balancer.at_features
        self._step = 0
        if isinstance(network.balancer, GradientAggregator) and self._gives_gradients and (self.every or self.has_norms):
            network.balancer.observer = self._observe
        self.is_on = len(network.model.tasks) > 1 and bool(self.parameters) and (self.every > 0 or (self.has_norms and self._gives_gradients))

    def before_update(self, losses: Sequence[Tensor], present: Tensor, step: int) -> None:
        """Measure, if due. Call before the balancer's backward pass, which frees the losses' graphs."""
        self.noted, self._step = {}, step
        if self._gives_gradients or not self._is_due() or not self.parameters:
            return
        rows = present.nonzero()[:, 0].tolist()
        if len(rows) < 2:
            return
        jacobian = torch.zeros((len(rows), sum(parameter.numel() for parameter in self.parameters)), device=present.device)
        for flat, row in zip(jacobian, rows, strict=True):  # row by row, so that one task's gradients at a time are in memory beside it
            fill(flat, self.parameters, shared_gradients(self.network.model, losses[row]))
        jacobian = self.network.balancer.ranks.sum_over(jacobian)
        blocks = {name: jacobian[:, part] @ jacobian[:, part].T for name, part in self.blocks.items()} if len(self.blocks) > 1 else {}
        self._note(rows, jacobian @ jacobian.T, blocks, loss_weights=self.network.loss_weights[rows])

    def _is_due(self) -> bool:
        return self.every > 0 and (self._step - 1) % self.every == 0

    def _observe(self, tasks: TaskGradients | TaskProducts) -> None:
        if self.parameters and len(tasks.rows) > 1:
            # By block only if due, because a block's scalar products cost as much as its share of the network.
            blocks = {name: tasks.gramian_of(part) for name, part in self.blocks.items()} if self._is_due() and len(self.blocks) > 1 else {}
            self._note(tasks.rows.tolist(), tasks.gramian, blocks)

    def _note(self, rows: list[int], gramian: Tensor, blocks: Noted, loss_weights: Tensor | float = 1.0) -> None:
        """Record cosines of every pair, whole and by block.

        Args:
            gramian: (T', T') scalar products of the whole gradients; blocks: those of each block that is measured.
            loss_weights: factors by which the gradients are not multiplied yet.
        """
        if self.every:
            self._cosines(rows, gramian, "")
        if self.has_norms:
            norms = gramian.new_full((len(self.network.model.tasks),), float("nan"))
            norms[rows] = _lengths(gramian) * loss_weights
            self.noted |= _with_shares(norms, [row for row in range(len(norms)) if row not in rows])
        for name, products in blocks.items():
            self._cosines(rows, products, f"/{name}")

    def _cosines(self, rows: list[int], gramian: Tensor, block: str) -> None:
        lengths = _lengths(gramian)
        cosines = gramian / (lengths[:, None] * lengths[None, :])
        tasks = self.network.model.tasks
        for one, other in combinations(range(len(rows)), 2):
            pair = f"{tasks[rows[one]]}/{tasks[rows[other]]}{block}"
            cosine = cosines[one, other].clamp(-1, 1)
            self.noted[f"conflict/{pair}"] = cosine  # NaN if a gradient is zero; the window skips NaN
            if not block:
                self.noted[f"conflict_share/{pair}"] = torch.where(cosine.isnan(), cosine, (cosine < 0).to(cosine))


def _lengths(gramian: Tensor) -> Tensor:
    """Norms (T,) of the gradients whose scalar products these are."""
    return gramian.diagonal().clamp(min=0).sqrt()


def _with_shares(norms: Tensor, absent: Sequence[int]) -> Noted:
    """Norms (T,), NaN for an absent task, and each norm's share of their sum.

    The share of an absent task is 0, because the step moves nothing for it. So the shares add to 1 in every step and in every mean over steps.
    """
    shares = norms / norms.nansum()
    if absent:
        shares[list(absent)] = 0.0
    return {"gradient_norm": norms, "gradient_share": shares}


def _blocks(model: MultiTaskModel) -> dict[str, slice]:
    """Names of the shared groups with trained parameters, and the slice of each in the flat gradient."""
    blocks: dict[str, slice] = {}
    start = 0
    for group in model.shared_groups():
        end = start + sum(parameter.numel() for parameter in trained(group.parameters))
        if end > start:
            blocks[group.name] = slice(start, end)
        start = end
    return blocks


class FeatureNorms:
    """Norm of each task's gradient at the shared features, measured during its backward pass. Exact to 0.4 % in bf16.

    Under a loss weighting it is the gradient that enters the shared network, including loss weight and method. Under a gradient method it is the
    task's own gradient times its loss weight, before the method combines it.
    """

    def __init__(self, config: RunConfig, network: Network):
        self.tasks, self.ranks = network.model.tasks, network.balancer.ranks
        self.parts: dict[str, list[Tensor]] = {}  # task -> its norms at each feature that it reads, (N,) each, one per image
        self.is_measuring = False  # in the update's backward pass, not in those of other probes
        self.present: Sequence[str] = ()
        self.scaling = network.model.scaling
        self.is_on = config.gradient_norms and network.model.has_shared_features and len(self.tasks) > 1
        if self.is_on:
            network.model.watch_features = lambda task, features: _Watched.apply(partial(self._note, task), *features)

    def begin(self, present: Sequence[str] = ()) -> None:
        """Start a measurement. Call just before the update's backward pass, so that earlier passes (the conflict probe's) do not count.

        Args:
            present: tasks with a loss in this step. If the update leaves one out (roulette, a loss weight of 0), its norm is 0.
        """
        self.parts, self.is_measuring, self.present = {}, True, present

    def noted(self) -> Noted:
        """End the measurement. ``gradient_norm``, NaN for an absent task, and ``gradient_share`` (of the norms' sum), each (T,); empty if
        switched off."""
        self.is_measuring = False
        if not self.parts:
            return {}
        lengths = {task: sum(map(len, own)) for task, own in self.parts.items()}
        width = max(lengths.values())
        some = next(iter(self.parts.values()))[0]
        rows: list[Tensor] = []
        absent = [row for row, task in enumerate(self.tasks) if task not in lengths and task not in self.present]
        for row, task in enumerate(self.tasks):
            rows += self.parts.get(task, ())
            if (missing := width - lengths.get(task, 0)) > 0:
                rows.append(some.new_full((missing,), float("nan") if row in absent else 0.0))
        norms = torch.linalg.vector_norm(torch.cat(rows).view(len(self.tasks), width), dim=1, dtype=torch.float32)
        if self.scaling is not None:  # inside the network
            norms = norms / self.scaling.value
        if self.ranks.size > 1:
            norms = self.ranks.sum_over(norms**2).sqrt()  # each rank has the features of other images
        return _with_shares(norms, absent)

    def _note(self, task: str, gradients: Sequence[Tensor | None]) -> None:
        if not self.is_measuring:
            return
        # Image by image, because torch computes the norm of a whole tensor in one thread.
        wide = torch.float32 if self.scaling is not None else None  # a norm may be too large for fp16
        norms = [torch.linalg.vector_norm(each, dim=list(range(1, each.ndim)), dtype=wide) for each in gradients if each is not None]
        self.parts.setdefault(task, []).extend(norms)


class _Watched(torch.autograd.Function):
    """Identity on the features that one task reads. One node for all of them: a hook on each costs 1 % of a small network's step."""

    @staticmethod
    def forward(ctx: Any, note: Callable[[Sequence[Tensor | None]], None], *features: Tensor) -> tuple[Tensor, ...]:
        ctx.note = note
        ctx.set_materialize_grads(False)
        return tuple(feature.view_as(feature) for feature in features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        # A feature of a frozen stage passes no gradient on, so a gradient there moves no shared parameter.
        ctx.note([gradient if is_needed else None for gradient, is_needed in zip(gradients, ctx.needs_input_grad[1:], strict=True)])
        return None, *gradients
