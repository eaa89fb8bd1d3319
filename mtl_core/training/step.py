"""One joint optimizer step over all tasks, and the handling of losses and gradients that are not finite."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, get_total_norm

from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.errors import NonFiniteLossError, Problem, not_finite
from mtl_core.sharing.loss_scale import LossScale
from mtl_core.training.affinity_probe import AffinityProbe
from mtl_core.training.conflict_probe import ConflictProbe, FeatureNorms, Noted
from mtl_core.training.losses_in_parts import loss_values, losses_of
from mtl_core.training.setup import Network, Run
from mtl_core.training.step_averages import StepResult

MOST_SKIPPED = 10  # consecutive skipped steps before the run fails: by then the network itself holds NaN


class SkippedStep(Exception):  # noqa: N818 - not an error: the run goes on
    """A step was skipped because its loss or gradient was not finite. It changed nothing."""


class OverflowedStep(SkippedStep):
    """A step in fp16 was skipped because the loss scale was too large for its gradient. The scale is lower now."""


class UpdateOptions(BaseModel):
    """Parent of every update's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class JointStep:
    """One update of all parameters from every task's loss on one batch. A task outside its own epochs counts as absent.

    With ``on_non_finite: skip`` a step with a NaN or infinite loss or gradient leaves parameters, optimizer state and running means of
    normalisation as they were; only the schedule moves on. So does a step in fp16 whose gradient overflows, under either setting.
    """

    title: ClassVar[str] = "Joint"
    summary: ClassVar[str] = "Every step changes the shared network once, for all tasks together, as the balancing method says."
    divides_batches: ClassVar[bool] = True  # several devices can each take a part of the batch
    accumulates: ClassVar[bool] = True  # its losses are those of ``losses_of``, which takes a batch in parts
    Options: ClassVar[type[UpdateOptions]] = UpdateOptions
    options: UpdateOptions | None

    def __init__(self, run: Run, network: Network, options: UpdateOptions | None = None):
        self.run, self.network, self.options = run, network, options
        self.on = [True] * len(run.kinds)  # the tasks within their own epochs at the present step
        self.skipped_in_a_row = 0
        self.parameters = [parameter for group in network.optimizer.param_groups for parameter in group["params"]]
        self.trained_anew()

    def __call__(self, batch: Batch, number: int) -> StepResult:
        """Do step ``number`` (1 is the first).

        Raises:
            SkippedStep: the step changed nothing.
            NonFiniteLossError: too many consecutive steps were skipped.
        """
        must_be_finite, scaling = self.run.config.on_non_finite == "skip", self.network.model.scaling
        if not must_be_finite and scaling is None:
            return self._step(batch, number)
        buffers = [buffer.clone() for buffer in self.network.model.buffers()]
        method = copy.deepcopy(self.network.balancer.state_dict()) if scaling is not None else None
        try:
            result = self._step(batch, number, must_be_finite)
        except SkippedStep as skipped:
            for buffer, before in zip(self.network.model.buffers(), buffers, strict=True):
                buffer.copy_(before)
            if method is not None and isinstance(skipped, OverflowedStep):
                self.network.balancer.load_state_dict(method)
            raise
        if scaling is not None:
            scaling.succeeded()
        self.skipped_in_a_row = 0
        return result

    def trained_anew(self) -> None:
        """Measure what is trained now. Called after parts of the network were frozen or are trained again."""
        self.conflict, self.norms = ConflictProbe(self.run.config, self.network), FeatureNorms(self.run.config, self.network)
        self.affinity = AffinityProbe(self.run, self.network)
        self.measures = self.conflict.is_on or self.norms.is_on or self.affinity.is_on

    @classmethod
    def problems(cls, config: RunConfig) -> list[Problem]:
        """Settings of a config that do not fit this update."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """The loss scale of fp16. Empty in other precisions: the update has no state beside network, balancing method and optimizer."""
        scaling = self.network.model.scaling
        return {} if scaling is None else {"loss_scale": scaling.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of ``state_dict``."""
        if self.network.model.scaling is not None and "loss_scale" in state:
            self.network.model.scaling.load_state_dict(state["loss_scale"])

    def _step(self, batch: Batch, number: int, must_be_finite: bool = False) -> StepResult:
        run, network = self.run, self.network
        for parameter in self.parameters:  # as zero_grad does, whose record for torch's profiler takes a small network 3 % of a step
            parameter.grad = None
        losses, present = losses_of(run, network, batch)
        if run.has_own_epochs:
            losses, present = self._in_their_epochs(losses, present, number)
        values = torch.stack([loss.detach() for loss in losses])
        weighted = network.weighted(losses)
        if not any(loss.requires_grad for loss in weighted):  # no image of this batch has a target
            return StepResult(values, present, values.sum(), torch.zeros_like(values))
        if must_be_finite:
            self._check_losses(values, number)
        affinities = self._begin_measuring(losses, present, batch, number) if self.measures else {}
        combined, coefficients = network.balancer.backward(weighted, present, network.model)
        if network.model.scaling is not None and bool(torch.isfinite(values).all()):
            self._check_overflow(network.model.scaling, number)
        if run.config.gradient_clip is not None:
            is_whole = run.config.gradient_clip_over == "all"
            clip_grad_norm_(network.model.parameters() if is_whole else network.model.shared_parameters(), run.config.gradient_clip)
        if must_be_finite:
            self._check_gradients(number)
        network.rate.use(network.optimizer, number)
        network.optimizer.step()
        network.balancer.after_step(lambda: self._losses_now(batch))
        measured = self.conflict.noted | self.norms.noted() | affinities if self.measures else {}
        return StepResult(values, present, combined, coefficients, measured)

    def _in_their_epochs(self, losses: Sequence[Tensor], present: Tensor, number: int) -> tuple[list[Tensor], Tensor]:
        """Losses and presence of a step's tasks, in which a task outside its own epochs is absent."""
        self.on = self.run.trained_at(number)
        losses = [loss if is_on else loss.new_zeros(()) for loss, is_on in zip(losses, self.on, strict=True)]
        return losses, present & present.new_tensor(self.on)

    def _begin_measuring(self, losses: Sequence[Tensor], present: Tensor, batch: Batch, number: int) -> Noted:
        """What is measured before the backward pass frees the graphs. Returns the affinities; the other probes note what they see."""
        self.conflict.before_update(losses, present, number)
        affinities = self.affinity.before_update(losses, present, batch, number)
        self.norms.begin([name for name, loss in zip(self.run.kinds, losses, strict=True) if loss.requires_grad])
        return affinities

    @torch.no_grad()
    def _losses_now(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The present weighted losses (T,) of a batch, and the tasks present (T,) bool."""
        losses, present = loss_values(self.run, self.network, batch)
        on = present.new_tensor(self.on)
        return torch.where(on, losses * self.network.loss_weights, 0.0), present & on

    def _check_losses(self, losses: Tensor, number: int) -> None:
        for task, loss in zip(self.run.kinds, losses.tolist(), strict=True):
            if loss - loss != 0.0:
                self._skip(task, number, loss, f"the loss of task '{task}' was {not_finite(loss)}")

    def _gradient_norm(self) -> float:
        gradients = [parameter.grad for group in self.network.optimizer.param_groups for parameter in group["params"] if parameter.grad is not None]
        return float(get_total_norm(gradients))

    def _check_overflow(self, scaling: LossScale, number: int) -> None:
        """Skip a step in fp16 whose gradient is not finite though its losses are, and lower the loss scale.

        Raises:
            NonFiniteLossError: the gradient is not finite at a scale of 1 either, and ``on_non_finite`` is ``stop``.
        """
        norm, scale = self._gradient_norm(), scaling.value
        if norm - norm == 0.0:
            return
        if scaling.overflowed():
            raise OverflowedStep(
                f"step {number} was skipped: its gradient is too large for fp16 at a loss scale of {scale:,.0f}; the scale is {scaling.value:,.0f} "
                f"now. Steps skipped for this so far: {scaling.overflows:,}"
            )
        if self.run.config.on_non_finite == "stop":
            raise NonFiniteLossError("", number, norm)

    def _check_gradients(self, number: int) -> None:
        norm = self._gradient_norm()
        if norm - norm != 0.0:
            self._skip("", number, norm, f"the gradient's norm was {not_finite(norm)}")

    def _skip(self, task: str, number: int, value: float, why: str) -> None:
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row > MOST_SKIPPED:
            raise NonFiniteLossError(task, number, value)
        raise SkippedStep(f"step {number} was skipped: {why}")
