"""Layers that look at the whole batch, where each rank holds a part: batch normalisation, and stochastic depth.

torch's SyncBatchNorm works on GPUs only. This one works on every device, and gives the numbers of one process with the whole batch: mean and variance
over all images in the forward pass, the sums of the gradients over all images in the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import ops

from mtl_core.randomness import Generators
from mtl_core.ranks import Ranks


def use_whole_batch(model: nn.Module, ranks: Ranks, generators: Generators) -> None:
    """Let the layers of a network, which stay the same objects, look at the batch of all ranks while they train. Does nothing for one rank."""
    if ranks.size == 1:
        return
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.__class__ = _WHOLE[next(kind for kind in _WHOLE if isinstance(module, kind))]
        elif isinstance(module, ops.StochasticDepth):
            module.__class__ = WholeBatchDepth
            object.__setattr__(module, "generators", generators)
        else:
            continue
        object.__setattr__(module, "ranks", ranks)


class _WholeBatchNorm(nn.modules.batchnorm._BatchNorm):
    ranks: Ranks

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        output, mean, variance, count = _Normalised.apply(input, self.weight, self.bias, self.eps, self.ranks)
        self._remember(mean, variance, count)
        return output

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """As torch does: running means of the mean and of the unbiased variance."""
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_((variance * (count / max(1, count - 1))).to(self.running_var), share)


class WholeBatchNorm1d(_WholeBatchNorm, nn.BatchNorm1d):
    """BatchNorm1d over the batch of all ranks."""


class WholeBatchNorm2d(_WholeBatchNorm, nn.BatchNorm2d):
    """BatchNorm2d over the batch of all ranks."""


class WholeBatchNorm3d(_WholeBatchNorm, nn.BatchNorm3d):
    """BatchNorm3d over the batch of all ranks."""


_WHOLE: dict[type[nn.Module], Any] = {nn.BatchNorm1d: WholeBatchNorm1d, nn.BatchNorm2d: WholeBatchNorm2d, nn.BatchNorm3d: WholeBatchNorm3d}


class _Normalised(torch.autograd.Function):
    """(x - mean) / std * weight + bias with mean and variance per channel over the batch of all ranks; every rank holds equally many images.

    One sum over the ranks in each direction. The sums are taken in double precision: the variance is a difference of two of them.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor, int]:
        over = [dimension for dimension in range(input.ndim) if dimension != 1]
        own_variance, own_mean = torch.var_mean(input.float(), over, correction=0)
        own_mean, own_variance = own_mean.double(), own_variance.double()
        mean, square = ranks.sum_over(torch.stack([own_mean, own_variance + own_mean**2])) / ranks.size
        variance = (square - mean**2).clamp(min=0)
        count = ranks.size * input.numel() // input.shape[1]
        centre, scale = mean.float(), (variance + eps).rsqrt().float()
        ctx.save_for_backward(input, weight, centre, scale)
        ctx.over, ctx.count, ctx.ranks, ctx.has_bias = over, count, ranks, bias is not None
        output = torch.nn.functional.batch_norm(input, centre, variance.float(), weight, bias, training=False, eps=eps)
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return output, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *_: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        if gradient is None:  # a pass that ended before this layer, on every rank
            return None, None, None, None, None
        input, weight, centre, scale = ctx.saved_tensors
        shape = [1, -1, *[1] * (input.ndim - 2)]
        gradient = gradient.float()
        standard = (input.float() - centre.view(shape)) * scale.view(shape)
        own = torch.stack([gradient.sum(ctx.over), (gradient * standard).sum(ctx.over)])  # this rank's part of the gradients on bias and weight
        mean = (ctx.ranks.sum_over(own.double()) / ctx.count).float()
        factor = scale if weight is None else scale * weight.float()
        of_input = (gradient - mean[0].view(shape) - standard * mean[1].view(shape)) * factor.view(shape)
        of_weight = None if weight is None else own[1].to(weight)
        return of_input.to(input.dtype), of_weight, own[0].to(centre) if ctx.has_bias else None, None, None


class WholeBatchDepth(ops.StochasticDepth):
    """StochasticDepth that draws for all images of the batch, as one process does, and uses those of this rank."""

    ranks: Ranks
    generators: Generators

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0.0 or self.mode != "row":
            return super().forward(input)
        kept = torch.empty([self.ranks.size * len(input), *[1] * (input.ndim - 1)], dtype=input.dtype, device=input.device)
        kept.bernoulli_(1 - self.p, generator=self.generators.of(input.device))
        if self.p < 1.0:
            kept.div_(1 - self.p)
        return input * kept[self.ranks.own(len(kept))]
