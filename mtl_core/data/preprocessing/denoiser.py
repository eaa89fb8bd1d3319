"""Denoiser: removes noise from one image. One denoiser is one file in this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict


class DenoiserOptions(BaseModel):
    """Parent of every denoiser's options. One of them says how strong it is, in a unit that means something for the method."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Denoiser(ABC):
    """Removes noise from one image, whose pixels stay where they are: no target changes.

    ``title`` and ``summary`` are for people; ``source`` says where the method comes from.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    Options: ClassVar[type[DenoiserOptions]]

    def __init__(self, options: DenoiserOptions):
        self.options = options

    @abstractmethod
    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (C, H, W), C is 1 or 3 -> a new one of the same shape, or the same one where nothing is to be done."""


def as_rows(image: np.ndarray) -> np.ndarray:
    """(C, H, W) as OpenCV wants it: (H, W) for grey, (H, W, 3) for colour."""
    return np.ascontiguousarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def from_rows(image: np.ndarray) -> np.ndarray:
    """The way back."""
    return np.ascontiguousarray(image[None] if image.ndim == 2 else image.transpose(2, 0, 1))
