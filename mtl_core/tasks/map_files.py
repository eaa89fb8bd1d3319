"""Image files of predicted maps: class masks with a palette, numbers as 16-bit grey. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from PIL import Image

from mtl_core.data.dataset import Task
from mtl_core.figures.overlays import class_colours

DEEPEST = 65535  # levels of 16-bit grey; 0 means unknown


class MapFiles(ABC):
    """How a kind's predictions are written. ``key`` is the key of the file name in the JSON of ``predict``."""

    key: str

    @abstractmethod
    def scale(self, predictions: np.ndarray) -> dict[str, Any]:
        """The scale of the levels, chosen so that every given prediction fits: keyword arguments of ``picture``, for readers of the file too."""

    @abstractmethod
    def about(self, task: Task) -> dict[str, Any]:
        """Further facts for readers of the file."""

    @abstractmethod
    def picture(self, task: Task, values: np.ndarray, **scale: Any) -> Image.Image:
        """The image of one prediction (H, W)."""


class ClassMaps(MapFiles):
    """Class index per pixel."""

    key = "mask"

    def scale(self, predictions: np.ndarray) -> dict[str, Any]:
        return {}

    def about(self, task: Task) -> dict[str, Any]:
        return {"classes": list(task.classes)}

    def picture(self, task: Task, values: np.ndarray, **scale: Any) -> Image.Image:
        return palette_png(values, task.classes)


class ValueMaps(MapFiles):
    """A number per pixel."""

    key = "map"

    def scale(self, predictions: np.ndarray) -> dict[str, Any]:
        return {"unit_per_level": depth_step(predictions)}

    def about(self, task: Task) -> dict[str, Any]:
        return {"unit": task.unit}

    def picture(self, task: Task, values: np.ndarray, **scale: Any) -> Image.Image:
        return depth_png(values, scale["unit_per_level"])


def palette_png(mask: np.ndarray, classes: tuple[str, ...]) -> Image.Image:
    """Class index (H, W) as a palette image: its pixels are the indices, its palette has the classes' colours."""
    picture = Image.fromarray(mask.astype(np.uint8))
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(classes)] = class_colours(classes)
    colours[255] = 128
    picture.putpalette(colours.tobytes())
    return picture


def depth_step(values: np.ndarray) -> float:
    """Units per level, so that the farthest value is the highest level."""
    known = values[np.isfinite(values)]
    return max(float(known.max()) if known.size else 0.0, 1e-6) / DEEPEST


def depth_png(values: np.ndarray, step: float) -> Image.Image:
    """Depth (H, W) as 16-bit grey: value / step, 0 where it is unknown or not in front of the camera."""
    levels = np.where(np.isfinite(values), values, 0.0) / step
    return Image.fromarray(levels.round().clip(0, DEEPEST).astype(np.uint16))
