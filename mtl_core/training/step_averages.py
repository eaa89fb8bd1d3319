"""Means of step results over the steps since the last point of the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtl_core.errors import NonFiniteLossError

SUMS = ("losses", "present", "coefficients")  # (T,) each, in the order in which a window adds them up


@dataclass(frozen=True)
class StepResult:
    """The results of a step for the curves, detached from the graph.

    Attributes:
        losses: (T,) each task's loss, 0 where absent.
        present: (T,) bool, the tasks with a loss in this step.
        combined: scalar, the loss that the method combined them to.
        coefficients: (T,) factors on the tasks' weighted losses or gradients.
        extras: other measurements: the first part of a scalar's key -> a 0-d tensor, or (T,) one number per task. NaN if not measured.
    """

    losses: Tensor
    present: Tensor
    combined: Tensor
    coefficients: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)


class Window:
    """The results of the steps since the last point of the curves. The checkpoint holds their sums, so that a resumed run continues the window.

    A step only appends its result. The results stay on the device and are added up when the sums are read, because a few sums at every step cost a
    small network 2 % of its time, and reading them would wait for a GPU.

    Args:
        tasks: names, in the order of the losses.
        loss_weights: (T,) current loss weights; a task's effective weight at a step is its loss weight times the balancer's coefficient.
    """

    def __init__(self, tasks: Sequence[str], loss_weights: Tensor):
        self.tasks, self.loss_weights = tuple(tasks), loss_weights
        self._empty()

    def _empty(self) -> None:
        # Losses, tasks present and effective weights of the steps added up, (T,) each, and the combined loss; in one tensor, because each costs time.
        self.sums = self.loss_weights.new_zeros(3 * len(self.tasks) + 1)
        self.noted: dict[str, list[Tensor]] = {}  # one entry per step
        self.steps = 0
        self._results: list[StepResult] = []
        self._effective: list[Tensor] = []  # (T,) effective weights of each result
        self._summed = 0  # number of results that the sums contain

    def add(self, result: StepResult) -> None:
        """Add one step. NaN in its extras is left out of the means."""
        self._results.append(result)
        self._effective.append(result.coefficients * self.loss_weights)  # at once, because the loss weights change in place
        self.steps += 1

    def _sum_up(self) -> None:
        """Add the results to the sums that are not in them yet."""
        new, effective = self._results[self._summed :], self._effective[self._summed :]
        if not new:
            return
        steps = [(each.losses, each.present, own, each.combined.view(1)) for each, own in zip(new, effective, strict=True)]
        rows = torch.cat([self.sums, *(part for step in steps for part in step)]).detach().view(-1, len(self.sums))
        # One row after another: the bits of a sum depend on the order.
        self.sums = torch.from_numpy(np.add.accumulate(rows.cpu().numpy())[-1]).to(rows.device)
        for result in new:
            for key, value in result.extras.items():
                self.noted.setdefault(key, []).append(value.detach())
        self._summed = len(self._results)

    def check(self, step: int) -> list[float]:
        """Return the sums. Raise NonFiniteLossError, naming the first such step, if a task's loss or the combined loss was NaN or infinite.

        Args:
            step: the newest.
        """
        self._sum_up()
        sums = self.sums.tolist()
        named = (*zip(self.tasks, sums, strict=False), ("", sums[-1]))
        if all(total - total == 0.0 for _, total in named):
            return sums
        for number, result in enumerate(self._results, start=step - len(self._results) + 1):
            for task, loss in zip(self.tasks, result.losses.tolist(), strict=True):
                if loss - loss != 0.0:
                    raise NonFiniteLossError(task, number, loss)
        task, total = next((task, total) for task, total in named if total - total != 0.0)
        raise NonFiniteLossError(task, step, total)

    def close(self, step: int) -> dict[str, float]:
        """Return the means and start a new window. Tasks that were absent in all steps are left out.

        Raises:
            NonFiniteLossError: as ``check``.
        """
        sums = self.check(step)
        if not self.steps:  # every step was skipped
            return {}
        scalars: dict[str, float] = {}
        width = len(self.tasks)
        for task, total, count, factor in zip(self.tasks, sums[:width], sums[width : 2 * width], sums[2 * width : -1], strict=True):
            if count:
                scalars[f"train/{task}/loss"] = total / count
                scalars[f"loss_weight/{task}"] = factor / count
        scalars["optimizer/loss"] = sums[-1] / self.steps
        for key, steps in self.noted.items():
            names = [f"{key}/{task}" for task in self.tasks] if steps[0].ndim else [key]
            for name, values in zip(names, zip(*torch.stack(steps).reshape(len(steps), -1).tolist(), strict=True), strict=True):
                if seen := [value for value in values if not isnan(value)]:
                    scalars[name] = sum(seen) / len(seen)
        self._empty()
        return scalars

    def state_dict(self) -> dict[str, Any]:
        """The sums (tensors) and the number of steps, for the checkpoint."""
        self._sum_up()
        sums = {name: part.clone() for name, part in zip(SUMS, self.sums[:-1].view(3, -1), strict=True)}  # not views, which would be saved whole
        return {**sums, "combined": self.sums[-1].clone(), "steps": self.steps, "noted": self.noted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of ``state_dict``."""
        self.sums = torch.cat([*(state[name] for name in SUMS), state["combined"].view(1)])
        self.steps = state["steps"]
        # Older checkpoints hold nothing here, or a sum and a count, which are dropped: one mean on the curves covers fewer steps.
        noted = state.get("noted", {})
        self.noted = {key: steps for key, steps in noted.items() if all(torch.is_tensor(step) and step.is_floating_point() for step in steps)}
