"""Estimate of the memory that training a config takes, compared with the free memory before the run starts.

The activations saved for the backward pass are measured on the meta device, where PyTorch tracks shapes only and reports the tensors it saves.
The rest is counted: parameters, gradients, optimizer state, the Jacobian of gradient methods, the copies that are timed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from mtl_core import settings
from mtl_core.balancing.balancer import Balancer, GradientAggregator
from mtl_core.config import RunConfig
from mtl_core.config_sections import OptimizerConfig
from mtl_core.data.batches import DEVICE_RESIDENT_BYTES, Batch
from mtl_core.data.data_source import DataSource
from mtl_core.errors import ConfigError, MemoryProblem, NotEnoughMemoryError
from mtl_core.machine import free_memory
from mtl_core.machine.device_names import kind_of
from mtl_core.sharing.model import trained
from mtl_core.tasks.pretext.self_supervised import with_views
from mtl_core.training.build import build_balancer, sized_network
from mtl_core.training.parts import NetworkParts, Parts, resolve
from mtl_core.training.several_devices.device_count import device_count

USABLE = 0.9  # share of the free memory that a run may take: the estimate is not exact, and other programs need memory too
FLOAT = 4  # bytes
BF16_SHARE = 0.6  # of fp32's activations that are left under bf16: normalisation and losses stay in fp32
WORKSPACE = 60 << 20  # bytes that libraries take at the first step: code, scratch buffers
ALLOCATED = {"cpu": 1.6}  # measured factor on the live bytes: glibc's gaps, oneDNN's reordering. Other devices use ELSEWHERE, which is not measured
ELSEWHERE = 1.25
PER_OUTPUT = 6  # times a head's output: itself, what its loss keeps (log-probabilities, targets in their shape, masks), its gradients
PER_LARGEST = 2  # times the largest tensor kept: gradients of two neighbours live at once, and so do a convolution's reordered input and output
AUGMENTED_PIXEL = 40  # bytes per pixel while images are moved: source positions as numbers and as an index
EVALUATED = (64, 256)  # images in a batch of an evaluation, at least and at most, see ``Setup.evaluation_batches``
EVALUATED_LARGEST = 3  # times the largest tensor: without a backward pass only neighbours live at once


@dataclass(frozen=True)
class NetworkSizes:
    """Bytes of a network; ``kept``, ``largest``, ``outputs`` and ``features`` are for each image of a batch, ``has_maps``: it has convolutions."""

    parameters: int
    shared: int  # trained parameters of the shared part
    block: int  # the largest of them
    own: tuple[int, ...]  # trained parameters that one task alone uses
    kept: float
    largest: float
    outputs: float
    features: float
    has_maps: bool


@dataclass(frozen=True)
class Estimate:
    """Peak bytes that training takes, in addition to the program itself.

    Attributes:
        fixed: bytes for any batch size: parameters, gradients, optimizer state, Jacobian, copies.
        jacobian: the part of ``fixed`` for the tasks' gradients and the method's copies of them.
        per_image: bytes per image of a batch.
        evaluation: bytes of an evaluation, which has its own batch size.
    """

    fixed: int
    jacobian: int
    per_image: float
    evaluation: float

    def total(self, batch_size: int) -> float:
        """Bytes with batches of this size."""
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
    """Raise NotEnoughMemoryError if a run that starts now would not fit."""
    if found := problems(parts):
        raise NotEnoughMemoryError(found[0])


def problems(parts: Parts, later: bool = False) -> list[MemoryProblem]:
    """Problems if a config does not fit into the free memory; empty if it fits or ``MTL_MEMORY_CHECK`` is off.

    Args:
        later: the run waits for the run that trains now, so the memory of this program counts as free.
    """
    if settings.memory_check() == "off":
        return []
    free, needs = free_on(parts.device, later), _on_its_devices(parts)
    if needs.total(parts.config.batch_size) <= USABLE * free:
        return []
    return [_refusal(parts, needs, free)]


def estimate(parts: Parts) -> Estimate:
    """The memory that training a config takes.

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
    by_blocks = balancer.by_blocks and not is_task_vectors and not balancer.is_plain()
    jacobian = 0 if at_features else rows * (sizes.block if by_blocks else sizes.shared)
    state = _state(config, sizes, is_task_vectors)
    timed = _candidates(config, sizes.has_maps)
    # The timed copies are freed before the optimizer exists; gradients exist at both times.
    fixed = WORKSPACE + whole + gradients + max(state + jacobian, timed * whole if timed > 1 else 0)
    channels, height, width = source.image_shape()
    share = BF16_SHARE if config.precision in ("bf16", "fp16") else 1.0
    per_image = share * (sizes.kept + PER_LARGEST * sizes.largest) + PER_OUTPUT * sizes.outputs + channels * height * width
    per_image *= ALLOCATED.get(device, ELSEWHERE)
    if config.accumulate > 1:  # the activations of one part of a batch at a time, beside the images of the whole
        per_image = per_image / config.accumulate + FLOAT * channels * height * width
    per_image += rows * sizes.features if at_features else 0
    per_image += len(config.tasks) * (sizes.features + sizes.largest) if by_blocks else 0  # gradients kept where a block ends, and for the update
    per_image += _augmented(config, channels, height, width)
    if device != "cpu":
        resident = sum(source.split_sizes().values()) * channels * height * width
        fixed += resident if resident < DEVICE_RESIDENT_BYTES else 0
    return Estimate(fixed, jacobian, per_image, EVALUATED_LARGEST * sizes.largest + sizes.outputs)


