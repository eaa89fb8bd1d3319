"""All preprocessing steps on one image of any size and its targets: pure functions, independent of data sets.

Order: denoising first, on the camera's own pixels; then the channels; then the size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mtl_core.config_sections import PreprocessingConfig
from mtl_core.data.dataset import Task
from mtl_core.data.moves import moved
from mtl_core.data.preprocessing import open_denoiser
from mtl_core.data.preprocessing.recolour import channels_after, recoloured
from mtl_core.data.preprocessing.resize import Resized, place, resized_image
from mtl_core.data.target_geometry import geometry_of, moved_numbers

Preprocess = Callable[[np.ndarray, Mapping[str, np.ndarray], Mapping[str, Task | str]], tuple[np.ndarray, dict[str, np.ndarray]]]


def preprocessing(config: PreprocessingConfig) -> Preprocess:
    """The function ``(image, targets, tasks) -> (image, targets)`` that a config describes.

    Its arguments: a uint8 image (1 or 3, H, W); its targets by name, one row each in the types of the table in ``mtl_core.data.dataset`` (targets
    without geometry are unchanged); a task that reads each target, or its kind. It does not change its arguments.

    Raises:
        ConfigError: unknown denoiser or option.
    """
    denoise = open_denoiser(config.denoise)

    def apply(image: np.ndarray, targets: Mapping[str, np.ndarray], tasks: Mapping[str, Task | str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        image = recoloured(denoise(image), config.colour)
        if config.resize == "none":
            return image, dict(targets)
        resized = Resized(place(image.shape[1:], (config.height, config.width), config.resize))
        known = {name: Task(name, task, name) if isinstance(task, str) else task for name, task in tasks.items()}
        follow = {
            name: moved(np.asarray(values)[None], geometry_of(known[name]) if name in known else "", resized)[0] if np.ndim(values) else values
            for name, values in targets.items()
        }
        numbers = {name: np.asarray(values)[None] for name, values in targets.items() if np.ndim(values) == 0}
        numbers = moved_numbers(numbers, known, resized.forward, resized.old, resized.new)
        return resized_image(image, resized.placement), follow | {name: values[0] for name, values in numbers.items()}

    return apply


def shape_after(shape: tuple[int, int, int], config: PreprocessingConfig) -> tuple[int, int, int]:
    """(C, H, W) of a preprocessed image that had ``shape`` before."""
    size = shape[1:] if config.resize == "none" else (config.height, config.width)
    return (channels_after(shape[0], config.colour), *size)
