"""Errors of two networks on the same images: which is better on how many, and the mean difference with its interval over images. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl_core.analysis.student_interval import t_interval

LEAST = 10  # images below which there is no interval


@dataclass(frozen=True)
class PairedErrors:
    """Counts of images and the mean difference, second minus first; an error is better when it is lower.

    Attributes:
        first, second, equal: images on which the first is better, the second is better, and neither is.
        mean: mean difference; NaN without an image.
        low, high: Student's 95 % interval of the mean over images; NaN below ``LEAST`` images. It says nothing about other seeds.
        order: int64, images by size of their difference, largest first, without those where both are equal.
    """

    first: int
    second: int
    equal: int
    mean: float
    low: float
    high: float
    order: np.ndarray


def paired_errors(first: np.ndarray, second: np.ndarray) -> PairedErrors:
    """Compare the errors (N,) of two networks image by image. An image without an error in one of them is left out.

    Raises:
        ValueError: the two have different numbers of images.
    """
    if first.shape != second.shape:
        raise ValueError(f"expected errors of the same images, found {first.shape} and {second.shape}")
    difference = second.astype(float) - first.astype(float)
    there = np.flatnonzero(np.isfinite(difference))
    known = difference[there]
    mean = float(known.mean()) if len(known) else float("nan")
    low = high = float("nan")
    if len(known) >= LEAST:
        low, high = t_interval(known)
    order = there[np.argsort(-np.abs(known), kind="stable")]
    return PairedErrors(int((known > 0).sum()), int((known < 0).sum()), int((known == 0).sum()), mean, low, high, order[difference[order] != 0])
