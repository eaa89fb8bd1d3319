"""How much memory training a config takes, estimated before it starts, and whether that much is free.

What the network keeps for its backward pass is measured without computing anything: on the meta device PyTorch follows shapes alone, and says
which tensors it saves. The rest is counted: parameters, gradients, optimizer state, the Jacobian of gradient methods, the copies that are timed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from mtl_core import free_memory, settings
from mtl_core.balancing.balancer import Balancer, GradientAggregator
from mtl_core.config import RunConfig
from mtl_core.config_sections import OptimizerConfig
from mtl_core.data.batches import DEVICE_RESIDENT_BYTES, Batch
from mtl_core.data.data_source import DataSource
from mtl_core.errors import NotEnoughMemoryError, Problem
from mtl_core.sharing.model import trained
from mtl_core.tasks.pretext.self_supervised import with_views
from mtl_core.training.build import build_balancer, sized_network
from mtl_core.training.parts import NetworkParts, Parts

USABLE = 0.9  # share of what is free that a run may be planned to take: the estimate is not exact, and others want memory, too
FLOAT = 4  # bytes
BF16_SHARE = 0.6  # of fp32's activations that are left under bf16: normalisation and losses stay in fp32
WORKSPACE = 60 << 20  # bytes of a library's own: code that is loaded at the first step, scratch
ALLOCATED = {"cpu": 1.6}  # times what lives at once, measured: glibc's gaps and what oneDNN reorders. On other devices ELSEWHERE, not measured
ELSEWHERE = 1.25
PER_OUTPUT = 6  # times a head's output: itself, what its loss keeps (log-probabilities, targets in their shape, masks), its gradients
PER_LARGEST = 2  # times the largest tensor kept: gradients of two neighbours live at once, and so do a convolution's reordered input and output
AUGMENTED_PIXEL = 40  # bytes a pixel while images are moved: where each comes from, as numbers and as an index
EVALUATED = (64, 256)  # images in a batch of an evaluation, at least and at most, see ``Setup.evaluation_batches``
EVALUATED_LARGEST = 3  # times the largest tensor: without a backward pass only neighbours live at once


@dataclass(frozen=True)
class NetworkSizes:
    """Bytes of a network; ``kept``, ``largest``, ``outputs`` and ``features`` are for each image of a batch, ``has_maps``: it has convolutions."""

    parameters: int
    shared: int  # of them, trained
    own: tuple[int, ...]  # of them, trained by one task alone
    kept: float
    largest: float
    outputs: float
    features: float
    has_maps: bool


@dataclass(frozen=True)
class Estimate:
    """Bytes that training takes at its highest point, beside what the program itself takes.

    Attributes:
        fixed: whatever the batch: parameters, gradients, optimizer state, Jacobian, copies.
        jacobian: of it, the tasks' gradients and what the method or update keeps like them.
        per_image: for each image of a batch.
        evaluation: of an evaluation, which has batches of its own size.
    """

    fixed: int
    jacobian: int
    per_image: float
    evaluation: float

    def total(self, batch_size: int) -> float:
        """With batches of this size."""
        evaluated = min(max(batch_size, EVALUATED[0]), EVALUATED[1])
        return self.fixed + max(batch_size * self.per_image, evaluated * self.evaluation)

    def largest_batch(self, usable: float) -> int:
        """The largest batch that fits into so many bytes; 0 for none."""
        if self.total(1) > usable:
            return 0
        low, high = 1, 1 << 20
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.total(middle) <= usable else (low, middle - 1)
        return low


def check(parts: Parts) -> None:
    """Raise NotEnoughMemoryError where a run that begins now would not fit."""
    if found := problems(parts):
        raise NotEnoughMemoryError(found)


def problems(parts: Parts, later: bool = False) -> list[Problem]:
    """Why a config does not fit into the memory that is free; empty where it does, or where ``MTL_MEMORY_CHECK`` is off.

    Args:
        later: it waits for the run that trains now, so what this program holds counts as free.
    """
    if settings.memory_check() == "off":
        return []
    free = free_on(parts.device, later)
    needs = estimate(parts)
    if needs.total(parts.config.batch_size) <= USABLE * free:
        return []
    return [_refusal(parts.config, needs, free, parts.device)]


def estimate(parts: Parts) -> Estimate:
    """What training a config takes.

    Raises:
        ConfigError: the network cannot be built.
    """
    config, source, device = parts.config, parts.source, parts.device
    sizes = network_sizes(config, parts.network, source)
    balancer = build_balancer(parts.balancing, len(config.tasks))
    gradients, whole = sizes.shared + sum(sizes.own), sizes.parameters
    is_task_vectors = config.update.name == "task_vectors"
    rows = copies_kept(config, balancer)
    at_features = balancer.at_features and not is_task_vectors
    jacobian = 0 if at_features else rows * sizes.shared
    state = _state(config, sizes, is_task_vectors)
    timed = _candidates(config, sizes.has_maps)
    # The copies that are timed are gone before there is an optimizer; gradients are there at both times.
    fixed = WORKSPACE + whole + gradients + max(state + jacobian, timed * whole if timed > 1 else 0)
    channels, height, width = source.image_shape()
    share = BF16_SHARE if config.precision == "bf16" else 1.0
    per_image = share * (sizes.kept + PER_LARGEST * sizes.largest) + PER_OUTPUT * sizes.outputs + channels * height * width
    per_image *= ALLOCATED.get(device, ELSEWHERE)
    per_image += rows * sizes.features if at_features else 0
    per_image += _augmented(config, channels, height, width)
    if device != "cpu":
        resident = sum(source.split_sizes().values()) * channels * height * width
        fixed += resident if resident < DEVICE_RESIDENT_BYTES else 0
    return Estimate(fixed, jacobian, per_image, EVALUATED_LARGEST * sizes.largest + sizes.outputs)


def copies_kept(config: RunConfig, balancer: Balancer) -> int:
    """How many flat gradients (P,) of the shared network a step holds at once, beside ``.grad``."""
    count = len(config.tasks)
    if config.update.name == "task_vectors":
        return 2 * count + 1  # each task's copy, and at a round's end its difference; the network itself is counted
    if isinstance(balancer, GradientAggregator) and not balancer.is_plain():
        return (2 + balancer.jacobians_kept) * count + 2  # the Jacobian, what the method makes of it and remembers; one task's parts; the update
    if config.conflict_every and count > 1:
        return 2 * count  # each task's parts, then stacked
    return 0


def free_on(device: str, later: bool = False) -> int:
    """Bytes that a run may take on a device."""
    if device == "cuda":
        held = torch.cuda.memory_reserved() if later else torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return torch.cuda.mem_get_info()[0] + held
    free = free_memory.free_bytes() + (free_memory.returning_bytes() if later else 0)
    if device == "mps":  # it shares the machine's memory, and takes no more than a part of it
        held = 0 if later else torch.mps.driver_allocated_memory()
        return min(free, torch.mps.recommended_max_memory() - held)
    return free


def _state(config: RunConfig, sizes: NetworkSizes, is_task_vectors: bool) -> int:
    """Bytes of the optimizers' state."""
    own = [task.optimizer or config.optimizer for task in config.tasks.values()]
    heads = sum(_per_number(optimizer) * size for optimizer, size in zip(own, sizes.own, strict=True))
    if is_task_vectors:  # each task has an optimizer of its own for the shared network
        return heads + sum(_per_number(optimizer) for optimizer in own) * sizes.shared
    return heads + _per_number(config.optimizer) * sizes.shared


