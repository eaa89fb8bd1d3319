"""Balancer: how the losses of several tasks become one update. Two families, one method ``backward`` for the training loop.

- ``LossWeighting`` combines the losses (T,) into one scalar, and a single backward pass follows.
- ``GradientAggregator`` takes every task's own gradient on the shared parameters, the Jacobian (T, P), and combines its rows.

The losses given to a balancer are already multiplied by the config's ``loss_weight``, a prior factor under every method. A task
without any labelled image in the batch is marked absent: it takes no part in that update. Nor does a task whose loss is exactly 0 (a
``loss_weight`` of 0): it has nothing to say, and its logarithm or its gradient's direction does not exist.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from mtl_core.balancing.paper import Paper
from mtl_core.balancing.task_gradients import AtFeatures, AtParameters, TaskGradients
from mtl_core.sharing.model import MultiTaskModel

NOT_A_NUMBER = float("nan")


class BalancerOptions(BaseModel):
    """Parent of every balancer's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class GradientOptions(BalancerOptions):
    """Where a gradient method looks at the tasks' gradients."""

    gradients: Literal["parameters", "features"] = Field(
        "parameters",
        description="'parameters': on all shared parameters, as in the papers; one backward pass through the shared network per task. 'features': "
        "at the features that the heads read; one backward pass in all, but another method (for MGDA the papers' upper bound, MGDA-UB): "
        "tasks that agree at the features may conflict in the parameters.",
    )


class Balancer(nn.Module, ABC):
    """Parent of both families. State that must survive a checkpoint lives in buffers, parameters and ``memory``.

    Args:
        task_count: T.

    Class attributes say what a method is and what it promises; the form, the docs pages and the contract tests are made from them.

    Attributes:
        paper: the source; None where there is nothing to cite.
        formula: the method in a few lines of plain text.
        needs: what it keeps or computes beyond its family's usual.
        when_to_use: one or two sentences of advice.
        deviations: from the paper; empty for none.
        alone: why the method changes the update even where there is one task only; empty where that is plain training.
        inexact: why ``coefficients @ jacobian`` is not the update; empty where it is.
        pareto_stationary: it comes to a point where no direction helps every task.
        scale_invariant: a positive factor on one task's loss leaves the update's direction as it is.
        no_conflict: a small step along the update raises no task's loss.
        simplex: the coefficients are at least 0 and sum to 1.
        heads: how the tasks' own parameters are trained, in a sentence, where it is not with the coefficients shown; empty where it is.
        only_with: claims among those above that hold under some options alone: claim -> option -> the values under which it holds.
        memory: what it remembers beside buffers and parameters: tensors, numbers, lists and dicts of them.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    family: ClassVar[str]
    paper: ClassVar[Paper | None] = None
    formula: ClassVar[str] = ""
    needs: ClassVar[str] = ""
    when_to_use: ClassVar[str] = ""
    deviations: ClassVar[str] = ""
    alone: ClassVar[str] = ""
    inexact: ClassVar[str] = ""
    pareto_stationary: ClassVar[bool] = False
    scale_invariant: ClassVar[bool] = False
    no_conflict: ClassVar[bool] = False
    simplex: ClassVar[bool] = False
    heads: ClassVar[str] = ""
    only_with: ClassVar[Mapping[str, Mapping[str, Sequence[Any]]]] = {}
    Options: ClassVar[type[BalancerOptions]] = BalancerOptions

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__()
        self.options = options
        self.task_count = task_count
        self.memory: dict[str, Any] = {}

    @classmethod
    def promises(cls, claim: str, options: BalancerOptions) -> bool:
        """Whether a claim (``no_conflict``, ``simplex``, ...) holds under these options."""
        return getattr(cls, claim) and all(getattr(options, name) in values for name, values in cls.only_with.get(claim, {}).items())

    @property
    def at_features(self) -> bool:
        """Whether it works on the gradients at the shared features; the model must then split there (``MultiTaskModel.split_features``)."""
        return getattr(self.options, "gradients", "parameters") == "features"

    @abstractmethod
    def backward(self, losses: Sequence[Tensor], present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        """Fill ``.grad`` of the model's parameters (and of the balancer's own).

        Args:
            losses: T scalars, in the order of ``model.tasks``, with their graphs; the constant 0 where absent.
            present: (T,) bool; at least one is True.

        Returns:
            The combined loss (a detached scalar) and the coefficients (T,) that multiplied the tasks' losses or gradients, 0 where absent. A
            gradient that is not finite makes the combined loss NaN, which ends the run as a loss would (``training/window.py``).
        """

    def after_step(self, losses_now: Callable[[], tuple[Tensor, Tensor]]) -> None:
        """Called once after each optimizer step.

        Args:
            losses_now: computes the losses (T,) of the same batch with the new parameters, and which are present (T,). Costs a forward
                pass, so only methods that need it call it.
        """

    def end_epoch(self) -> None:
        """Called once after each pass over the training split."""

    def get_extra_state(self) -> dict[str, Any]:
        """``memory``, for the checkpoint."""
        return self.memory

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on where ``get_extra_state`` was taken."""
        self.memory = dict(state)

    def has_state(self) -> bool:
        """Whether there is anything that a checkpoint must keep."""
        return any(bool(value) if isinstance(value, dict) else True for value in self.state_dict().values())

    def _is_plain(self) -> bool:
        """A run of one task has nothing to balance."""
        return self.task_count == 1 and not self.alone


