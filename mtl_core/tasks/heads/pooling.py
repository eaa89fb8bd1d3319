"""Mean and maximum of a map over its places, with backward passes that give torch's own gradients in less time.

torch writes the mean's gradient out place by place, in another memory order than a channels-last map has, so that adding the maximum's to it is slow.
For the maximum it converts a mask three times. On a CPU in bf16 both together took seven times as long, which was a sixth of a small network's step
with three such heads. Both are nodes of their own, as torch's are: in what order a feature's gradients are added up decides about their last bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def mean_over_places(maps: Tensor) -> Tensor:
    """(n, C, H, W) -> (n, C)."""
    return _Mean.apply(maps) if _has_graph(maps) else maps.mean((2, 3))


def highest_over_places(maps: Tensor) -> Tensor:
    """(n, C, H, W) -> (n, C). Places that share the maximum share its gradient equally."""
    return _Highest.apply(maps) if _has_graph(maps) else maps.amax((2, 3))


def _has_graph(maps: Tensor) -> bool:
    """Whether a backward pass can follow. Else torch's own functions are called, which every export format knows."""
    return maps.requires_grad and torch.is_grad_enabled()


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        ctx.shape = maps.shape
        return maps.mean((2, 3))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        height, width = ctx.shape[2:]
        return (gradient / (height * width))[:, :, None, None].expand(ctx.shape)


class _Highest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        highest = maps.amax((2, 3))
        ctx.save_for_backward(maps, highest)
        return highest

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        maps, highest = (saved.detach() for saved in ctx.saved_tensors)  # where the maximum is does not change by a little
        is_highest = torch.eq(maps, highest[:, :, None, None], out=torch.empty_like(maps))  # 1 and 0 in the map's own type
        is_exact = maps.shape[2] * maps.shape[3] <= 256  # a bf16 holds every whole number up to 256
        count = is_highest.sum((2, 3), dtype=None if is_exact else torch.promote_types(maps.dtype, torch.float32)).to(gradient.dtype)
        return is_highest.mul_((gradient / count)[:, :, None, None])  # not where(): a map with NaN gives NaN, as torch's own does
