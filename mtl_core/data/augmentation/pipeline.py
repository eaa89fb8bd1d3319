"""Pipeline: all augmentations of a config in their order, on a batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from mtl_core.config_sections import AugmentationConfig
from mtl_core.data.augmentation import augmentations, fitting
from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Sample
from mtl_core.data.dataset import Task
from mtl_core.errors import ConfigError


class Pipeline:
    """Draws and applies the augmentations.

    Args:
        mean: (C,) in 0..1, mean of the training images.
        tasks: target -> a task that reads it, as in ``Sample``.
    """

    def __init__(self, config: AugmentationConfig, mean: list[float], device: torch.device | str = "cpu", tasks: Mapping[str, Task] | None = None):
        if missing := fitting.not_installed(config):
            raise ConfigError(missing)
        self.tasks = tasks or {}
        self.steps: list[Augmentation] = [augmentation(config) for augmentation in augmentations() if augmentation.is_on(config)]
        self.device = torch.device(device)
        self.mean = (255 * torch.tensor(mean, dtype=torch.float32)).view(1, -1, 1, 1).to(self.device)

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> list[Drawn]:
        """Draw the changes of ``count`` images of ``size`` (height, width)."""
        return [step.draw(count, size, random) for step in self.steps]

    def apply(self, images: Tensor, targets: dict[str, Tensor], drawn: list[Drawn]) -> Sample:
        """Augmented images (n, C, H, W) and targets. The arguments are not changed; ``images`` is uint8."""
        sample = Sample(images, dict(targets), self.mean, tasks=self.tasks)
        for step, values in zip(self.steps, drawn, strict=True):
            on_cpu = {name: torch.from_numpy(np.asarray(value)) for name, value in values.items()}
            step.apply(sample, {name: value.to(self.device, non_blocking=True) if value.ndim else value for name, value in on_cpu.items()})
        return sample
