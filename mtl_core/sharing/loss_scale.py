"""LossScale: gradients inside a network that computes in fp16 are multiplied by a scale, so that small ones do not become 0.

fp16 has no numbers below 6e-8. Micikevicius et al. 2018, "Mixed Precision Training", multiply the loss by a scale before the backward pass and divide
the gradients by it afterwards (section 3.2). Here the scale applies inside the network only: gradients are multiplied where they enter it, at the
heads' outputs, and divided where they leave it, at its parameters (and at the features, where a balancing method works there). So balancing methods
and probes see gradients without the scale, in fp32.

The rule of the scale is that of ``torch.amp.GradScaler`` with its defaults: halved when a gradient overflows, doubled after 2,000 steps without. That
class is not used, because it divides gradients in the optimizer, after a balancing method has seen them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

BEGINNING, HIGHEST = 2.0**16, 2.0**24  # a power of 2 changes no digit of a gradient
GROWS_AFTER = 2_000  # steps in a row without an overflow


class LossScale:
    """The scale of a run. A power of 2, so that it changes no digit of a gradient that does not overflow.

    Attributes:
        value: the scale now, at least 1.
        overflows: steps that overflowed so far.
    """

    def __init__(self) -> None:
        self.value, self.overflows, self.steps = BEGINNING, 0, 0

    def watch(self, parameters: Iterable[nn.Parameter]) -> None:
        """Divide the gradients of these parameters, whenever they are trained. Call once."""
        for parameter in parameters:
            is_trained = parameter.requires_grad
            parameter.requires_grad_().register_hook(self._divided)
            parameter.requires_grad_(is_trained)

    def entered(self, output: Any) -> Any:
        """Outputs of the network, nested in mappings, lists and tuples, in fp32; their gradients are multiplied on the way in."""
        if torch.is_tensor(output):
            return _Entered.apply(output, self) if output.is_floating_point() else output
        if isinstance(output, Mapping):
            return {name: self.entered(part) for name, part in output.items()}
        return type(output)(self.entered(part) for part in output) if isinstance(output, list | tuple) else output

    def copy_of(self, feature: Tensor) -> Tensor:
        """A detached copy of a feature, in fp32, for the heads; its gradient is divided as at a parameter."""
        copy = feature.detach().float().requires_grad_(feature.requires_grad)
        if feature.requires_grad:
            copy.register_hook(self._divided)
        return copy

    def overflowed(self) -> bool:
        """Lower the scale after an overflow. False if it was 1 already: then the gradients themselves are not finite."""
        self.steps = 0
        if self.value <= 1:
            return False
        self.value, self.overflows = max(1.0, self.value / 2), self.overflows + 1
        return True

    def succeeded(self) -> None:
        """Count a step without an overflow."""
        self.steps += 1
        if self.steps >= GROWS_AFTER:
            self.value, self.steps = min(2 * self.value, HIGHEST), 0

    def state_dict(self) -> dict[str, Any]:
        """Scale and counts, for the checkpoint."""
        return {"value": self.value, "overflows": self.overflows, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of ``state_dict``."""
        self.value, self.overflows, self.steps = state["value"], state["overflows"], state["steps"]

    def _divided(self, gradient: Tensor | None) -> Tensor | None:
        return None if gradient is None else gradient / self.value  # None: no task of this backward pass reads the feature


class _Entered(torch.autograd.Function):
    """A tensor in fp32. Its gradient is multiplied by the scale before it takes the tensor's own type."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, scale: LossScale) -> Tensor:
        ctx.scale, ctx.dtype = scale, tensor.dtype
        return tensor.float() if tensor.dtype != torch.float32 else tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return (gradient * ctx.scale.value).to(ctx.dtype), None
