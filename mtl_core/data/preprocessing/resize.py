"""Resizing of an image of any size together with its boxes and maps.

One ``Placement`` holds the position of the resized picture in the new frame. Image, masks, depth and boxes all use it, so they stay aligned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from mtl_core.data.dataset import IGNORE, LEAST_KEPT, PADDING
from mtl_core.data.moves import Move


@dataclass(frozen=True)
class Placement:
    """The position of a picture of ``old`` pixels in a frame of ``new`` pixels.

    Attributes:
        old, new: (height, width) of the picture before, and of the frame.
        scaled: (height, width) of the resized picture.
        offset: (down, right) of its upper left corner in the frame; negative if it is cut off.
    """

    old: tuple[int, int]
    new: tuple[int, int]
    scaled: tuple[int, int]
    offset: tuple[int, int]

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the picture covers."""
        return tuple(slice(max(0, at), min(frame, at + side)) for at, side, frame in zip(self.offset, self.scaled, self.new, strict=True))  # type: ignore[return-value]

    @property
    def shown(self) -> tuple[slice, slice]:
        """Rows and columns of the resized picture that lie in the frame."""
        return tuple(slice(part.start - at, part.stop - at) for part, at in zip(self.inside, self.offset, strict=True))  # type: ignore[return-value]


def place(old: tuple[int, int], new: tuple[int, int], how: str) -> Placement:
    """The placement of a picture of ``old`` (height, width) in a frame of ``new``.

    Args:
        how: ``stretch`` fills the frame, ``pad`` shows all of the picture in its proportions, ``crop`` fills the frame in its proportions.
    """
    if how == "stretch":
        return Placement(old, new, new, (0, 0))
    choose = {"pad": min, "crop": max}[how]
    factor = choose(frame / side for frame, side in zip(new, old, strict=True))
    scaled = tuple(max(1, round(side * factor)) for side in old)
    offset = tuple((frame - side) // 2 for frame, side in zip(new, scaled, strict=True))
    return Placement(old, new, scaled, offset)  # type: ignore[arg-type]


def resized_image(image: np.ndarray, placement: Placement, bars: str = "mean") -> np.ndarray:
    """uint8 (C, H, W) -> (C, *new), bilinear with anti-aliasing. At the same size pixels are unchanged.

    Imports, published sets, preprocessing and prediction all use this function, so that prediction resizes as training does.

    Args:
        bars: colour of the frame outside the picture: ``mean`` of the picture, or ``black``, as imports used before version 3.
    """
    if placement.old == placement.new == placement.scaled:
        return image
    frame = np.zeros((len(image), *placement.new), np.uint8)
    if bars == "mean":
        frame[:] = np.rint(image.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    height, width = placement.scaled
    for channel, pixels in enumerate(image):
        smaller = Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.BILINEAR)
        frame[channel][placement.inside] = np.asarray(smaller)[placement.shown]
    return frame


def resized_map(values: np.ndarray, placement: Placement) -> np.ndarray:
    """A map (..., H, W) with one value a pixel -> (..., *new), nearest neighbour. Bars are ``IGNORE`` in integers, NaN in floats."""
    rows, columns = (_nearest(old, scaled)[shown] for old, scaled, shown in zip(placement.old, placement.scaled, placement.shown, strict=True))
    frame = np.full((*values.shape[:-2], *placement.new), np.nan if values.dtype.kind == "f" else IGNORE, values.dtype)
    frame[(..., *placement.inside)] = values[..., rows[:, None], columns]
    return frame


def _nearest(old: int, scaled: int) -> np.ndarray:
    """For each new pixel, the old pixel that its centre lies in."""
    return ((2 * np.arange(scaled) + 1) * old) // (2 * scaled)


def resized_boxes(boxes: np.ndarray, placement: Placement) -> np.ndarray:
    """Boxes (M, 5) in pixels, moved and clipped to the frame. A box that keeps less than ``LEAST_KEPT`` of its area becomes padding."""
    moved = boxes.astype(np.float32)
    for corner in (0, 1):
        for axis, at in ((1, 2 * corner), (0, 2 * corner + 1)):  # x, then y
            moved[:, at] = boxes[:, at] * (placement.scaled[axis] / placement.old[axis]) + placement.offset[axis]
    whole = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
    moved[:, [0, 2]] = moved[:, [0, 2]].clip(0, placement.new[1])
    moved[:, [1, 3]] = moved[:, [1, 3]].clip(0, placement.new[0])
    left = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
    moved[(boxes[:, 4] < 0) | (left < LEAST_KEPT * whole)] = (0, 0, 0, 0, PADDING)
    return moved


class Resized(Move):
    """One picture brought to another size; the camera sees the same scene with other pixels."""

    def __init__(self, placement: Placement):
        self.placement, self.old, self.new = placement, placement.old, placement.new
        (down, across), (top, left) = ((new / old for new, old in zip(placement.scaled, placement.old, strict=True)), placement.offset)
        self.forward = np.array([[[across, 0, left], [0, down, top]]], dtype=np.float64)

    def maps(self, values: np.ndarray) -> np.ndarray:
        frame = resized_map(values, self.placement)
        return np.nan_to_num(frame) if values.ndim > 3 else frame  # a direction that is not known is the zero vector

    def boxes(self, values: np.ndarray) -> np.ndarray:
        return np.stack([resized_boxes(rows, self.placement) for rows in values])