def _on_its_devices(parts: Parts) -> Estimate:
    """The estimate of a run for the memory of the machine, or of one GPU of several."""
    needs, count = estimate(parts), device_count(parts.config)
    if parts.device == "cpu":
        return replace(needs, fixed=count * needs.fixed)  # each process has a network of its own, in the one memory
    return replace(needs, per_image=needs.per_image / count)  # each device has its part of the batch


def copies_kept(config: RunConfig, balancer: Balancer) -> int:
    """How many flat gradients of the shared network a step holds at once, beside ``.grad``; of one block, where the method works block by block."""
    count = len(config.tasks)
    if config.update.name == "task_vectors":
        return 2 * count + 1  # each task's copy, and its difference at the end of a round; the network itself is counted elsewhere
    if isinstance(balancer, GradientAggregator) and not balancer.is_plain():
        matrices = 1 + balancer.makes_jacobian + balancer.jacobians_kept  # the Jacobian, the method's result, stored Jacobians
        return matrices * count + (1 if balancer.by_blocks else 2)  # and one task's parts; the update
    if config.conflict_every and count > 1:
        return count + 1  # the Jacobian; one task's parts
    if config.affinity_every and count > 1:
        return 2  # one task's gradient, and the parameters after its step
    return 0


def free_on(device: str, later: bool = False) -> int:
    """Bytes that a run may take on a device."""
    if kind_of(device) == "cuda":
        held = torch.cuda.memory_reserved(device) - (0 if later else torch.cuda.memory_allocated(device))
        return torch.cuda.mem_get_info(device)[0] + held
    free = free_memory.free_bytes() + (free_memory.returning_bytes() if later else 0)
    if device == "mps":  # it shares the machine's memory and may use only a part of it
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
    """Bytes per image during augmentation."""
    changes = config.augmentation.model_dump()
    if not any(changes.values()):
        return 0.0
    return height * width * (2 * FLOAT * channels + (AUGMENTED_PIXEL if changes["crop"] or changes["rotation"] or changes["scale"] else 0))


def network_sizes(config: RunConfig, network: NetworkParts, source: DataSource) -> NetworkSizes:
    """Sizes of the network of a config, cached until something that shapes the network changes.

    Raises:
        ConfigError: the network cannot be built, or the images do not fit it.
    """
    shape = config.model_dump_json(include={"data", "tasks", "backbone", "sharing"})
    return _measured(
        _Key(f"{shape} {source.image_shape()} {source.tasks()} {config.batch_size // config.accumulate <= 1}", (config, network, source))
    )


@dataclass(frozen=True)
class _Key:
    """Cache key of a network's sizes, as text; ``of`` holds config, network parts and source."""

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
    count = min(_images_at_once(config), 2)
    empty = torch.empty(0, dtype=torch.int64)
    batch = with_views(Batch(torch.zeros(count, *source.image_shape()), {}, {}, empty), kinds, 0, 0, 0)
    images = batch.images.to("meta")
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # each storage once; holding it keeps its address from being reused
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
        block=max((parameter.nbytes for parameter in trained(model.shared_parameters())), default=0),
        own=tuple(_bytes(trained(model.task_parameters(task))) for task in model.tasks),
        kept=sum(sizes) / count,
        largest=max([*sizes, images.nbytes]) / count,
        outputs=_bytes(_tensors(outputs)) / count,
        features=_bytes(_tensors(features)) / count,
        has_maps=any(isinstance(module, nn.Conv2d) for module in model.modules()),
    )


