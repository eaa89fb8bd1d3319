"""Gaussian filter. OpenCV's ``GaussianBlur``; the border is mirrored."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from mtl_core.data.preprocessing.denoiser import Denoiser, DenoiserOptions, as_rows, from_rows


class GaussianOptions(DenoiserOptions):
    """Options of the Gaussian filter."""

    sigma: float = Field(1.0, gt=0, le=10, description="Strength: standard deviation of the bell.", json_schema_extra={"unit": "pixels"})


class Gaussian(Denoiser):
    """Each pixel becomes a mean over its neighbours, nearer ones counting more."""

    title = "Gaussian"
    summary = "A mean over the neighbours, nearer ones counting more. For even, fine noise; edges become soft, too."
    source = 'R. C. Gonzalez and R. E. Woods, "Digital Image Processing", section on smoothing by Gaussian kernels'
    Options = GaussianOptions
    options: GaussianOptions

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return from_rows(cv2.GaussianBlur(as_rows(image), (0, 0), self.options.sigma))
