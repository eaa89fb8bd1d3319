"""Task vectors: each task trains its own copy of the shared network for some steps; then the differences are added up.

The article's update, theta(t+1) = theta(t) + alpha * sum_i theta_i. With theta_i the parameters of task i's copy, the formula
multiplies the network by 1 + alpha T in every round and diverges (docs/task-vectors.md shows a run). With theta_i the task vector, the difference
between task i's copy and its start (Ilharco et al. 2023, "Editing Models with Task Arithmetic"), the formula is a working method. With
alpha = 1/T it is local averaging, like federated averaging over clients (McMahan et al. 2017, algorithm 1). T counts the tasks that took a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from mtl_core.balancing import PLAIN
from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.errors import Problem
from mtl_core.sharing.frozen_parts import rate_factors
from mtl_core.sharing.model import trained
from mtl_core.training.losses_in_parts import losses_of
from mtl_core.training.optimizers import algorithms, make_optimizer
from mtl_core.training.setup import Network, Run
from mtl_core.training.step import UpdateOptions
from mtl_core.training.step_averages import StepResult


class TaskVectorsOptions(UpdateOptions):
    """Options of task vectors."""

    alpha: float | None = Field(
        None,
        gt=0,
        le=10,
        description="Factor on the sum of the task vectors; empty for 1 / number of the tasks that took a step in the round, which averages their "
        "copies.",
    )
    local_steps: int = Field(
        10, ge=1, le=10_000, description="Steps that each task takes on its own copy before copies are combined. A round also ends with an epoch."
    )
    vector: Literal["difference", "parameters"] = Field(
        "difference",
        description="What is summed. 'difference': the change of each copy, its task vector. 'parameters': the copies themselves, the article's "
        "literal formula; it diverges, and is offered to demonstrate that.",
    )


class TaskVectors:
    """In each call every task takes one step on its own copy, with its own optimizer. At the end of a round the copies are combined.

    Parameters that only one task uses (its head) have no copy; the task trains them in place. The tasks take their steps one after another on one
    device, from the same batch. No task sees another's step before the round ends, so the result equals simultaneous training.

    Deviations and choices. Running means of normalisation are averaged over the copies, never summed, because they are measurements. Each
    task's optimizer keeps its moments over the rounds. A task that is absent from a batch, outside its epochs or of loss weight 0 takes no step. A
    task without a step in a round is left out of the round's sum and averages.
    """

    title: ClassVar[str] = "Task vectors"
    summary: ClassVar[str] = (
        "Each task trains its own copy of the shared network for some steps; then the changes of the copies are added up: "
        "theta += alpha * sum_i (theta_i - theta)."
    )
    heads: ClassVar[str] = "Each head is trained with its own task's gradient, times the loss weight that was set."
    accumulates: ClassVar[bool] = True
    Options: ClassVar[type[UpdateOptions]] = TaskVectorsOptions
    options: TaskVectorsOptions

    def __init__(self, run: Run, network: Network, options: TaskVectorsOptions):
        self.run, self.network, self.options = run, network, options
        self.model = network.model
        self.shared = trained(self.model.shared_parameters())
        self.measured = _running_means(self.model, self.model.shared_parameters())
        self.optimizers = {name: self._own_optimizer(name) for name in run.kinds}
        self.copies = {name: [tensor.detach().clone() for tensor in self._tensors()] for name in run.kinds}
        self.in_round = 0
        self.moved: set[str] = set()  # tasks that have taken a step in this round

    @classmethod
    def problems(cls, config: RunConfig) -> list[Problem]:
        """Problems with balancing and ``on_non_finite``: a step has no combined loss, and makes several updates, so it cannot be skipped."""
        found = []
        if config.balancing.name != PLAIN:
            message = f"'{config.balancing.name}' combines losses or gradients; under 'update: task_vectors' each task has its own. Take '{PLAIN}'"
            found.append(Problem("balancing.name", message))
        if config.on_non_finite != "stop":
            found.append(Problem("on_non_finite", "'skip' needs one update for all tasks. Take 'stop', or 'update: joint'"))
        if config.precision == "fp16":
            message = "'fp16' skips the update of a step whose gradient overflows, and here a step has an update for each task. Take 'bf16' or 'fp32'"
            found.append(Problem("precision", message))
        if config.backbone.freeze_epochs is not None:
            message = "each task has an optimizer for what is trained at the start, so nothing can be trained later. Leave it empty, or take 'joint'"
            found.append(Problem("backbone.freeze_epochs", message))
        return found

    def __call__(self, batch: Batch, number: int) -> StepResult:
        """Do step ``number`` (1 is the first)."""
        run, loss_weights = self.run, self.network.loss_weights
        if self.in_round == 0:
            self._begin_round()
        values, present = loss_weights.new_zeros(len(run.kinds)), loss_weights.new_zeros(len(run.kinds), dtype=torch.bool)
        start, stepped = [tensor.data for tensor in self._tensors()], torch.zeros_like(present)
        try:
            for place, (name, is_on) in enumerate(zip(run.kinds, run.trained_at(number), strict=True)):
                loss = self._local_step(name, place, batch, number) if is_on else None
                if loss is not None:
                    values[place], present[place] = loss, True
                    stepped[place] = self.network.weights[place] > 0
        finally:
            self.model.only = None
            self._lend(start)
        alpha = self._alpha()
        self.in_round += 1
        is_rounds_end = self.in_round == self.options.local_steps or number % run.steps_per_epoch == 0
        extras = self._put_together() if is_rounds_end else {}
        return StepResult(values, present, (values * loss_weights).sum(), torch.where(stepped, alpha, 0.0), extras)

    def trained_anew(self) -> None:
        """Do nothing: ``problems`` refuses configs in which what is trained changes."""

    def _alpha(self) -> float:
        return self.options.alpha or 1 / max(1, len(self.moved))

    def state_dict(self) -> dict[str, Any]:
        """The optimizers' states, and within a round the copies."""
        optimizers = {name: {"rules": algorithms(optimizer), **optimizer.state_dict()} for name, optimizer in self.optimizers.items()}
        copies = self.copies if self.in_round else {}
        return {"in_round": self.in_round, "moved": sorted(self.moved), "copies": copies, "optimizers": optimizers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of ``state_dict``. An optimizer with another update rule starts without state."""
        self.in_round = state["in_round"]
        for name, tensors in state["copies"].items():
            _copy(self.copies[name], tensors)
        # Earlier versions did not save which tasks had taken a step: those whose copy differs from the network.
        self.moved = set(state["moved"]) if "moved" in state else {name for name in state["copies"] if self._has_moved(name)}
        for name, optimizer in self.optimizers.items():
            kept = state["optimizers"][name]
            if kept["rules"] == algorithms(optimizer):
                optimizer.load_state_dict({"state": kept["state"], "param_groups": optimizer.state_dict()["param_groups"]})

    def _has_moved(self, task: str) -> bool:
        return any(not torch.equal(own, tensor) for own, tensor in zip(self.copies[task], self.shared, strict=False))

    def _tensors(self) -> list[Tensor]:
        """The tensors of which each task has a copy."""
        return [*self.shared, *self.measured]

    def _own_optimizer(self, task: str) -> torch.optim.Optimizer:
        own = self.run.config.tasks[task].optimizer
        config = own or self.run.config.optimizer
        factors = rate_factors(self.model, self.run.config.backbone)
        return make_optimizer(config, [*self.shared, *self.model.task_parameters(task)], own_lr=own.lr if own else None, factors=factors)

    def _lend(self, tensors: Sequence[Tensor]) -> None:
        """Point the shared parameters at these tensors; the parameter objects, which the optimizers hold, stay the same."""
        for tensor, lent in zip(self._tensors(), tensors, strict=True):
            tensor.data = lent

    def _local_step(self, task: str, place: int, batch: Batch, number: int) -> Tensor | None:
        """One step of a task on its own copy, unless its loss weight is 0. Returns its loss, or None if the batch has no target for it."""
        run, network, optimizer = self.run, self.network, self.optimizers[task]
        self._lend(self.copies[task])
        self.model.only = (task,)
        [loss], present = losses_of(run, network, batch, {task: run.kinds[task]})  # mixed images included
        if not bool(present):
            return None
        if network.weights[place] == 0 or not loss.requires_grad:  # in the second case all parameters of this task are frozen
            return loss.detach()
        optimizer.zero_grad(set_to_none=True)
        (loss * network.loss_weights[place]).backward()
        if run.config.gradient_clip is not None:
            whole = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            clip_grad_norm_(whole if run.config.gradient_clip_over == "all" else self.shared, run.config.gradient_clip)
        network.rate.use(optimizer, number)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.moved.add(task)
        return loss.detach()

    @torch.no_grad()
    def _begin_round(self) -> None:
        self.moved = set()
        for copy in self.copies.values():
            _copy(copy, [tensor.data for tensor in self._tensors()])

    @torch.no_grad()
    def _put_together(self) -> dict[str, Tensor]:
        """End the round. Returns norms of the task vectors and cosines between them."""
        count = len(self.shared)
        vectors = {name: [own - tensor for own, tensor in zip(copy[:count], self.shared, strict=True)] for name, copy in self.copies.items()}
        seen = _norms_and_cosines(vectors)
        self.in_round = 0
        if not self.moved:
            return seen
        moved = [name for name in self.copies if name in self.moved]
        summed = vectors if self.options.vector == "difference" else self.copies
        for number, parameter in enumerate(self.shared):
            parameter.add_(sum(summed[name][number] for name in moved), alpha=self._alpha())
        for number, buffer in enumerate(self.measured, start=count):
            copies = torch.stack([self.copies[name][number] for name in moved])
            buffer.copy_(copies.mean(0) if buffer.is_floating_point() else copies.amax(0))
        return seen


def _running_means(model: nn.Module, shared: Sequence[Tensor]) -> list[Tensor]:
    """Buffers of the modules that shared parameters belong to, such as batch normalisation's."""
    ids = {id(parameter) for parameter in shared}
    owners = [module for module in model.modules() if any(id(parameter) in ids for parameter in module.parameters(recurse=False))]
    return [buffer for module in owners for buffer in module.buffers(recurse=False)]


def _copy(to: Sequence[Tensor], tensors: Sequence[Tensor]) -> None:
    for mine, other in zip(to, tensors, strict=True):
        mine.copy_(other)


def _norms_and_cosines(vectors: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    """``task_vector_norm`` (T,) and a cosine for each pair; NaN for a zero vector, which the curves leave out. Empty if all is frozen."""
    if not any(vectors.values()):
        return {}
    flat = {name: torch.cat([part.reshape(-1) for part in parts]) for name, parts in vectors.items()}
    norms = {name: torch.linalg.vector_norm(vector) for name, vector in flat.items()}
    noted = {"task_vector_norm": torch.stack(list(norms.values()))}
    for one, other in combinations(flat, 2):
        noted[f"task_vector_cosine/{one}/{other}"] = torch.dot(flat[one], flat[other]) / (norms[one] * norms[other])
    return noted
