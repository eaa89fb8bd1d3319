"""Shapes of digits: cut out, enlarged smoothly to any size, with anti-aliased edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_OUTLINE = 0.5  # brightness of the digit's edge, as a share of its brightest pixel
_WIDEST = 1.1  # largest width of a digit as a share of its height; a few of MNIST's are wider than high


@dataclass(frozen=True)
class Shape:
    """A digit at its final size, cut to its tight box.

    Attributes:
        alpha: opacity in 0..1 (h, w); of single precision, or of double where the height is a number of NumPy's.
        mask: bool (h, w), where alpha >= 0.5; touches all four sides.
        shadow: opacity of a soft shadow in 0..1, float32 (h + 2 * margin, w + 2 * margin).
        margin: pixels by which the shadow is larger on each side.
    """

    alpha: np.ndarray
    mask: np.ndarray
    shadow: np.ndarray
    margin: int


def cut_out(pixels: np.ndarray) -> np.ndarray:
    """The part of a grey image (h, w) with its strong ink and two pixels around it, scaled so that the brightest pixel is 1: float32."""
    framed = _framed(pixels, 2)
    framed /= framed.max()
    inside = framed >= _OUTLINE
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return framed[rows[0] - 2 : rows[-1] + 3, columns[0] - 2 : columns[-1] + 3]


def shape(glyph: np.ndarray, height: float, stretch: float) -> Shape:
    """The glyph drawn about ``height`` pixels high; its width is ``stretch`` times that of its own proportions.

    Args:
        glyph: from ``cut_out``.
    """
    scale = height / (glyph.shape[0] - 4)
    stretch = min(stretch, _WIDEST * (glyph.shape[0] - 4) / (glyph.shape[1] - 4))
    size = (max(5, round(glyph.shape[0] * scale)), max(5, round(glyph.shape[1] * scale * stretch)))
    smooth = enlarging(glyph.shape[0], size[0]) @ glyph @ enlarging(glyph.shape[1], size[1]).T
    smooth /= max(float(smooth.max()), 1e-6)
    steepness = max(1.25, 0.6 * scale)  # an edge about two pixels wide at any size; less than 1 / (2 * _OUTLINE) would tint the empty part
    smooth = (smooth - _OUTLINE) * steepness + 0.5
    inside = smooth >= 0.5
    y, x = (np.logical_or.reduce(inside, axis=axis).nonzero()[0] for axis in (1, 0))
    box = (slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1))
    alpha, mask = np.minimum(np.maximum(smooth[box], 0), 1), inside[box]
    margin = max(2, round(height / 10))
    padded = _framed(alpha, margin)
    shadow = _blurring(padded.shape[0], margin) @ padded @ _blurring(padded.shape[1], margin).T
    return Shape(alpha, mask, shadow, margin)


def _framed(values: np.ndarray, margin: int) -> np.ndarray:
    """``values`` with ``margin`` zeros on each side. np.pad takes ten times as long for arrays this small."""
    framed = np.zeros((values.shape[0] + 2 * margin, values.shape[1] + 2 * margin), np.float32)
    framed[margin:-margin, margin:-margin] = values
    return framed


@lru_cache(maxsize=4096)
def enlarging(source: int, target: int) -> np.ndarray:
    """Bicubic resampling along one axis as a matrix (target, source): Pillow's resize of the identity matrix."""
    from PIL import Image

    identity = Image.fromarray(np.eye(source, dtype=np.float32))
    return np.ascontiguousarray(np.asarray(identity.resize((source, target), Image.Resampling.BICUBIC)))


@lru_cache(maxsize=4096)
def _blurring(length: int, radius: int) -> np.ndarray:
    """Triangular blur of the given radius along one axis as a matrix (length, length)."""
    position = np.arange(length)
    window = np.maximum(0, radius + 1 - np.abs(position[:, None] - position[None, :])).astype(np.float32)
    return window / (radius + 1) ** 2
