"""Means over the steps since the last point of the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import torch
from torch import Tensor

from mtl_core.errors import NonFiniteLossError


@dataclass(frozen=True)
class StepResult:
    """What a step gives for the curves; nothing in it has a graph.

    Attributes:
        losses: (T,) each task's loss, 0 where absent.
        present: (T,) bool, the tasks with a loss in this step.
        combined: scalar, the loss that the method made of them.
        coefficients: (T,) that multiplied the tasks' weighted losses or gradients.
        extras: what else was seen: the first part of a scalar's key -> a 0-d tensor, or (T,) with a number for each task. NaN for nothing seen.
    """

    losses: Tensor
    present: Tensor
    combined: Tensor
    coefficients: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)


class Window:
    """Sums kept on the device, so that a GPU is not waited for at each step. Part of the checkpoint: a run stopped inside a window goes on in it.

    Args:
        tasks: names, in the order of the losses.
        loss_weights: (T,) the factors as they are now; a task's effective weight at a step is this times the balancer's coefficient.
    """

    def __init__(self, tasks: Sequence[str], loss_weights: Tensor):
        self.tasks, self.loss_weights = tuple(tasks), loss_weights
        self._empty()

    def _empty(self) -> None:
        zeros = torch.zeros_like(self.loss_weights)
        self.losses, self.present, self.coefficients, self.combined = zeros, zeros.clone(), zeros.clone(), zeros.sum()
        self.steps = 0
        self.noted: dict[str, list[Tensor]] = {}  # a step each, put together at the window's end: many small sums would cost more than what they sum
        self._each: list[Tensor] = []  # every step's own losses, to name the first bad one

    def add(self, result: StepResult) -> None:
        """One step. NaN in its extras is not seen; the rest's mean is one point."""
        self.losses = self.losses + result.losses
        self.present = self.present + result.present
        self.coefficients = self.coefficients + result.coefficients * self.loss_weights
        self.combined = self.combined + result.combined
        self.steps += 1
        self._each.append(result.losses)
        for key, value in result.extras.items():
            self.noted.setdefault(key, []).append(value.detach())

    def check(self, step: int) -> None:
        """Raise NonFiniteLossError, with its first step, if a task's loss or the combined one was NaN or infinite. ``step`` is the newest."""
        named = (*zip(self.tasks, self.losses.tolist(), strict=True), ("", float(self.combined)))
        if all(total - total == 0.0 for _, total in named):
            return
        for number, losses in enumerate(self._each, start=step - len(self._each) + 1):
            for task, loss in zip(self.tasks, losses.tolist(), strict=True):
                if loss - loss != 0.0:
                    raise NonFiniteLossError(task, number, loss)
        task, total = next((task, total) for task, total in named if total - total != 0.0)
        raise NonFiniteLossError(task, step, total)

    def close(self, step: int) -> dict[str, float]:
        """The means; starts a new window. A task that was in none of its steps is left out.

        Raises:
            NonFiniteLossError: as ``check``.
        """
        self.check(step)
        if not self.steps:  # every one of them was skipped
            return {}
        scalars: dict[str, float] = {}
        sums = (self.losses.tolist(), self.present.tolist(), self.coefficients.tolist())
        for task, total, count, factor in zip(self.tasks, *sums, strict=True):
            if count:
                scalars[f"train/{task}/loss"] = total / count
                scalars[f"loss_weight/{task}"] = factor / count
        scalars["optimizer/loss"] = float(self.combined) / self.steps
        for key, steps in self.noted.items():
            names = [f"{key}/{task}" for task in self.tasks] if steps[0].ndim else [key]
            for name, values in zip(names, zip(*torch.stack(steps).reshape(len(steps), -1).tolist(), strict=True), strict=True):
                if seen := [value for value in values if not isnan(value)]:
                    scalars[name] = sum(seen) / len(seen)
        self._empty()
        return scalars

    def state_dict(self) -> dict[str, Any]:
        """Tensors and a count, for the checkpoint."""
        names = ("losses", "present", "coefficients", "combined", "steps", "noted")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        for name, value in state.items():
            setattr(self, name, value)
        # Older checkpoints hold a sum and a count here; one mean on the curves is less without them.
        self.noted = {key: steps for key, steps in self.noted.items() if all(torch.is_tensor(step) and step.is_floating_point() for step in steps)}
