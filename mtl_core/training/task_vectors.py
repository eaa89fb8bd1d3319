"""Task vectors: each task trains its own copy of the shared network for some steps, then the differences are added up.

The article's update, theta(t+1) = theta(t) + alpha * sum_i theta_i. Read literally, with theta_i the parameters that task i has come to, it
multiplies the network by 1 + alpha T in every round and diverges (docs/task-vectors.md has a run that shows it). Read with theta_i as the
task vector, the difference of task i's copy to where it began (Ilharco et al. 2023, "Editing Models with Task Arithmetic"), it is a method; with
alpha = 1/T it is local averaging, as federated averaging does over clients (McMahan et al. 2017, algorithm 1), T the tasks that took a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.errors import Problem
from mtl_core.sharing.model import trained
from mtl_core.training.losses import separate_losses
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
        10, ge=1, le=10_000, description="Steps that each task takes on its own copy before they are put together. A round also ends with its epoch."
    )
    vector: Literal["difference", "parameters"] = Field(
        "difference",
        description="What is summed. 'difference': what each copy has learnt, the task vector. 'parameters': the copies themselves, the article's "
        "formula to the letter: it diverges, and is here to be seen doing so.",
    )


class TaskVectors:
    """One call is one batch: every task takes one step on its own copy, with its own optimizer, and at a round's end the copies are put together.

    What only one task uses (its head) has no copy; its task trains it in place. The tasks take their steps one after another on the one device, from
    the same batch; nothing that one does is seen by another before the round's end, so the result is that of training them at the same time.

    Deviations and choices. Running means of normalisation are averaged over the copies, never summed: they are measurements. Each
    task's optimizer keeps its moments over the rounds. A task that is absent from a batch, outside its epochs or of loss weight 0 takes no step in
    it, and a task without any step in a round counts neither in its sum nor in its averages.
    """

    title: ClassVar[str] = "Task vectors"
    summary: ClassVar[str] = (
        "Each task trains its own copy of the shared network for some steps; then what the copies have learnt is added up: "
        "theta += alpha * sum_i (theta_i - theta)."
    )
    heads: ClassVar[str] = "Each head is trained with its own task's gradient, times the loss weight that was set."
    Options: ClassVar[type[UpdateOptions]] = TaskVectorsOptions

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
        """Nothing is combined within a step, so a balancing method would have no say; and a step is many, so none can be skipped whole."""
        found = []
        if config.balancing.name != "fixed":
            message = f"'{config.balancing.name}' combines losses or gradients, and under 'update: task_vectors' each task has its own. Take 'fixed'"
            found.append(Problem("balancing.name", message))
        if config.on_non_finite != "stop":
            found.append(Problem("on_non_finite", "'skip' needs one update for all tasks. Take 'stop', or 'update: joint'"))
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
                    stepped[place] = self.network.weighted[place]
        finally:
            self.model.only = None
            self._lend(start)
        alpha = self._alpha()
        self.in_round += 1
        is_rounds_end = self.in_round == self.options.local_steps or number % run.steps_per_epoch == 0
        extras = self._put_together() if is_rounds_end else {}
        return StepResult(values, present, (values * loss_weights).sum(), torch.where(stepped, alpha, 0.0), extras)

    def _alpha(self) -> float:
        return self.options.alpha or 1 / max(1, len(self.moved))

    def state_dict(self) -> dict[str, Any]:
        """The optimizers, and the copies where a round has begun."""
        optimizers = {name: {"rules": algorithms(optimizer), **optimizer.state_dict()} for name, optimizer in self.optimizers.items()}
        copies = self.copies if self.in_round else {}
        return {"in_round": self.in_round, "moved": sorted(self.moved), "copies": copies, "optimizers": optimizers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken. An optimizer with another update rule begins anew."""
        self.in_round = state["in_round"]
        for name, tensors in state["copies"].items():
            _copy(self.copies[name], tensors)
        # Earlier versions did not keep who had taken a step: whose copy is another one than the network.
        self.moved = set(state["moved"]) if "moved" in state else {name for name in state["copies"] if self._has_moved(name)}
        for name, optimizer in self.optimizers.items():
            kept = state["optimizers"][name]
            if kept["rules"] == algorithms(optimizer):
                optimizer.load_state_dict({"state": kept["state"], "param_groups": optimizer.state_dict()["param_groups"]})

    def _has_moved(self, task: str) -> bool:
        return any(not torch.equal(own, tensor) for own, tensor in zip(self.copies[task], self.shared, strict=False))

    def _tensors(self) -> list[Tensor]:
        """What a task has a copy of."""
        return [*self.shared, *self.measured]

    def _own_optimizer(self, task: str) -> torch.optim.Optimizer:
        own = self.run.config.tasks[task].optimizer
        config = own or self.run.config.optimizer
        return make_optimizer(config, [*self.shared, *self.model.task_parameters(task)], own_lr=own.lr if own else None)

    def _lend(self, tensors: Sequence[Tensor]) -> None:
        """Let the network's shared part be these: the same parameters to its optimizers, other numbers."""
        for tensor, lent in zip(self._tensors(), tensors, strict=True):
            tensor.data = lent

    def _local_step(self, task: str, place: int, batch: Batch, number: int) -> Tensor | None:
        """One step of a task on its own copy, unless its loss weight is 0; its loss, or None where the batch has no target for it."""
        run, network, optimizer = self.run, self.network, self.optimizers[task]
        self._lend(self.copies[task])
        self.model.only = (task,)
        with run.execution.autocast():
            outputs = self.model(batch.images, batch.parts)
        [loss], present = separate_losses({task: run.kinds[task]}, outputs, batch, run.complete)  # mixed images included
        if not bool(present):
            return None
        if not network.weighted[place] or not loss.requires_grad:  # in the second case all that this task uses is frozen
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
        """End the round; norms of the task vectors and cosines between them."""
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
    """``task_vector_norm`` (T,) and a cosine for each pair; NaN where a vector is zero, which the curves leave out. Nothing where all is frozen."""
    if not any(vectors.values()):
        return {}
    flat = {name: torch.cat([part.reshape(-1) for part in parts]) for name, parts in vectors.items()}
    norms = {name: torch.linalg.vector_norm(vector) for name, vector in flat.items()}
    noted = {"task_vector_norm": torch.stack(list(norms.values()))}
    for one, other in combinations(flat, 2):
        noted[f"task_vector_cosine/{one}/{other}"] = torch.dot(flat[one], flat[other]) / (norms[one] * norms[other])
    return noted
