"""Balancer: how the losses of several tasks become one update. Two families, one method ``backward`` for the training loop.

- ``LossWeighting`` combines the losses (T,) into one scalar, and a single backward pass follows.
- ``GradientAggregator`` takes every task's own gradient on the shared parameters, the Jacobian (T, P), and combines its rows.

The losses given to a balancer are already multiplied by the config's ``loss_weight``, a prior factor under every method. A task
without any labelled image in the batch is marked absent: it takes no part in that update.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from mtl_core.sharing.model import MultiTaskModel


class BalancerOptions(BaseModel):
    """Parent of every balancer's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Balancer(nn.Module, ABC):
    """Parent of both families. State that must survive a checkpoint lives in buffers and parameters.

    Args:
        task_count: T.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    family: ClassVar[str]
    Options: ClassVar[type[BalancerOptions]] = BalancerOptions

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__()
        self.options = options
        self.task_count = task_count

    @abstractmethod
    def backward(self, losses: Tensor, present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        """Fill ``.grad`` of the model's parameters (and of the balancer's own).

        Args:
            losses: (T,), in the order of ``model.tasks``, with their graphs; 0 where absent.
            present: (T,) bool; at least one is True.

        Returns:
            The combined loss (a detached scalar) and the coefficients (T,) that multiplied the tasks' losses or gradients, 0 where absent.
        """

    def end_epoch(self) -> None:
        """Called once after each pass over the training split."""


class LossWeighting(Balancer):
    """Combines the losses themselves: costs one backward pass."""

    family: ClassVar[str] = "loss weighting"

    @abstractmethod
    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        """Losses (T,) -> one scalar to descend."""

    def backward(self, losses: Tensor, present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        losses.retain_grad()  # d combined / d loss_t is the effective weight of task t, and comes for free
        combined = self.combine(losses, present)
        combined.backward()
        return combined.detach(), torch.where(present, losses.grad, 0.0)


class GradientAggregator(Balancer):
    """Combines the tasks' gradients on the shared parameters: costs one backward pass per task. Heads get their own task's gradient."""

    family: ClassVar[str] = "gradient aggregation"

    @abstractmethod
    def coefficients(self, jacobian: Tensor) -> Tensor:
        """Jacobian (T', P) of the tasks present -> coefficients (T',) of its rows."""

    def backward(self, losses: Tensor, present: Tensor, model: MultiTaskModel) -> tuple[Tensor, Tensor]:
        shared = model.shared_parameters()
        rows = [int(row) for row in present.nonzero()]
        jacobian = torch.stack([_task_gradient(losses[row], model, model.tasks[row], shared, keep_graph=row != rows[-1]) for row in rows])
        coefficients = self.coefficients(jacobian)
        _set_gradients(shared, coefficients @ jacobian)
        everyone = torch.zeros_like(losses).index_put((torch.tensor(rows, device=losses.device),), coefficients)
        return losses.detach().sum(), everyone.detach()


def _task_gradient(loss: Tensor, model: MultiTaskModel, task: str, shared: Sequence[nn.Parameter], keep_graph: bool) -> Tensor:
    """One task's gradient on the shared parameters, flat (P,); its own parameters' ``.grad`` is filled on the way."""
    own = model.task_parameters(task)
    gradients = torch.autograd.grad(loss, [*shared, *own], retain_graph=keep_graph, allow_unused=True)
    for parameter, gradient in zip(own, gradients[len(shared) :], strict=True):
        parameter.grad = gradient
    return torch.cat([_flat(parameter, gradient) for parameter, gradient in zip(shared, gradients, strict=False)])


def _flat(parameter: nn.Parameter, gradient: Tensor | None) -> Tensor:
    return torch.zeros(parameter.numel(), device=parameter.device) if gradient is None else gradient.reshape(-1)


def _set_gradients(parameters: Sequence[nn.Parameter], gradient: Tensor) -> None:
    start = 0
    for parameter in parameters:
        parameter.grad = gradient[start : start + parameter.numel()].view(parameter.shape).to(memory_format=_memory_format(parameter))
        start += parameter.numel()


def _memory_format(parameter: nn.Parameter) -> torch.memory_format:
    is_channels_last = parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last) and not parameter.is_contiguous()
    return torch.channels_last if is_channels_last else torch.contiguous_format
