"""What a prediction costs: parameters, multiply-adds, milliseconds and memory of the shared network, and of one network for each task.

A network for one task is taken to be what this network computes for that task alone, at the same width, so what is compared is sharing alone.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from mtl_core.inference.predictor import Predictor
from mtl_core.inference.timing import ROUNDS, median_times
from mtl_core.training.execution import device_name

MOST_IMAGES = 256  # in a batch


@dataclass(frozen=True)
class Cost:
    """Cost of one pass over a batch, without reading, preprocessing and decoding.

    Attributes:
        parameters: numbers in the network.
        multiply_adds: for one image, in convolutions and matrix products; other operations are not counted.
        milliseconds: for the batch, median over the rounds, after one warm-up pass.
        memory: bytes of the parameters, and of the tensors that live at the same moment at most; scratch space inside operations is not counted.
    """

    parameters: int
    multiply_adds: float
    milliseconds: float
    memory: int


@dataclass(frozen=True)
class InferenceCost:
    """Cost of the shared network with all heads, and of each task's network alone.

    Attributes:
        alone: task -> cost.
        batch_size: images in a batch.
        rounds: how often each was timed, alternating.
        device, device_name: where it was measured.
        threads: processor threads in use.
    """

    shared: Cost
    alone: dict[str, Cost]
    batch_size: int
    rounds: int
    device: str
    device_name: str
    threads: int

    def together(self) -> Cost:
        """One network per task, all of them: sums, and for memory the parameters of all and the largest pass."""
        costs = list(self.alone.values())
        parameters = sum(cost.parameters for cost in costs)
        passes = max(cost.memory - FLOAT * cost.parameters for cost in costs)
        adds, milliseconds = sum(cost.multiply_adds for cost in costs), sum(cost.milliseconds for cost in costs)
        return Cost(parameters, adds, milliseconds, FLOAT * parameters + passes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with ``together``."""
        return {**asdict(self), "together": asdict(self.together())}


FLOAT = 4  # bytes; a predictor computes in float32


def measure_cost(
    predictor: Predictor,
    batch_size: int = 1,
    rounds: int = ROUNDS,
    progress: Callable[[float, str], None] = lambda share, text: None,
) -> InferenceCost:
    """Measure on grey images of the network's size, on the predictor's device.

    Args:
        progress: called with the share that is done and what is done; an error that it raises ends the measurement.

    Raises:
        ValueError: ``batch_size`` is not from 1 to ``MOST_IMAGES``.
    """
    if not 1 <= batch_size <= MOST_IMAGES:
        raise ValueError(f"a batch has 1 to {MOST_IMAGES} images, found {batch_size}")
    model, device = predictor.model, predictor.device
    channels, height, width = predictor.image_shape
    images = torch.zeros(batch_size, channels, height, width, device=device)
    tasks = list(predictor.kinds)
    works = {"": lambda: model(images), **{task: _alone(model, images, task) for task in tasks}}
    users = {"": set(tasks), **{task: {task} for task in tasks}}
    with torch.no_grad():
        counted = {name: (multiply_adds_of(work) / batch_size, live_bytes_of(work, model, images)) for name, work in works.items()}
        times = median_times(works, rounds, device, progress)
    costs = {}
    for name, (adds, live) in counted.items():
        parameters = sum(tensor.numel() for group in model.groups() if group.users & users[name] for tensor in group.parameters)
        costs[name] = Cost(parameters, adds, times[name], FLOAT * parameters + live)
    alone = {task: costs[task] for task in tasks}
    return InferenceCost(costs[""], alone, batch_size, rounds, device, device_name(device), torch.get_num_threads())


def _alone(model: Any, images: Tensor, task: str) -> Callable[[], Any]:
    return lambda: model.heads[task](model.features(images, [task])[task])


def multiply_adds_of(work: Callable[[], Any]) -> float:
    """Multiply-adds in the convolutions and matrix products of a forward pass."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 2  # it counts a multiplication and an addition as two


def live_bytes_of(work: Callable[[], Any], model: Any, images: Tensor) -> int:
    """Bytes of the tensors, input included, that live at the same moment at most, without the network's own. Of this thread only."""
    own = [*model.parameters(), *model.buffers()]
    with _LiveBytes([*own, images], images.untyped_storage().nbytes()) as counter:
        work()
    return counter.peak


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of the storages that operations of this thread make and that still live."""

    def __init__(self, known: list[Tensor], begun: int):
        super().__init__()
        self.known = [tensor.untyped_storage() for tensor in known]  # held, so that no address is used again
        self.seen = {storage._cdata for storage in self.known}
        self.live = self.peak = begun

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self.seen:
            return
        self.seen.add(storage._cdata)
        weakref.finalize(storage, self._remove, storage._cdata, storage.nbytes())
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)

    def _remove(self, address: int, size: int) -> None:
        self.seen.discard(address)
        self.live -= size
