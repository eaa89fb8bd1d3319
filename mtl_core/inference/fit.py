"""Geometry between an image of any size and the network's frame: places images in the frame and maps predictions back to the image.

A ``Fit`` has the place of the resized image in the frame. Image, masks, depth and boxes all use it, so they stay aligned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from mtl_core.data.dataset import IGNORE
from mtl_core.data.preprocessing.resize import Placement, place, resized_image
from mtl_core.data.target_geometry import MAPS

HOW = ("pad", "stretch", "crop")


@dataclass(frozen=True)
class Fit:
    """Place of an image of size ``old`` (height, width) in a frame of size ``new``.

    Attributes:
        scaled: (height, width) of the resized image.
        offset: (down, right) of its upper left corner in the frame; negative if it is cut off.
        before: the first placement, if the image was placed twice (by the data set, then by preprocessing); None if ``old`` is the image's own size.
    """

    old: tuple[int, int]
    new: tuple[int, int]
    scaled: tuple[int, int]
    offset: tuple[int, int]
    before: Fit | None = None

    @property
    def factors(self) -> tuple[float, float]:
        """Frame pixels per image pixel, down and across."""
        return self.scaled[0] / self.old[0], self.scaled[1] / self.old[1]


def fit(old: tuple[int, int], new: tuple[int, int], how: str) -> Fit:
    """Fit an image of size ``old`` into a frame of size ``new``. ``pad`` keeps the whole image and its proportions, ``stretch`` fills the frame,
    ``crop`` fills it and keeps the proportions."""
    if how not in HOW:
        raise ValueError(f"how: expected one of {', '.join(HOW)}, found '{how}'")
    placement = place(old, new, how)
    return Fit(old, new, placement.scaled, placement.offset)


def into_frame(image: np.ndarray, placed: Fit, bars: str = "mean") -> np.ndarray:
    """uint8 (H, W, C) -> (*new, C), with the function that also resizes training images; ``bars`` as in ``resized_image``."""
    if placed.old == placed.new == placed.scaled:
        return image
    placement = Placement(placed.old, placed.new, placed.scaled, placed.offset)
    return np.ascontiguousarray(resized_image(image.transpose(2, 0, 1), placement, bars).transpose(1, 2, 0))


def moved_back(row: np.ndarray, geometry: str, placed: Fit) -> np.ndarray:
    """One decoded prediction, of a geometry in ``mtl_core.data.target_geometry``, from the frame to the image; what names no place stays as it is."""
    if geometry == "boxes":  # with class and score; one in a bar beside the image is none
        real = row[row[:, 4] >= 0]
        back = np.concatenate([boxes_back(real[:, :4], placed), real[:, 4:]], axis=1).astype(np.float32)
        return back[(back[:, 2] > back[:, 0]) & (back[:, 3] > back[:, 1])]
    if geometry == "points":  # shares of the frame, with a score
        return np.concatenate([points_back(row[:, :2], placed), row[:, 2:]], axis=1)
    if geometry == "mask":
        return classes_back(row, placed)
    return values_back(row, placed) if geometry in MAPS else row


def points_back(points: np.ndarray, placed: Fit) -> np.ndarray:
    """Points (K, 2) as shares of the frame -> of the image; one in a bar beside it comes to the image's edge."""
    (fy, fx), (down, across), (height, width) = placed.factors, placed.offset, placed.old
    pixels = points * (placed.new[1], placed.new[0])
    back = (((pixels - (across, down)) / (fx, fy)) / (width, height)).clip(0, 1).astype(np.float32)
    return back if placed.before is None else points_back(back, placed.before)


def boxes_back(boxes: np.ndarray, placed: Fit) -> np.ndarray:
    """Boxes (B, 4) in pixels of the frame -> in pixels of the image, clipped at its edges."""
    (fy, fx), (down, across), (height, width) = placed.factors, placed.offset, placed.old
    moved = (boxes - np.array([across, down, across, down])) / np.array([fx, fy, fx, fy])
    back = moved.clip(0, [width, height, width, height]).astype(np.float32)
    return back if placed.before is None else boxes_back(back, placed.before)


def classes_back(mask: np.ndarray, placed: Fit) -> np.ndarray:
    """Class index per pixel of the frame -> per pixel of the image (nearest); ``IGNORE`` for pixels outside the frame."""
    back = _back(mask, placed, Image.Resampling.NEAREST, IGNORE)
    return back if placed.before is None else classes_back(back, placed.before)


def values_back(values: np.ndarray, placed: Fit) -> np.ndarray:
    """float32 (H, W) of the frame -> of the image (bilinear); NaN for pixels outside the frame."""
    back = _back(values.astype(np.float32), placed, Image.Resampling.BILINEAR, np.nan)
    return back if placed.before is None else values_back(back, placed.before)


def _back(values: np.ndarray, placed: Fit, how: Image.Resampling, unknown: float) -> np.ndarray:
    if placed.old == placed.new == placed.scaled:
        return values
    (top, bottom), (left, right) = _inside(placed)
    whole = np.full(placed.scaled, unknown, dtype=values.dtype)
    down, across = placed.offset
    whole[top - down : bottom - down, left - across : right - across] = values[top:bottom, left:right]
    known = np.asarray(Image.fromarray(whole).resize((placed.old[1], placed.old[0]), how))
    if np.isnan(unknown) and np.isnan(whole).any():  # bilinear spreads NaN, so the nearest pixel decides at the edge
        nearest = np.asarray(Image.fromarray(whole).resize((placed.old[1], placed.old[0]), Image.Resampling.NEAREST))
        known = np.where(np.isnan(known), nearest, known)
    return known


def _inside(placed: Fit) -> list[tuple[int, int]]:
    """Ranges of the frame's rows and columns that the image covers."""
    return [(max(0, at), min(frame, at + side)) for at, side, frame in zip(placed.offset, placed.scaled, placed.new, strict=True)]
