"""Random generators of one run: torch functions draw from the run's own generators, never from the process-wide ones.

torch's global generator belongs to the whole process. A page that builds a network, another run or an export would move it, and a run that draws from
it would get other numbers. ``Generators.drawing`` is a context of the calling thread. Inside it every random function of torch that is called from
Python gets a generator of the run. The numbers are those that the global generator gives for the same seed.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mtl_core.ranks import ALONE, Ranks

# Functions and methods with an argument ``generator``.
_DRAWING = frozenset(
    getattr(owner, name)
    for owner, names in (
        (torch, ("bernoulli", "multinomial", "normal", "poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm")),
        (torch, ("_sample_dirichlet", "_standard_gamma")),
        (
            Tensor,
            (
                "bernoulli",
                "bernoulli_",
                "cauchy_",
                "exponential_",
                "geometric_",
                "log_normal_",
                "multinomial",
                "normal_",
                "random_",
                "uniform_",
            ),
        ),
    )
    for name in names
    if hasattr(owner, name)
) | frozenset(
    function for function in vars(nn.init).values() if inspect.isfunction(function) and "generator" in inspect.signature(function).parameters
)

# Functions that draw internally and take no generator: they draw from the process-wide one, set to the run's state.
_BORROWING = frozenset(
    (
        functional.alpha_dropout,
        functional.feature_alpha_dropout,
        functional.gumbel_softmax,
        functional.multi_head_attention_forward,
        functional.rrelu,
        functional.scaled_dot_product_attention,
    )
)
_borrowing = threading.Lock()


class Generators:
    """A run's generators: one for the CPU, and one for its device if that is not the CPU.

    Args:
        seed: 0 or more. device: ``cpu``, ``cuda`` or ``mps``.
        ranks: the processes that draw the same numbers. Dropout draws for the images of all of them, and uses those of its own.
    """

    def __init__(self, seed: int, device: str = "cpu", ranks: Ranks = ALONE):
        self.ranks = ranks
        self._own = {kind: torch.Generator(kind) for kind in dict.fromkeys(("cpu", torch.device(device).type))}
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Reset all generators to ``seed``."""
        for generator in self._own.values():
            generator.manual_seed(seed)

    def of(self, device: torch.device | str | None) -> torch.Generator:
        """The generator for tensors of a device; the CPU's for devices that the run does not use, such as ``meta``."""
        kind = torch.device(device).type if device is not None else "cpu"
        return self._own.get(kind, self._own["cpu"])

    def state(self) -> dict[str, Tensor]:
        """Device type -> generator state, for a checkpoint."""
        return {kind: generator.get_state() for kind, generator in self._own.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Set the generators to ``state``. Devices that are not in it keep their state."""
        for kind, generator in self._own.items():
            if kind in state:
                generator.set_state(state[kind].cpu())

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[None]:
        """Set the process-wide generators to these states inside the block; afterwards keep the advanced states and restore theirs. Takes a lock."""
        modules = {kind: torch if kind == "cpu" else getattr(torch, kind) for kind in self._own}
        with _borrowing:
            before = {kind: module.get_rng_state() for kind, module in modules.items()}
            for kind, module in modules.items():
                module.set_rng_state(self._own[kind].get_state())
            try:
                yield
            finally:
                for kind, module in modules.items():
                    self._own[kind].set_state(module.get_rng_state())
                    module.set_rng_state(before[kind])

    def drawing(self) -> contextlib.AbstractContextManager:
        """Context in which the random functions that this thread calls draw from these generators."""
        return _Drawing(self)


def drawing(generators: Generators | None) -> contextlib.AbstractContextManager:
    """``generators.drawing()``; a context without effect for None."""
    return contextlib.nullcontext() if generators is None else generators.drawing()


_running = threading.local()  # the generators that this thread draws from, innermost last


def drawn_from() -> Generators | None:
    """The generators that this thread draws from: those of ``drawing``; None for torch's own."""
    stack = getattr(_running, "stack", [])
    return stack[-1] if stack else None


def random_state() -> dict[str, Tensor]:
    """Where the generators stand that this thread draws from: those of ``drawing``, else torch's own for the CPU."""
    stack = getattr(_running, "stack", [])
    return stack[-1].state() if stack else {"cpu": torch.get_rng_state()}


def draw_again_from(state: dict[str, Tensor]) -> None:
    """Let what is drawn next be what was drawn after ``random_state`` gave this state."""
    stack = getattr(_running, "stack", [])
    if stack:
        stack[-1].restore(state)
    else:
        torch.set_rng_state(state["cpu"])


@contextlib.contextmanager
def unnoticed(seed: int = 0) -> Iterator[None]:
    """Context for random numbers that are discarded, such as initial weights that a checkpoint replaces: no other generator advances."""
    with Generators(seed).drawing():
        yield


def draws(model: nn.Module) -> bool:
    """Whether a network draws random numbers in its forward pass while it trains.

    A module of torch, torchvision or this project draws if it is a kind of dropout. A module from elsewhere is taken to draw, unless it
    says ``draws = False``.
    """
    return any(_draws(module) for module in model.modules())


def _draws(module: nn.Module) -> bool:
    said = getattr(module, "draws", None)
    if isinstance(said, bool):
        return said
    name = type(module).__name__
    if "Dropout" in name or name in ("StochasticDepth", "RReLU", "MultiheadAttention", "DropPath"):
        return True
    return type(module).__module__.partition(".")[0] not in ("torch", "torchvision", "mtl_core")


class _Drawing(TorchFunctionMode):
    def __init__(self, generators: Generators):
        super().__init__()
        self.generators = generators

    def __enter__(self) -> Any:
        _running.__dict__.setdefault("stack", []).append(self.generators)
        return super().__enter__()

    def __exit__(self, *error: Any) -> Any:
        _running.stack.pop()
        return super().__exit__(*error)

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func in _DROPOUTS:
            return _DROPOUTS[func](self.generators, *args, **kwargs)
        if func in _DRAWING and kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": self.generators.of(_device(args, kwargs))}
        if func in _BORROWING:
            with self.generators.borrowed():
                return func(*args, **kwargs)
        return func(*args, **kwargs)


def _device(args: tuple, kwargs: dict[str, Any]) -> torch.device | str | None:
    """The device of a random function's result: that of its tensor argument, else its ``device`` argument."""
    found = next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)
    return found.device if found is not None else kwargs.get("device") or torch.get_default_device()


def _dropout(generators: Generators, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return _dropped(generators, input, p, training, inplace, input.shape)


def _feature_dropout(generators: Generators, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of (N, C, ...), as in ``dropout1d``, ``dropout2d`` and ``dropout3d``."""
    return _dropped(generators, input, p, training, inplace, (*input.shape[:2], *[1] * (input.ndim - 2)))


def _dropped(generators: Generators, input: Tensor, p: float, training: bool, inplace: bool, shape: Any) -> Tensor:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    ranks = generators.ranks
    kept = torch.empty((ranks.size * shape[0], *shape[1:]) if ranks.size > 1 else shape, dtype=input.dtype, device=input.device)
    kept.bernoulli_(1 - p, generator=generators.of(input.device)).div_(1 - p)
    if ranks.size > 1:
        kept = kept[ranks.own(len(kept))]
    return input.mul_(kept) if inplace else input * kept


_DROPOUTS: dict[Any, Callable[..., Tensor]] = {
    functional.dropout: _dropout,
    functional.dropout1d: _feature_dropout,
    functional.dropout2d: _feature_dropout,
    functional.dropout3d: _feature_dropout,
}
