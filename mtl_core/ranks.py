"""Ranks: the processes that train one run together, each on its part of every batch. A run in one process has a rank that is alone.

The ranks hold equal networks, optimizers, balancing methods and random generators. Each loss has the value for the whole batch on every rank, and the
gradient of the rank's own part (``mtl_core.training.losses``). So the gradients of all ranks add up to the gradient for the whole batch, and a method
that decides from losses or from added gradients decides the same on every rank.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


class Ranks:
    """One process that is alone. Every method gives back what it is given.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank is the one that writes, measures and takes requests."""
        return self.rank == 0

    def own(self, count: int) -> slice:
        """This rank's part of ``count`` rows, which all ranks divide equally in the order of their numbers."""
        share = count // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def sum_over(self, tensor: Tensor) -> Tensor:
        """The sum of the ranks' tensors of one shape; equal to the last bit on all ranks."""
        return tensor

    def any_over(self, flags: Sequence[bool]) -> list[bool]:
        """Which flags are True on at least one rank."""
        return list(flags)

    def gather(self, tensor: Tensor) -> Tensor:
        """The rows (dimension 0) of all ranks' tensors of one shape, in the order of the ranks."""
        return tensor

    def from_first(self, make: Callable[[], T]) -> T:
        """What ``make`` returns on the first rank, which alone calls it. A plain value."""
        return make()

    def agree_on(self, numbers: Sequence[int]) -> list[int]:
        """The first rank's whole numbers. Every rank gives equally many."""
        return list(numbers)

    def first_before_others(self) -> contextlib.AbstractContextManager[Any]:
        """Context that the other ranks enter after the first has left it, so that they find the files that it has written."""
        return contextlib.nullcontext()

    def check_equal(self, network: nn.Module) -> None:
        """Raise TrainingError if this rank's network differs from the first rank's in any bit."""

    def part(self) -> None:
        """The ranks do nothing together from here on. The first goes on alone."""

    def sum_present(self, tensors: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor | None]:
        """The sums of gradients, each of the shape of its tensor in ``like``; None where no rank has one."""
        if self.size == 1 or not like:
            return list(tensors)
        is_there = self.any_over([tensor is not None for tensor in tensors])
        flat = torch.cat(
            [torch.zeros_like(shape).reshape(-1) if tensor is None else tensor.reshape(-1) for tensor, shape in zip(tensors, like, strict=True)]
        )
        parts = self.sum_over(flat).split([shape.numel() for shape in like])
        return [part.view(shape.shape) if there else None for part, shape, there in zip(parts, like, is_there, strict=True)]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace ``.grad`` of these parameters by its sum over the ranks."""
        if self.size == 1:
            return
        every = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter, gradient in zip(every, self.sum_present([parameter.grad for parameter in every], every), strict=True):
            if gradient is None or parameter.grad is None:
                parameter.grad = None if gradient is None else gradient.clone()
            else:
                parameter.grad.copy_(gradient)


ALONE = Ranks()
