"""No denoising."""

from __future__ import annotations

import numpy as np

from mtl_core.data.preprocessing.denoiser import Denoiser, DenoiserOptions


class KeepNoiseOptions(DenoiserOptions):
    """No options."""


class KeepNoise(Denoiser):
    """Leaves images as they are."""

    title = "No denoising"
    summary = "Images stay as they are. Networks learn to ignore moderate noise by themselves."
    source = ""
    Options = KeepNoiseOptions
    options: KeepNoiseOptions

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return image
