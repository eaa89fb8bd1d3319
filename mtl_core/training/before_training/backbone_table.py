"""Every backbone in the place of a config's own: parameters, multiply-adds at the run's size, seconds per step, and the licence of its weights."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from mtl_core.backbones import BACKBONES
from mtl_core.backbones.backbone import Backbone, BackboneOptions
from mtl_core.backbones.published_weights import PublishedWeights
from mtl_core.config import RunConfig
from mtl_core.config_sections import BackboneConfig
from mtl_core.data import open_source
from mtl_core.data.batches import Batch
from mtl_core.errors import ConfigError
from mtl_core.randomness import unnoticed
from mtl_core.registry import validated
from mtl_core.sharing.model import trained
from mtl_core.tasks.pretext.self_supervised import with_views
from mtl_core.training.build import sized_network
from mtl_core.training.check import network_problems
from mtl_core.training.execution import resolve_device, wait_for_device
from mtl_core.training.parts import network_parts
from mtl_core.training.tensors.network_description import describe_network

MOST_MULTIPLY_ADDS = 2e10  # of a timed step: about a second on 2 CPU cores. Of a larger step fewer images are timed
ENOUGH = 1.0  # seconds: a first step that takes longer is not repeated


@dataclass(frozen=True)
class BackboneRow:
    """What a backbone is and costs in a run.

    Attributes:
        parameters, multiply_adds: of the backbone alone; multiply-adds of a forward pass of one image of the run's size. None where it cannot be
            built.
        licence: of the published weights; empty where there are none. megabytes: their size.
        weights_need: what the options must be for these weights, in words; empty where they fit.
        problem: the first reason why a run cannot have it with these images, tasks and sharing scheme; empty where it can.
        seconds_per_step: forward and backward passes of the run's whole network on a batch of random images, in 32-bit numbers; None where it was
            not measured. timed_images: images that were timed; where they are fewer than a batch, the seconds are those times the ratio.
    """

    name: str
    title: str
    parameters: int | None
    multiply_adds: int | None
    licence: str
    megabytes: float
    weights_need: str
    problem: str
    seconds_per_step: float | None = None
    timed_images: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)


def backbone_rows(config: RunConfig, *, timed: bool) -> Iterator[BackboneRow]:
    """A row for each registered backbone, with its default options; the config's own has the config's.

    Args:
        timed: whether a step is measured too, which takes a second or two for each.

    Raises:
        ConfigError: the data set cannot be opened, or the device is not there.
    """
    source, device = open_source(config.data), resolve_device(config.device)
    shape = source.image_shape()
    for name in BACKBONES:
        changed = config if name == config.backbone.name else config.model_copy(update={"backbone": BackboneConfig.model_validate({"name": name})})
        try:
            backbone: type[Backbone] = BACKBONES.load(name)
            options = validated(backbone.Options, changed.backbone.options, "backbone")
        except ConfigError as error:
            yield BackboneRow(name, name, None, None, "", 0, "", str(error))
            continue
        found = network_problems(changed, source)
        counts = (None, None) if backbone.problem(options, shape) else sizes(backbone, options, shape)
        seconds, images = _timed(changed, device) if timed and not found else (None, 0)
        published = weights_of(backbone, options)
        yield BackboneRow(
            name,
            backbone.title,
            *counts,
            published.licence if published else "",
            published.megabytes if published else 0,
            backbone.unpublished(options),
            found[0].message if found else "",
            seconds,
            images,
        )


def sizes(backbone: type[Backbone], options: BackboneOptions, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Parameters, and multiply-adds of a forward pass of one image (C, H, W). Nothing is computed."""
    with torch.device("meta"):
        network = backbone(options, shape).eval()  # type: ignore[call-arg]  # each backbone takes these two
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, *shape))
    return sum(parameter.numel() for parameter in network.parameters()), counter.get_total_flops() // 2  # it counts two operations for each


def weights_of(backbone: type[Backbone], options: BackboneOptions) -> PublishedWeights | None:
    """The published weights of a backbone, also where these options do not fit them."""
    return backbone.published_weights(options) or getattr(backbone, "published", None)


def _timed(config: RunConfig, device: str) -> tuple[float, int]:
    """Seconds of a step, and the number of images that were timed."""
    source = open_source(config.data)
    with unnoticed():
        model, kinds = sized_network(config, network_parts(config), source, device)
        operations = sum(part.multiply_adds for part in describe_network(config))
        count = max(2, min(config.batch_size, int(MOST_MULTIPLY_ADDS / (3 * max(1, operations)))))
        examples = Batch(torch.rand(count, *source.image_shape()), {}, {}, torch.empty(0, dtype=torch.int64))
        batch = with_views(examples, kinds, 0, 0, 0)
        images = batch.images.to(device)
        model.train()
        first = _step(model, images, batch.parts, device)
        seconds = first if first > ENOUGH else min(_step(model, images, batch.parts, device) for _ in range(2))
    return seconds * config.batch_size / count, count


def _step(model: Any, images: Tensor, parts: Any, device: str) -> float:
    started = time.perf_counter()
    numbers = [leaf for leaf in tree_leaves(model(images, parts)) if isinstance(leaf, Tensor) and leaf.requires_grad]
    total = torch.stack([leaf.float().square().mean() for leaf in numbers]).sum() if numbers else torch.tensor(math.nan)
    if total.requires_grad:
        torch.autograd.grad(total, trained(model.parameters()), allow_unused=True)
    wait_for_device(device)
    return time.perf_counter() - started
