"""One image with its self-supervised views and targets for the Train form, made by the code that training uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from mtl_core.config_sections import TaskConfig
from mtl_core.data.batches import Batch, normalisation
from mtl_core.data.dataset import Task
from mtl_core.registry import validated
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.tasks.pretext.self_supervised import SelfSupervised, drawn_views


class SampleView(NamedTuple):
    """The network's input (uint8 (H, W, 3)) and its target (a row for the kind's ``draw_target``)."""

    kind: type[SelfSupervised]
    task: Task
    image: np.ndarray
    target: np.ndarray


def sample_views(
    image: np.ndarray, mean: list[float], std: list[float], options: Mapping[str, dict[str, Any]], seed: int = 0
) -> dict[str, SampleView]:
    """Views by task. Tasks that cannot be learnt from such an image are left out.

    Args:
        image: preprocessed, uint8 (C, H, W).
        mean, std: of the training images, (C,) in 0..1.
        options: self-supervised task -> its options.

    Raises:
        ConfigError: unknown task or option.
    """
    statistics = {"image_shape": list(image.shape), "mean": mean, "std": std, "targets": {}}
    kinds: dict[str, SelfSupervised] = {}
    for name, values in options.items():
        kind = SELF_SUPERVISED.load(name, f"tasks.{name}")
        chosen = validated(kind.Options, values, f"tasks.{name}", beside=TaskConfig.model_fields)
        if not kind.misfit(chosen, image.shape):
            kinds[name] = kind(kind.task_of(name, chosen), chosen, statistics)
    scale, offset = normalisation(statistics, torch.device("cpu"))
    pixels = torch.from_numpy(np.array(image[None])).float() * scale + offset
    drawn = drawn_views(kinds, Batch(pixels, {}, {}, torch.zeros(1, dtype=torch.int64)), seed)
    return {name: SampleView(type(kinds[name]), kinds[name].task, seen[0], target[0]) for name, (seen, target) in drawn.items()}
