"""Balancer: parent of the methods that combine the losses or gradients of several tasks into one update. The training loop calls ``backward``.

- ``LossWeighting`` combines the losses (T,) into one scalar, and a single backward pass follows.
- ``GradientAggregator`` computes every task's own gradient on the shared parameters, the Jacobian (T, P), and combines its rows. A
  ``GradientCombination`` needs their scalar products only, and can do without the Jacobian.

The losses given to a balancer are already multiplied by the config's ``loss_weight``, under every method. A task
without any labelled image in the batch is marked absent and takes no part in that update. A task whose loss is exactly 0 (a ``loss_weight``
of 0) takes no part either, because the logarithm of its loss and the direction of its gradient do not exist. The own parameters of such a task
get no gradient at all, because a gradient of zeros would let momentum and weight decay move them.

Stored losses and gradients are in units of the weighted losses. ``use_loss_weights`` rescales them when a weight changes, so that a method does
not mistake the change for progress or the lack of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mtl_core.balancing.balancer_options import BalancerOptions, GradientOptions, GramianOptions
from mtl_core.balancing.gradient_blocks import ByBlocks, TaskProducts
from mtl_core.balancing.gradient_update import Factors, Update, shortened
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.task_gradients import AtFeatures, AtParameters, TaskGradients
from mtl_core.randomness import Generators
from mtl_core.ranks import ALONE, Ranks
from mtl_core.sharing.model import MultiTaskModel

NOT_A_NUMBER = float("nan")


class Balancer(nn.Module, ABC):
    """Parent of both families. State that must survive a checkpoint lives in buffers, parameters and ``memory``.

    Args:
        task_count: T.

    Class attributes describe a method and its promises. The form, the docs pages and the contract tests read them.

    Attributes:
        paper: the source; None if there is none.
        formula: the method in a few lines of plain text.
        needs: memory and computation beyond the family's usual.
        when_to_use: one or two sentences of advice.
        deviations: deviations from the paper; empty for none.
        alone: why the method changes the update of a single task; empty if a single task trains plainly.
        uneven: why two equal tasks get unequal coefficients if one of them is absent from many batches; empty if they do not.
        inexact: why ``coefficients @ jacobian`` is not the update; empty if it is.
        pareto_stationary: it converges to a point where no direction helps every task.
        scale_invariant: a positive factor on one task's loss does not change the update's direction.
        no_conflict: a small step along the update raises no task's loss.
        simplex: the coefficients are at least 0 and sum to 1.
        heads: a sentence on the training of the tasks' own parameters if it does not use the coefficients shown; empty if it does.
        only_with: those of the claims above that hold under some options only: claim -> option -> the values under which it holds.
        jacobians_kept: number of matrices of the Jacobian's size that it stores from step to step.
        draws: it draws random numbers, within ``with drawing(self.generators)``, so that they come from the run's own generators. A method of
            another package need not define it: its whole step draws from them, unless it says ``draws = False``.
        generators: the run's generators; None outside of a run.
        ranks: the processes that train the run together. ``backward`` adds the gradients up over them.
        memory: state beside buffers and parameters: tensors, numbers, lists and dicts of them.
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
    uneven: ClassVar[str] = ""
    inexact: ClassVar[str] = ""
    pareto_stationary: ClassVar[bool] = False
    scale_invariant: ClassVar[bool] = False
    no_conflict: ClassVar[bool] = False
    simplex: ClassVar[bool] = False
    heads: ClassVar[str] = ""
    jacobians_kept: ClassVar[int] = 0
    draws: ClassVar[bool] = False
    only_with: ClassVar[Mapping[str, Mapping[str, Sequence[Any]]]] = {}
    Options: ClassVar[type[BalancerOptions]] = BalancerOptions
    ranks: Ranks = ALONE
    loss_weights: Tensor
    options: BalancerOptions

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__()
        self.options = options
        self.task_count = task_count
        self.memory: dict[str, Any] = {}
        self.generators: Generators | None = None
        # Not in the state_dict: checkpoints hold the generators elsewhere, and a method without a memory has no state.
        self.register_buffer("loss_weights", torch.ones(task_count), persistent=False)

    @classmethod
    def promises(cls, claim: str, options: BalancerOptions) -> bool:
        """Whether a claim (``no_conflict``, ``simplex``, ...) holds under these options."""
        return getattr(cls, claim) and all(getattr(options, name) in values for name, values in cls.only_with.get(claim, {}).items())

    @classmethod
    def may_draw(cls) -> bool:
        """Whether this method may draw from torch's global generators: True for a class of another package that does not define ``draws``."""
        says = any("draws" in vars(parent) for parent in cls.__mro__ if parent is not Balancer)
        return not says and not cls.__module__.startswith("mtl_core.")

    @property
    def at_features(self) -> bool:
        """Whether it works on the gradients at the shared features; the model must then cut the graph there (``MultiTaskModel.split_features``)."""
        return getattr(self.options, "gradients", "parameters") == "features"

    @property
    def by_blocks(self) -> bool:
        """Whether it works at the shared parameters block by block, without the Jacobian."""
        return getattr(self.options, "gradients", "parameters") == "blocks"

    @abstractmethod
    def backward(self, losses: Sequence[Tensor], present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        """Fill ``.grad`` of the model's parameters (and of the balancer's own).

        Args:
            losses: T scalars, in the order of ``model.tasks``, with their graphs; the constant 0 where absent.
            present: (T,) bool; at least one is True.

        Returns:
            The combined loss (a detached scalar) and the coefficients (T,) that multiplied the tasks' losses or gradients, 0 where absent. A
            gradient that is not finite makes the combined loss NaN, which ends the run as a loss would (``training/step_averages.py``).
        """

    def after_step(self, losses_now: Callable[[], tuple[Tensor, Tensor]]) -> None:
        """Called once after each optimizer step.

        Args:
            losses_now: computes the losses (T,) of the same batch with the new parameters, and which are present (T,). Costs a forward
                pass, so only methods that need it call it.
        """

    def end_epoch(self) -> None:
        """Called once after each pass over the training split."""

    def use_loss_weights(self, weights: Tensor) -> None:
        """Tell the method that the losses are multiplied by these weights (T,) from now on. Called before the first step and after each change.

        A task whose weight is 0 is absent, so its stored values keep the units of its last weight above 0.
        """
        weights = weights.detach().to(self.loss_weights)
        factors = torch.where((weights > 0) & (self.loss_weights > 0), weights / self.loss_weights, 1.0)
        if not torch.equal(factors, torch.ones_like(factors)):
            self.rescale(factors)
        self.loss_weights = torch.where(weights > 0, weights, self.loss_weights)

    def rescale(self, factors: Tensor) -> None:
        """Rescale stored losses and gradients to losses that are ``factors`` (T,) times as large."""

    def upgrade(self, state: dict[str, Any]) -> None:
        """Convert an earlier version's state (this module's part of a state_dict) to this version's, in place."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        own = {key: state_dict.pop(key) for key in list(state_dict) if key.startswith(prefix)}
        own = {key.removeprefix(prefix): value for key, value in own.items()}
        self.upgrade(own)
        state_dict.update({f"{prefix}{key}": value for key, value in own.items()})
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def get_extra_state(self) -> dict[str, Any]:
        """``memory``, for the checkpoint."""
        return self.memory

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the ``memory`` from ``get_extra_state``."""
        self.memory = dict(state)

    def has_state(self) -> bool:
        """Whether the method has state for a checkpoint."""
        return any(bool(value) if isinstance(value, dict) else True for value in self.state_dict().values())

    def is_plain(self) -> bool:
        """Whether the run has a single task, which needs no balancing."""
        return self.task_count == 1 and not self.alone


class LossWeighting(Balancer):
    """Parent of the methods that combine the losses. They cost one backward pass, through the tasks that take part.

    Attributes:
        rows: indices of the tasks that take part in the present step, known without a GPU synchronisation.
    """

    family: ClassVar[str] = "loss weighting"
    rows: Sequence[int] = ()

    @abstractmethod
    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        """Losses (T,) and counting tasks (T,) bool -> a scalar to descend. The losses are leaves; task t is trained with d scalar / d loss_t."""

    def takes_part(self, task: int) -> bool:
        """Whether a task (by index) is trained in the step whose losses were combined last. Called for present tasks only."""
        return True

    def backward(self, losses: Sequence[Tensor], present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        if self.is_plain():
            losses[0].backward()
            self.ranks.sum_gradients(model.parameters())
            return losses[0].detach(), present.to(losses[0])
        values = torch.stack([loss.detach() for loss in losses])
        counted = _that_count(values, present)
        self.rows = _known_rows(losses, counted)
        combined, coefficients = self.weigh(values, counted)
        # Not through a stack of all losses, which would send zeros into the heads of the tasks left out.
        rows = [row for row in self.rows if self.takes_part(row)]
        torch.autograd.backward([losses[row] for row in rows], [coefficients[row].to(losses[row].dtype) for row in rows])
        self.ranks.sum_gradients(model.parameters())
        return combined, coefficients

    def weigh(self, values: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """The scalar of ``combine``, detached, and its slopes by the losses (T,), 0 where a task does not count.

        Fills ``.grad`` of the method's own parameters.
        """
        combined = self.combine(values.requires_grad_(), counted)
        combined.backward()
        assert values.grad is not None  # it is a leaf, and every method's scalar depends on it
        return combined.detach(), torch.where(counted, values.grad, 0.0)


class GradientAggregator(Balancer):
    """Parent of the methods that combine the tasks' gradients on the shared parameters. They cost one backward pass per task. A head gets its own
    task's gradient times the config's loss weight, and times a weight of the method's own if ``heads`` says so.
    """

    family: ClassVar[str] = "gradient aggregation"
    heads: ClassVar[str] = "Each head is trained with its own task's gradient, times the loss weight that was set."
    Options: ClassVar[type[BalancerOptions]] = GradientOptions
    makes_jacobian: ClassVar[bool] = True  # ``aggregate`` may make a matrix of the Jacobian's size, beside those of ``jacobians_kept``
    observer: Callable[[TaskGradients | TaskProducts], None] | None = None  # sees every step's gradients before they are combined

    @abstractmethod
    def aggregate(self, tasks: TaskGradients) -> Update:
        """The update from the tasks present. All gradients are finite."""

    def rescale(self, factors: Tensor) -> None:
        """Rescale the last step's gradients and the running means that ``task_gradients`` stores."""
        for name in ("last", "mean"):
            if name in self.memory:
                self.memory[name] *= factors[:, None].to(self.memory[name])

    def backward(self, losses: Sequence[Tensor], present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        shared = (AtFeatures if self.at_features else ByBlocks if self.by_blocks else AtParameters)(model, self.ranks)
        values = torch.stack([loss.detach() for loss in losses])
        if self.is_plain():
            losses[0].backward()
            shared.finish()
            return values[0], torch.ones_like(values)
        rows = _that_count(values, present).nonzero()[:, 0]
        tasks = shared.task_gradients(losses, rows)
        combined = values.sum()
        if self.observer is not None:
            self.observer(tasks)
        is_finite = bool(torch.isfinite(tasks.gramian).all())
        coefficients, own = self._write(tasks, shared, is_finite)
        if own is not None:
            _scale_own(model, rows, own)
        return combined if is_finite else combined * NOT_A_NUMBER, torch.zeros_like(values).index_put((rows,), coefficients.to(values))

    def _write(self, tasks: Any, shared: Any, is_finite: bool) -> tuple[Tensor, Tensor | None]:
        """Write the update into ``.grad`` of the shared parameters. Returns the coefficients, and the factors on the tasks' own gradients."""
        if is_finite:
            update = self.aggregate(tasks)
        else:  # on NaN, solvers raise or return wrong numbers
            update = Update(torch.full_like(tasks.jacobian[0], NOT_A_NUMBER), torch.full_like(tasks.losses, NOT_A_NUMBER))
        shared.apply(update.gradient)
        return update.coefficients, update.own


class GradientCombination(GradientAggregator):
    """Parent of the gradient aggregators that need only the gradients' scalar products and the losses: the update is sum_t c_t g_t.

    With ``GramianOptions`` a method can work block by block, without the Jacobian. A class that overrides ``aggregate`` cannot.
    """

    makes_jacobian: ClassVar[bool] = False
    Options: ClassVar[type[BalancerOptions]] = GramianOptions

    @abstractmethod
    def factors(self, tasks: TaskGradients | TaskProducts) -> Factors:
        """The factors of the tasks present. All gradients are finite."""

    def aggregate(self, tasks: TaskGradients) -> Update:
        found = self.factors(tasks)
        coefficients = found.coefficients.to(tasks.jacobian)
        return shortened(Update(coefficients @ tasks.jacobian, coefficients, found.own), found.longest)

    def _write(self, tasks: Any, shared: Any, is_finite: bool) -> tuple[Tensor, Tensor | None]:
        if not isinstance(shared, ByBlocks):
            return super()._write(tasks, shared, is_finite)
        if not is_finite:
            shared.apply_nan()
            return torch.full_like(tasks.losses, NOT_A_NUMBER), None
        found = self.factors(tasks)
        return found.coefficients * shared.apply(found.coefficients, found.longest), found.own


class GramianAggregator(GradientCombination):
    """Parent of the gradient combinations that need only the gradients' scalar products."""

    @abstractmethod
    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        """Gramian (T', T') of the tasks present, float64 on the CPU, and their indices (T',) among all tasks -> coefficients (T',)."""

    def factors(self, tasks: TaskGradients | TaskProducts) -> Factors:
        return Factors(self.coefficients(tasks.gramian.cpu().double(), tasks.rows.cpu()))


def _that_count(losses: Tensor, present: Tensor) -> Tensor:
    """The tasks present (T,) without those whose loss is exactly 0; all present tasks if every loss is 0."""
    counted = present & (losses.detach() != 0)
    return torch.where(counted.any(), counted, present)


def _known_rows(losses: Sequence[Tensor], counted: Tensor) -> list[int]:
    """Indices of the present tasks, without a GPU synchronisation: on a GPU, a task is absent if its loss has no graph (see ``JointStep``)."""
    has_graph = [row for row, loss in enumerate(losses) if loss.requires_grad]
    if counted.device.type != "cpu":
        return has_graph
    counts = counted.tolist()
    return [row for row in has_graph if counts[row]]


def _scale_own(model: MultiTaskModel, rows: Tensor, factors: Tensor) -> None:
    for row, factor in zip(rows.tolist(), factors.tolist(), strict=True):
        for parameter in model.task_parameters(model.tasks[row]):
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
