"""Placement: the map from an image to its frame when it is resized, for images and targets. Each resize mode is one function in ``RESIZES``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mtl_core.data.moves import Move
from mtl_core.data.preprocessing import resize
from mtl_core.errors import ConfigError
from mtl_core.registry import unknown_name


@dataclass(frozen=True)
class Placement:
    """Position of a resized image: x' = x * scale_x + left, y' = y * scale_y + top, clipped to ``width`` x ``height`` pixels."""

    scale_x: float
    scale_y: float
    left: float
    top: float
    width: int
    height: int

    def move(self) -> Move:
        """The move of points in pixels of the picture, to shares of the frame."""
        return _Placed(self)


class _Placed(Move):
    """A placement as a move of points. Boxes, masks and depth have functions of their own below, whose numbers are those of earlier versions."""

    def __init__(self, place: Placement):
        self.old, self.new = (1, 1), (place.height, place.width)  # a share of one pixel is a pixel
        self.forward = np.array([[[place.scale_x, 0.0, place.left], [0.0, place.scale_y, place.top]]])

    def maps(self, values: np.ndarray) -> np.ndarray:
        raise NotImplementedError("use place_map")

    def boxes(self, values: np.ndarray) -> np.ndarray:
        raise NotImplementedError("use place_boxes")


def stretch(size: tuple[int, int], wanted: tuple[int, int]) -> Placement:
    """Stretch each side to the wanted one; proportions change. Both sizes are (width, height)."""
    return Placement(wanted[0] / size[0], wanted[1] / size[1], 0.0, 0.0, *wanted)


def pad(size: tuple[int, int], wanted: tuple[int, int]) -> Placement:
    """Fit the whole image into the middle with its proportions; bars of its mean colour (masks and depth: ignored) fill the rest."""
    return _kept(size, wanted, min(wanted[0] / size[0], wanted[1] / size[1]))


def crop(size: tuple[int, int], wanted: tuple[int, int]) -> Placement:
    """Fill the frame with the image in its proportions; both sides beyond the frame are cut off."""
    return _kept(size, wanted, max(wanted[0] / size[0], wanted[1] / size[1]))


def _kept(size: tuple[int, int], wanted: tuple[int, int], scale: float) -> Placement:
    """Placement with the image's proportions, in whole pixels, so that the image and its targets use the same pixels."""
    across, down = (max(1, round(side * scale)) for side in size)
    return Placement(across / size[0], down / size[1], (wanted[0] - across) // 2, (wanted[1] - down) // 2, *wanted)


RESIZES: dict[str, Callable[[tuple[int, int], tuple[int, int]], Placement]] = {"stretch": stretch, "pad": pad, "crop": crop}


def placement(how: str, size: tuple[int, int], wanted: tuple[int, int]) -> Placement:
    """The placement of the resize mode ``how``.

    Raises:
        ConfigError: unknown resize mode.
    """
    if how not in RESIZES:
        raise ConfigError(unknown_name("way to resize", how, RESIZES))
    return RESIZES[how](size, wanted)


def place_image(image: Image.Image, size: tuple[int, int], place: Placement, bars: str = "mean") -> Image.Image:
    """An image of ``size`` in its frame, resized by the function that prediction uses; ``bars`` as in ``resized_image``."""
    scaled = (max(1, round(size[1] * place.scale_y)), max(1, round(size[0] * place.scale_x)))
    placed = resize.Placement((size[1], size[0]), (place.height, place.width), scaled, (round(place.top), round(place.left)))
    pixels = np.asarray(image)
    moved = resize.resized_image(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), placed, bars)
    return Image.fromarray(np.ascontiguousarray(moved[0] if pixels.ndim == 2 else moved.transpose(1, 2, 0)))


def place_map(values: np.ndarray, place: Placement, outside: float) -> np.ndarray:
    """A mask or depth map (H, W) in its frame, nearest neighbour; ``outside`` fills the rest."""
    height, width = values.shape
    x = np.floor((np.arange(place.width) + 0.5 - place.left) / place.scale_x).astype(np.int64)
    y = np.floor((np.arange(place.height) + 0.5 - place.top) / place.scale_y).astype(np.int64)
    moved = values[y.clip(0, height - 1)[:, None], x.clip(0, width - 1)]
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
    return moved if inside.all() else np.where(inside, moved, np.asarray(outside, values.dtype))


def place_points(points: np.ndarray, place: Placement) -> np.ndarray:
    """Points (..., 2) as x, y in the frame."""
    return points * (place.scale_x, place.scale_y) + (place.left, place.top)


def place_boxes(boxes: np.ndarray, place: Placement) -> np.ndarray:
    """Boxes (M, 5), moved and clipped to the frame; a box without area is dropped."""
    moved = boxes.astype(np.float32, copy=True)
    moved[:, :4] = place_points(boxes[:, :4].reshape(-1, 2, 2).astype(np.float64), place).reshape(-1, 4)
    moved[:, [0, 2]] = moved[:, [0, 2]].clip(0, place.width)
    moved[:, [1, 3]] = moved[:, [1, 3]].clip(0, place.height)
    return moved[(moved[:, 2] > moved[:, 0]) & (moved[:, 3] > moved[:, 1])]


def in_proportion(mine: tuple[int, int], theirs: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, up to a pixel of rounding."""
    scale = theirs[0] / mine[0]
    return abs(mine[1] * scale - theirs[1]) <= max(1.0, scale, 0.01 * theirs[1])