def _per_number(optimizer: OptimizerConfig) -> int:
    if optimizer.name == "sgd":
        return 1 if optimizer.momentum else 0
    return 2


def _candidates(config: RunConfig, has_maps: bool) -> int:
    """Copies of the network that ``execution.choose`` times."""
    return (2 if config.precision == "auto" else 1) * (2 if config.layout == "auto" and has_maps else 1)


def _augmented(config: RunConfig, channels: int, height: int, width: int) -> float:
    """Bytes an image while it is changed."""
    changes = config.augmentation.model_dump()
    if not any(changes.values()):
        return 0.0
    return height * width * (2 * FLOAT * channels + (AUGMENTED_PIXEL if changes["crop"] or changes["rotation"] or changes["scale"] else 0))


def network_sizes(config: RunConfig, network: NetworkParts, source: DataSource) -> NetworkSizes:
    """Sizes of the network of a config, remembered for as long as nothing that shapes it changes.

    Raises:
        ConfigError: it cannot be built, or cannot take the images.
    """
    shape = config.model_dump_json(include={"data", "tasks", "backbone", "sharing"})
    return _measured(_Key(f"{shape} {source.image_shape()} {source.tasks()} {config.batch_size == 1}", (config, network, source)))


@dataclass(frozen=True)
class _Key:
    """What a network's sizes depend on, as text; ``of`` is the config, its network's parts and its source."""

    text: str
    of: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


