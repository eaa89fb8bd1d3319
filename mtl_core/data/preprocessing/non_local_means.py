"""Non-local means. Source: A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005.

OpenCV's ``fastNlMeansDenoising``. In colour, distances between patches are over all three channels, as in the authors' later code; OpenCV's
own colour function works on L, a and b with two strengths instead.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from mtl_core.data.preprocessing.denoiser import Denoiser, DenoiserOptions, as_rows, from_rows

PATCH = 5  # side of the patches compared, in pixels
SEARCH = 15  # side of the window that is searched for patches, in pixels


class NonLocalMeansOptions(DenoiserOptions):
    """Options of non-local means."""

    strength: float = Field(
        10.0, gt=0, le=100, description="Strength h: about the standard deviation of the noise.", json_schema_extra={"unit": "levels"}
    )


class NonLocalMeans(Denoiser):
    """Each pixel becomes a mean over the centres of similar patches nearby."""

    title = "Non-local means"
    summary = "A mean over similar patches nearby. For even noise; keeps texture best, and takes longest."
    source = 'A. Buades, B. Coll and J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005'
    Options = NonLocalMeansOptions
    options: NonLocalMeansOptions

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return from_rows(cv2.fastNlMeansDenoising(as_rows(image), h=self.options.strength, templateWindowSize=PATCH, searchWindowSize=SEARCH))
