"""One image with its targets for the Train form, preprocessed and augmented by the code that training uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mtl_core.config_sections import AugmentationConfig, PreprocessingConfig
from mtl_core.data.dataset import PreparedData, Task, read_by
from mtl_core.data.preprocessing.steps import preprocessing


@dataclass(frozen=True)
class OneSample:
    """An image uint8 (C, H, W), its targets by name (a row each), and the flags of the targets that it has."""

    image: np.ndarray
    targets: Mapping[str, np.ndarray]
    labelled: Mapping[str, bool]


def preprocessed_sample(data: PreparedData, row: int, config: PreprocessingConfig) -> OneSample:
    """A training image of unprocessed data, preprocessed.

    Raises:
        ConfigError: unknown denoiser or option.
    """
    split = data.train
    targets = {name: np.array(values[row]) for name, values in split.targets.items()}
    image, targets = preprocessing(config)(np.array(split.images[row]), targets, read_by(data.tasks))
    return OneSample(image, targets, {name: bool(flags[row]) for name, flags in split.labelled.items()})


def variants(
    sample: OneSample, mean: list[float], config: AugmentationConfig, count: int, seed: int = 0, tasks: Mapping[str, Task] | None = None
) -> list[OneSample]:
    """The sample augmented ``count`` times. Mixup is left out, because it needs a second image.

    Args:
        mean: mean of the training images, (C,) in 0..1.
        tasks: the data set's tasks by name.
    """
    import torch

    from mtl_core.data.augmentation.pipeline import Pipeline

    channels = len(sample.image)
    mean = mean if len(mean) == channels else [float(np.mean(mean))] * channels  # preprocessing changed the number of channels
    pipeline = Pipeline(config.model_copy(update={"mixup": 0.0}), mean, tasks=read_by(tasks))
    images, *targets = (torch.from_numpy(np.repeat(values[None], count, axis=0)) for values in (sample.image, *sample.targets.values()))
    drawn = pipeline.draw(count, sample.image.shape[1:], np.random.default_rng(seed))
    changed = pipeline.apply(images, dict(zip(sample.targets, targets, strict=True)), drawn)
    pixels = changed.images.to(torch.float32).round().to(torch.uint8).numpy()
    return [
        OneSample(pixels[index], {name: values[index].numpy() for name, values in changed.targets.items()}, sample.labelled) for index in range(count)
    ]