class LossWeighting(Balancer):
    """Combines the losses themselves: costs one backward pass."""

    family: ClassVar[str] = "loss weighting"

    @abstractmethod
    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        """Losses (T,) and which count (T,) -> one scalar to descend."""

    def backward(self, losses: Sequence[Tensor], present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        if self._is_plain():
            losses[0].backward()
            return losses[0].detach(), present.to(losses[0])
        stacked = torch.stack(tuple(losses))
        present = _that_count(stacked, present)
        stacked.retain_grad()  # d combined / d loss_t is the effective weight of task t, and comes for free
        combined = self.combine(stacked, present)
        combined.backward()
        return combined.detach(), torch.where(present, stacked.grad, 0.0)


class Update(NamedTuple):
    """What a gradient aggregator decides.

    Attributes:
        gradient: (P,) for the shared part.
        coefficients: (T',) on the rows of the Jacobian; what the curves show.
        own: (T',) factors on the gradients of each task's own parameters; None for 1.
    """

    gradient: Tensor
    coefficients: Tensor
    own: Tensor | None = None


class GradientAggregator(Balancer):
    """Combines the tasks' gradients on the shared parameters: costs one backward pass per task. Heads get their own task's gradient, times
    the config's loss weight, and where the method says so (``heads``) times a weight of its own.
    """

    family: ClassVar[str] = "gradient aggregation"
    heads: ClassVar[str] = "Each head is trained with its own task's gradient, times the loss weight that was set."
    Options: ClassVar[type[BalancerOptions]] = GradientOptions
    observer: Callable[[TaskGradients], None] | None = None  # sees every step's gradients before they are combined

    @abstractmethod
    def aggregate(self, tasks: TaskGradients) -> Update:
        """The tasks present, with finite gradients -> their update."""

    def backward(self, losses: Sequence[Tensor], present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        shared = AtFeatures(model) if self.at_features else AtParameters(model)
        values = torch.stack([loss.detach() for loss in losses])
        if self._is_plain():
            losses[0].backward()
            shared.finish()
            return values[0], torch.ones_like(values)
        rows = _that_count(values, present).nonzero()[:, 0]
        tasks = shared.task_gradients(losses, rows)
        combined = values.sum()
        if self.observer is not None:
            self.observer(tasks)
        if torch.isfinite(tasks.gramian).all():
            update = self.aggregate(tasks)
        else:  # solvers answer NaN with an exception or, worse, with numbers
            update = Update(torch.full_like(tasks.jacobian[0], NOT_A_NUMBER), torch.full_like(tasks.losses, NOT_A_NUMBER))
            combined = combined * NOT_A_NUMBER
        shared.apply(update.gradient)
        if update.own is not None:
            _scale_own(model, rows, update.own)
        return combined, torch.zeros_like(values).index_put((rows,), update.coefficients.to(values))


class GramianAggregator(GradientAggregator):
    """A gradient aggregator that needs no more than the gradients' scalar products."""

    @abstractmethod
    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        """Gramian (T', T') of the tasks present, float64 on the CPU, and their places (T',) among all tasks -> coefficients (T',)."""

    def aggregate(self, tasks: TaskGradients) -> Update:
        coefficients = self.coefficients(tasks.gramian.cpu().double(), tasks.rows.cpu()).to(tasks.jacobian)
        return Update(coefficients @ tasks.jacobian, coefficients)


def shortened(update: Update, limit: float) -> Update:
    """The update with a norm of at most ``limit``; 0 for no limit."""
    if not limit:
        return update
    # Of the update itself: where gradients cancel out, the Gramian's rounding errors are larger than its norm.
    shrink = (limit / torch.linalg.vector_norm(update.gradient)).clamp(max=1.0)
    return Update(update.gradient * shrink, update.coefficients * shrink, update.own)


def _that_count(losses: Tensor, present: Tensor) -> Tensor:
    """The tasks present (T,) less those whose loss is exactly 0, unless that is all of them."""
    counted = present & (losses.detach() != 0)
    return torch.where(counted.any(), counted, present)


def _scale_own(model: MultiTaskModel, rows: Tensor, factors: Tensor) -> None:
    for row, factor in zip(rows.tolist(), factors.tolist(), strict=True):
        for parameter in model.task_parameters(model.tasks[row]):
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
