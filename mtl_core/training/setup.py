"""Setup: the objects of the training loop (run, network, progress). ``mtl_core.training.build`` makes them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor

from mtl_core.balancing.balancer import Balancer
from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch, Batches
from mtl_core.data.dataset import MultiTaskDataset, PreparedData
from mtl_core.randomness import Generators, draws
from mtl_core.ranks import ALONE, Ranks
from mtl_core.sharing.model import MultiTaskModel
from mtl_core.tasks.kind import TaskKind
from mtl_core.tasks.pretext.self_supervised import with_views
from mtl_core.training.execution import Execution
from mtl_core.training.optimizers import LearningRate, RunOptimizer
from mtl_core.training.step_averages import StepResult, Window


@dataclass(frozen=True)
class Run:
    """Config, data, task kinds and execution of a run. They do not change while the run trains.

    Attributes:
        config: the config at the start; ``Changes`` holds later changes.
        complete: targets that every image of every split has.
        ranks: the processes that train the run together.
    """

    config: RunConfig
    data: PreparedData
    kinds: dict[str, TaskKind]
    execution: Execution
    train_batches: Batches
    complete: frozenset[str]
    ranks: Ranks = ALONE

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the training split."""
        return len(self.train_batches)

    @cached_property
    def has_own_epochs(self) -> bool:
        """Whether some task is trained in a part of the epochs only."""
        return not all(all(self.config.trains(epoch)) for epoch in range(1, self.config.epochs + 1))

    def trained_at(self, step: int) -> list[bool]:
        """Which tasks are trained in a step (1 is the first)."""
        return self.config.trains((step - 1) // self.steps_per_epoch + 1)

    def evaluation_batches(self, dataset: MultiTaskDataset) -> Batches:
        """The images of ``dataset`` in order, without augmentation."""
        return Batches(
            dataset,
            targets=read_targets(self.kinds),
            statistics=self.data.statistics,
            batch_size=evaluation_batch_size(self.config),
            device=self.execution.device,
            seed=0,
            shuffle=False,
            augmentation=None,
            channels_last=self.execution.layout == "channels_last",
            drop_last=False,
            views=views_of(self.kinds),
        )


@dataclass(frozen=True)
class Network:
    """The objects that a step changes: the network, its balancing method, and the optimizer of both.

    Attributes:
        rate: the learning rate of a step.
        loss_weights: (T,) current loss weights. One tensor for the whole run, changed in place.
        weights: the same as T numbers.
    """

    model: MultiTaskModel
    balancer: Balancer
    optimizer: RunOptimizer
    rate: LearningRate
    loss_weights: Tensor
    weights: list[float]

    def weigh(self, loss_weights: Sequence[float]) -> None:
        """Train with these loss weights (T,) from the next step on."""
        self.loss_weights.copy_(self.loss_weights.new_tensor(loss_weights))  # in place: the curves' window reads the same tensor
        self.weights[:] = loss_weights
        self.balancer.use_loss_weights(self.loss_weights)

    def weighted(self, losses: Sequence[Tensor]) -> list[Tensor]:
        """T losses times their loss weights. A loss of weight 0 has no graph then: a gradient of zeros would let momentum and weight decay move
        its task's head. Losses whose weights are all 1 are given back as they are."""
        if self.weights.count(1.0) == len(losses):
            return list(losses)
        triples = zip(losses, self.loss_weights, self.weights, strict=True)
        return [loss * factor if weight > 0 else loss.new_zeros(()) for loss, factor, weight in triples]

    @cached_property
    def draws(self) -> bool:
        """Whether a step may draw random numbers without opening the run's generators itself. Their context slows each call of torch a little."""
        return draws(self.model) or self.balancer.may_draw()


@dataclass
class Position:
    """A run's position. The checkpoint holds all of it."""

    epoch: int = 0  # whole epochs, evaluation included
    step_in_epoch: int = 0
    step: int = 0
    best_score: float = -1.0
    best_of: dict[str, float] | None = field(default_factory=dict)  # task -> best value on val so far; None if earlier epochs did not record it
    training_seconds: float = 0.0  # time in training steps, without evaluation

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def move_to(self, values: Mapping[str, Any]) -> None:
        """Restore the values of ``as_dict``."""
        for name, value in values.items():
            setattr(self, name, value)


@dataclass(frozen=True)
class Progress:
    """A run's position, curves and random state. ``random`` holds the generators of everything that is drawn while it trains.

    ``constants``: what a constant answer reaches in each task; empty until it is measured, after the first epoch of an attempt.
    """

    window: Window
    random: Generators
    position: Position = field(default_factory=Position)
    constants: dict[str, float | None] = field(default_factory=dict)


class Update(Protocol):
    """How one batch changes the network; see ``mtl_core.training.step`` and ``UPDATES``."""

    def __call__(self, batch: Batch, number: int) -> StepResult:
        """Do step ``number`` (1 is the first)."""
        ...

    def trained_anew(self) -> None:
        """Take note that other parts of the network are trained from the next step on."""

    def state_dict(self) -> dict[str, Any]:
        """What it remembers from step to step, for the checkpoint."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of ``state_dict``."""


@dataclass(frozen=True)
class Setup:
    """A run that is ready to train."""

    run: Run
    network: Network
    progress: Progress
    update: Update

    def drawing(self) -> contextlib.AbstractContextManager:
        """The context of a step, in which the network and balancing methods of other packages draw from this run's generators."""
        return self.progress.random.drawing() if self.network.draws else contextlib.nullcontext()

    @property
    def epochs_done(self) -> float:
        """Finished epochs, plus the fraction of the present one."""
        position = self.progress.position
        return position.epoch + position.step_in_epoch / self.run.steps_per_epoch


def evaluation_batch_size(config: RunConfig) -> int:
    """Batch size of evaluations: large enough to be fast, small enough to stop between two batches."""
    return min(max(config.batch_size, 64), 256)


def read_targets(kinds: Mapping[str, TaskKind]) -> list[str]:
    """Names of the target arrays that these tasks read from the data set."""
    return sorted({kind.task.target for kind in kinds.values() if not kind.is_self_supervised})


def views_of(kinds: Mapping[str, TaskKind]) -> Callable[[Batch, int, int, int], Batch] | None:
    """The function that adds the self-supervised tasks' views to a batch; None if no task is self-supervised."""
    if not any(kind.is_self_supervised for kind in kinds.values()):
        return None
    return lambda batch, seed, epoch, step: with_views(batch, kinds, seed, epoch, step)