def _images_at_once(config: RunConfig) -> int:
    """Images of a batch that pass through the network together."""
    return max(1, config.batch_size // config.accumulate)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _tensors(nested: Any) -> list[Tensor]:
    if isinstance(nested, Tensor):
        return [nested]
    values = nested.values() if isinstance(nested, dict) else nested if isinstance(nested, list | tuple) else getattr(nested, "__dict__", {}).values()
    return [tensor for value in values for tensor in _tensors(value)]


def _refusal(parts: Parts, needs: Estimate, free: int) -> MemoryProblem:
    """The problem: the missing memory, and the settings that reduce the need."""
    config = parts.config
    need = _gigabytes(needs.total(config.batch_size))
    said = f"the run needs about {need} of memory, and {_gigabytes(free)} is free"
    if parts.device != "cpu":
        said = f"the run needs about {need} of memory, and {_gigabytes(free)} is free on the GPU"
    width = next((name for name in ("width", "hidden") if name in config.backbone.options or _has_option(config, name)), "")
    network = f"backbone.{width}" if width else "backbone"
    smaller = f"take smaller images (data.preprocessing.resize) or a smaller network ({network})"
    if needs.jacobian > needs.total(config.batch_size) / 3:
        instead, saves = _without_gradients(parts, needs)
        saved = _gigabytes(saves)
        smaller = f"take smaller images (data.preprocessing.resize) or a smaller network ({network}), or {instead}, which saves {saved}"
    fits = min(needs.largest_batch(USABLE * free), config.batch_size - 1)
    cure = f"no batch_size is low enough; {smaller}"
    if fits:
        cure = f"lower batch_size to about {fits}, or {smaller}"
    if fits and getattr(parts.balancing.options, "gradients", "") != "blocks":
        cure = f"lower batch_size to about {fits}, let the batch pass in more parts (accumulate: {2 * config.accumulate}), or {smaller}"
    advice = "End other programs that use memory, or set MTL_MEMORY_CHECK=off if you know better"
    return MemoryProblem("batch_size" if fits else "backbone", f"{said}: {cure}. {advice}", said, fits)


def _without_gradients(parts: Parts, needs: Estimate) -> tuple[str, float]:
    """What keeps fewer gradients of single tasks and leaves the method as it is, if that is possible; and the bytes that it saves."""
    if parts.config.update.name == "task_vectors":
        return "update: joint", _saved(parts, needs, ["update={name: joint}"])
    if not issubclass(parts.balancing.type, GradientAggregator):  # a probe keeps them
        return "conflict_every: 0 and affinity_every: 0", _saved(parts, needs, ["conflict_every=0", "affinity_every=0"])
    if (saved := _saved(parts, needs, ["balancing.gradients=blocks"])) > 0:
        return "the same balancing method block by block (balancing.gradients: blocks)", saved
    plain = _saved(parts, needs, ["balancing={name: fixed}", "conflict_every=0"])
    return "a balancing method that needs no gradient of each task (fixed, for one) with conflict_every: 0", plain


def _saved(parts: Parts, needs: Estimate, settings: Sequence[str]) -> float:
    """The bytes that other settings save; 0 where they do not fit the rest of the config."""
    try:
        other = resolve(parts.config.with_overrides(settings), parts.device)
    except ConfigError:
        return 0.0
    return needs.total(parts.config.batch_size) - _on_its_devices(other).total(parts.config.batch_size)


def _has_option(config: RunConfig, name: str) -> bool:
    from mtl_core.backbones import BACKBONES

    return name in BACKBONES.load(config.backbone.name).Options.model_fields


def _gigabytes(count: float) -> str:
    gigabytes = count / 1e9
    return f"{gigabytes:.0f} GB" if gigabytes >= 10 else f"{gigabytes:.1f} GB" if gigabytes >= 1 else f"{max(1, count / 1e6):.0f} MB"
