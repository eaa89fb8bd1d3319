"""Bilateral filter. Source: C. Tomasi and R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998. OpenCV's ``bilateralFilter``."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from mtl_core.data.preprocessing.denoiser import Denoiser, DenoiserOptions, as_rows, from_rows


class BilateralOptions(DenoiserOptions):
    """Options of the bilateral filter."""

    strength: float = Field(
        30.0,
        gt=0,
        le=255,
        description="Strength: difference in brightness up to which neighbours are taken for the same surface.",
        json_schema_extra={"unit": "levels"},
    )
    sigma: float = Field(2.0, gt=0, le=10, description="How far neighbours count: standard deviation in space.", json_schema_extra={"unit": "pixels"})


class Bilateral(Denoiser):
    """Each pixel becomes a mean over those neighbours of similar brightness."""

    title = "Bilateral"
    summary = "A mean over those neighbours that look alike. For even noise on smooth surfaces; edges stay sharp."
    source = 'C. Tomasi and R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998'
    Options = BilateralOptions
    options: BilateralOptions

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return from_rows(cv2.bilateralFilter(as_rows(image), -1, self.options.strength, self.options.sigma))
