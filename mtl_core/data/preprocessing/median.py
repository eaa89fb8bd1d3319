"""Median filter. Source: T. S. Huang, G. J. Yang, G. Y. Tang, "A fast two-dimensional median filtering algorithm", 1979. OpenCV's ``medianBlur``."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field, field_validator

from mtl_core.data.preprocessing.denoiser import Denoiser, DenoiserOptions, as_rows, from_rows


class MedianOptions(DenoiserOptions):
    """Options of the median filter."""

    size: int = Field(3, ge=3, le=15, description="Strength: side of the square window, an odd number.", json_schema_extra={"unit": "pixels"})

    @field_validator("size")
    @classmethod
    def _is_odd(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError(f"expected an odd number, because a window has a middle; found {size}: take {size - 1} or {size + 1}")
        return size


class Median(Denoiser):
    """Each pixel becomes the median of its window, per channel."""

    title = "Median"
    summary = "Each pixel becomes the median around it. For single wrong pixels (salt and pepper); edges stay sharp, thin lines vanish."
    source = 'T. S. Huang, G. J. Yang and G. Y. Tang, "A fast two-dimensional median filtering algorithm", 1979'
    Options = MedianOptions
    options: MedianOptions

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return from_rows(cv2.medianBlur(as_rows(image), self.options.size))
