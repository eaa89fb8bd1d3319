"""Denoiser: removes noise from one image. One denoiser is one file in this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict


class DenoiserOptions(BaseModel):
    """Parent of every denoiser's options. One option is the strength, in the unit of the method."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Denoiser(ABC):
    """Removes noise from one image. Pixels do not move, so no target changes.

    ``title`` and ``summary`` are shown on screen; ``source`` names the paper.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    Options: ClassVar[type[DenoiserOptions]]

    def __init__(self, options: DenoiserOptions):
        self.options = options

    @abstractmethod
    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (C, H, W) with C 1 or 3 -> a new array of the same shape, or the same array if nothing changes."""


def as_rows(image: np.ndarray) -> np.ndarray:
    """(C, H, W) -> OpenCV's layout: (H, W) for grey, (H, W, 3) for colour."""
    return np.ascontiguousarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def from_rows(image: np.ndarray) -> np.ndarray:
    """OpenCV's layout -> (C, H, W)."""
    return np.ascontiguousarray(image[None] if image.ndim == 2 else image.transpose(2, 0, 1))