@lru_cache(maxsize=64)
def _measured(key: _Key) -> NetworkSizes:
    config, network, source = key.of
    model, kinds = sized_network(config, network, source)
    count = min(config.batch_size, 2)
    empty = torch.empty(0, dtype=torch.int64)
    batch = with_views(Batch(torch.zeros(count, *source.image_shape()), {}, {}, empty), kinds, 0, 0, 0)
    images = batch.images.to("meta")
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # each once; held, so that no other takes its address
        return tensor

    model.split_features = model.has_shared_features
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model.train()(images, batch.parts)
    for tensor in (*model.parameters(), *model.buffers()):
        kept.pop(tensor.untyped_storage()._cdata, None)
    sizes = [storage.nbytes() for storage in kept.values()]
    parameters = list(model.parameters())
    features = model.take_features()[0] if model.has_shared_features else []
    return NetworkSizes(
        parameters=_bytes([*parameters, *model.buffers()]),
        shared=_bytes(trained(model.shared_parameters())),
        own=tuple(_bytes(trained(model.task_parameters(task))) for task in model.tasks),
        kept=sum(sizes) / count,
        largest=max([*sizes, images.nbytes]) / count,
        outputs=_bytes(_tensors(outputs)) / count,
        features=_bytes(_tensors(features)) / count,
        has_maps=any(isinstance(module, nn.Conv2d) for module in model.modules()),
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _tensors(nested: Any) -> list[Tensor]:
    if isinstance(nested, Tensor):
        return [nested]
    values = nested.values() if isinstance(nested, dict) else nested if isinstance(nested, list | tuple) else getattr(nested, "__dict__", {}).values()
    return [tensor for value in values for tensor in _tensors(value)]


def _refusal(config: RunConfig, needs: Estimate, free: int, device: str) -> Problem:
    """What is missing, and which settings make it less."""
    where = "is free" if device == "cpu" else "is free on the GPU"
    said = f"the run needs about {_gigabytes(needs.total(config.batch_size))} of memory, and {_gigabytes(free)} {where}"
    width = next((name for name in ("width", "hidden") if name in config.backbone.options or _has_option(config, name)), "")
    smaller = f"take smaller images (data.preprocessing.resize) or a smaller network ({f'backbone.{width}' if width else 'backbone'})"
    if needs.jacobian > needs.total(config.batch_size) / 3:
        instead = (
            "update: joint" if config.update.name == "task_vectors" else "a balancing method that needs no gradient of each task (fixed, for one)"
        )
        smaller += f", or {instead}, which saves {_gigabytes(needs.jacobian)}"
    fits = min(needs.largest_batch(USABLE * free), config.batch_size - 1)
    cure = f"lower batch_size to about {fits}, or {smaller}" if fits else f"no batch_size is low enough; {smaller}"
    advice = "End other programs that use memory, or set MTL_MEMORY_CHECK=off if you know better"
    return Problem("batch_size" if fits else "backbone", f"{said}: {cure}. {advice}")


def _has_option(config: RunConfig, name: str) -> bool:
    from mtl_core.backbones import BACKBONES

    return name in BACKBONES.load(config.backbone.name).Options.model_fields


def _gigabytes(count: float) -> str:
    gigabytes = count / 1e9
    return f"{gigabytes:.0f} GB" if gigabytes >= 10 else f"{gigabytes:.1f} GB" if gigabytes >= 1 else f"{max(1, count / 1e6):.0f} MB"
