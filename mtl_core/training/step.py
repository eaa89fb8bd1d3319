"""One joint optimizer step over all tasks, and what happens when its numbers are not finite."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, get_total_norm

from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.errors import NonFiniteLossError, Problem
from mtl_core.training.build import Setup
from mtl_core.training.conflict import ConflictProbe, FeatureNorms, Noted
from mtl_core.training.losses import separate_losses, task_losses

MOST_SKIPPED = 10  # steps in a row that 'skip' leaves out before it gives up: by then the network itself holds NaN

StepResult = tuple[Tensor, Tensor, Tensor, Tensor]  # losses (T,), present (T,), combined loss, coefficients (T,)


class SkippedStep(Exception):  # noqa: N818 - not an error: the run goes on
    """A step whose loss or gradient was not finite, and which changed nothing."""


class UpdateOptions(BaseModel):
    """Parent of every update's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class JointStep:
    """Every task's loss on one batch, one update of all parameters. A task outside its own epochs counts as absent.

    With ``on_non_finite: skip`` a step with a NaN or infinite loss or gradient leaves parameters, optimizer state and running means of
    normalisation as they were; only the schedule moves on.
    """

    title: ClassVar[str] = "Joint"
    summary: ClassVar[str] = "Every step changes the shared network once, for all tasks together, as the balancing method says."
    Options: ClassVar[type[UpdateOptions]] = UpdateOptions

    def __init__(self, setup: Setup):
        self.setup = setup
        self.on: list[bool] = []  # which tasks are in their own epochs at the present step
        self.skipped_in_a_row = 0
        self.has_learnt = False  # whether the last step had anything to learn from
        self.conflict, self.norms = ConflictProbe(setup), FeatureNorms(setup)

    def __call__(self, batch: Batch, number: int) -> StepResult:
        """Do step ``number`` (1 is the first).

        Raises:
            SkippedStep: nothing was changed.
            NonFiniteLossError: too many in a row were skipped.
        """
        setup = self.setup
        if setup.config.on_non_finite != "skip":
            return self._step(batch, number)
        buffers = [buffer.clone() for buffer in setup.model.buffers()]
        try:
            result = self._step(batch, number, must_be_finite=True)
        except SkippedStep:
            for buffer, before in zip(setup.model.buffers(), buffers, strict=True):
                buffer.copy_(before)
            setup.scheduler.step()
            raise
        self.skipped_in_a_row = 0
        return result

    def noted(self) -> Noted:
        """What was seen of the tasks' gradients in the last step, for the curves; nothing of a step that had nothing to learn from."""
        return self.conflict.noted | self.norms.noted() if self.has_learnt else {}

    @classmethod
    def problems(cls, config: RunConfig) -> list[Problem]:
        """What in a config does not go together with this update."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """Nothing: a step leaves all it changes in the setup."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to put back."""

    def _step(self, batch: Batch, number: int, must_be_finite: bool = False) -> StepResult:
        setup, self.has_learnt = self.setup, False
        setup.optimizer.zero_grad(set_to_none=True)
        with setup.execution.autocast():
            outputs = setup.model(batch.images, batch.parts)
        losses, present = separate_losses(setup.kinds, outputs, batch, setup.complete)
        self.on = setup.trained_at(number)
        if not all(self.on):
            losses = [loss if is_on else loss.new_zeros(()) for loss, is_on in zip(losses, self.on, strict=True)]
            present = present & present.new_tensor(self.on)
        values = torch.stack([loss.detach() for loss in losses])
        # A task of loss weight 0 has no graph: a gradient of zeros would let momentum and weight decay move its head.
        factors = zip(losses, setup.loss_weights, setup.weighted, strict=True)
        weighted = [loss * loss_weight if is_weighted else loss.new_zeros(()) for loss, loss_weight, is_weighted in factors]
        self.has_learnt = any(loss.requires_grad for loss in weighted)
        if not self.has_learnt:  # no image of this batch has any target
            setup.optimizer.step()  # without gradients it changes nothing, and the schedule goes by its count
            setup.scheduler.step()
            return values, present, values.sum(), torch.zeros_like(values)
        if must_be_finite:
            self._check_losses(values, number)
        self.conflict.before_update(losses, present, number)
        self.norms.begin([name for name, loss in zip(setup.kinds, losses, strict=True) if loss.requires_grad])
        combined, coefficients = setup.balancer.backward(weighted, present, setup.model)
        if setup.config.gradient_clip is not None:
            is_whole = setup.config.gradient_clip_over == "all"
            clip_grad_norm_(setup.model.parameters() if is_whole else setup.model.shared_parameters(), setup.config.gradient_clip)
        if must_be_finite:
            self._check_gradients(number)
        setup.optimizer.step()
        setup.scheduler.step()
        setup.balancer.after_step(lambda: self._losses_now(batch))
        return values, present, combined, coefficients

    @torch.no_grad()
    def _losses_now(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The weighted losses (T,) of a batch as they are, and which tasks are present (T,)."""
        setup = self.setup
        with setup.execution.autocast():
            outputs = setup.model(batch.images, batch.parts)
        losses, present = task_losses(setup.kinds, outputs, batch, setup.complete)
        on = present.new_tensor(self.on)
        return torch.where(on, losses * setup.loss_weights, 0.0), present & on

    def _check_losses(self, losses: Tensor, number: int) -> None:
        for task, loss in zip(self.setup.kinds, losses.tolist(), strict=True):
            if loss - loss != 0.0:
                self._skip(task, number, loss, f"the loss of task '{task}' was {loss}")

    def _check_gradients(self, number: int) -> None:
        gradients = [parameter.grad for group in self.setup.optimizer.param_groups for parameter in group["params"] if parameter.grad is not None]
        norm = float(get_total_norm(gradients))
        if norm - norm != 0.0:
            self._skip("", number, norm, f"the gradient's norm was {norm}")

    def _skip(self, task: str, number: int, value: float, why: str) -> None:
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row > MOST_SKIPPED:
            raise NonFiniteLossError(task, number, value)
        raise SkippedStep(f"step {number} was skipped: {why}")
