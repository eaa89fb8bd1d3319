"""All steps of preprocessing on one image and its targets, of any size: pure functions that know nothing of data sets.

Order: noise goes first, while the pixels are those the camera gave; then the channels; then the size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mtl_core.config_sections import PreprocessingConfig
from mtl_core.data.preprocessing import open_denoiser
from mtl_core.data.preprocessing.recolour import channels_after, recoloured
from mtl_core.data.preprocessing.resize import place, resized_boxes, resized_image, resized_map

MAPS = ("segmentation", "depth")  # kinds with a value for each pixel
Preprocess = Callable[[np.ndarray, Mapping[str, np.ndarray], Mapping[str, str]], tuple[np.ndarray, dict[str, np.ndarray]]]


def preprocessing(config: PreprocessingConfig) -> Preprocess:
    """The function ``(image, targets, kinds) -> (image, targets)`` that a config describes.

    Its arguments: a uint8 image (1 or 3, H, W); its targets by name, one row each of the table in ``mtl_core.data.dataset`` (those of kinds
    without places pass through); the kind of each target. It changes neither.

    Raises:
        ConfigError: unknown denoiser or option.
    """
    denoise = open_denoiser(config.denoise)

    def apply(image: np.ndarray, targets: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        image = recoloured(denoise(image), config.colour)
        if config.resize == "none":
            return image, dict(targets)
        placement = place(image.shape[1:], (config.height, config.width), config.resize)
        moved = {name: _moved(values, kinds.get(name, ""), placement) for name, values in targets.items()}
        return resized_image(image, placement), moved

    return apply


def _moved(values: np.ndarray, kind: str, placement) -> np.ndarray:
    if kind == "detection":
        return resized_boxes(values, placement)
    if kind == "normals":  # three maps; a direction that is not known is the zero vector
        return np.nan_to_num(resized_map(values, placement))
    return resized_map(values, placement) if kind in MAPS else values


def shape_after(shape: tuple[int, int, int], config: PreprocessingConfig) -> tuple[int, int, int]:
    """(C, H, W) of an image that had ``shape`` before."""
    size = shape[1:] if config.resize == "none" else (config.height, config.width)
    return (channels_after(shape[0], config.colour), *size)
