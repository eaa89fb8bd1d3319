"""Description of the network that a config makes, without data: its parts with sizes and readers, and what of it is trained."""

from __future__ import annotations

import torch

from mtl_core.config import RunConfig
from mtl_core.data import open_source
from mtl_core.data.batches import Batch
from mtl_core.sharing.part_graph import NetworkPart, part_graph
from mtl_core.tasks.pretext.self_supervised import with_views
from mtl_core.training.build import sized_network
from mtl_core.training.parts import network_parts

EXAMPLES = 2  # images: some self-supervised tasks compare those of a batch


def describe_network(config: RunConfig) -> list[NetworkPart]:
    """The network's parts as the first epoch trains them. Nothing is computed or drawn at random: shapes pass through on the meta device.

    Multiply-adds are those for one image of a batch, with the views that self-supervised tasks make of it.

    Raises:
        ConfigError: the network cannot be built. RuntimeError, ValueError: the images do not fit it.
    """
    source = open_source(config.data)
    model, kinds = sized_network(config, network_parts(config), source)
    examples = Batch(torch.zeros(EXAMPLES, *source.image_shape()), {}, {}, torch.empty(0, dtype=torch.int64))
    batch = with_views(examples, kinds, 0, 0, 0)
    return part_graph(model, batch.images.to("meta"), batch.parts, EXAMPLES)
