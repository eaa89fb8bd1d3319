"""Content: what the pixels of one file show: a photograph, a mask of numbers or colours, a depth map. File names are not used."""

from __future__ import annotations

from dataclasses import dataclass, field
from posixpath import splitext
from typing import Literal

import numpy as np

from mtl_core.data.imports.looking.number_maps import ARRAYS, read_map
from mtl_core.data.imports.picture_reading import MOST_BYTES, decoded
from mtl_core.data.imports.tree import Tree, UnreadableError

ContentKind = Literal["photo", "index", "colours", "soft", "grey", "depth", "objects", "normals", "unreadable"]
MASKS = ("index", "colours", "soft")
_MOST_NUMBERS = 64  # most different numbers in a class mask of one picture
_FLAT = 0.55  # least share of equal neighbours in a mask; photographs and measured depth have less
_ENDS = 24  # grey values this near to black or white come from smooth edges or JPEG
_MOST_PIXELS = 1 << 21  # of a file with more pixels only every n-th row and column is read


@dataclass(frozen=True)
class Content:
    """The content of a file.

    Attributes:
        kind: ``photo``; ``index``: few whole numbers in large areas; ``colours``: few colours in large areas; ``soft``: black and white with
            smooth or noisy edges; ``grey``: one channel of 8 bits with many values; ``depth``: 16 bits or floats with many values;
            ``objects``: large areas of numbers above 255; ``normals``: unit vectors as colours; ``unreadable``.
        size: (width, height).
        counts: number, or colour as r, g, b -> pixels; only for masks.
        exact: whether every pixel has one of the numbers in ``counts``; otherwise there are values of edges or JPEG between.
        flat: share of neighbouring pixels that are equal.
        mode: Pillow's mode, or the array's type.
        values: at most 4096 of the numbers, for depth and grey.
    """

    kind: ContentKind
    size: tuple[int, int] = (0, 0)
    counts: dict = field(default_factory=dict)
    exact: bool = True
    flat: float = 0.0
    mode: str = ""
    values: np.ndarray | None = None
    reason: str = ""


def content_of(tree: Tree, name: str) -> Content:
    """The content of one file of the tree."""
    try:
        content = tree.read(name, MOST_BYTES)
        if splitext(name)[1].lower() in ARRAYS:
            values = read_map(content, name)
            return _numbers(values, values.shape[::-1], "float" if (values % 1).any() else "whole")
        image = decoded(content)
    except UnreadableError as error:
        return Content("unreadable", reason=str(error))
    values = np.asarray(image)
    size = image.size
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.ndim == 3:
        values = values[..., :3] if values.shape[2] >= 3 else values[..., 0]
        if values.ndim == 3 and (values == values[..., :1]).all():
            values = values[..., 0]
    if image.mode == "P":
        return _numbers(values, size, "P")
    return _numbers(values, size, image.mode) if values.ndim == 2 else _coloured(values, size, image.mode)


def _thinned(values: np.ndarray) -> np.ndarray:
    step = int(np.ceil(np.sqrt(values.shape[0] * values.shape[1] / _MOST_PIXELS)))
    return values[::step, ::step]


def _flatness(values: np.ndarray) -> float:
    if values.shape[1] < 2:
        return 1.0
    same = values[:, 1:] == values[:, :-1]
    return float((same.all(axis=2) if values.ndim == 3 else same).mean())


def _sample(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(-1)
    return flat[:: max(1, flat.size // 4096)][:4096].astype(np.float64)


def _numbers(values: np.ndarray, size: tuple[int, int], mode: str) -> Content:
    """Content of an array with one number per pixel."""
    flat, whole = _flatness(values), values.dtype.kind in "ui" or (np.isfinite(values).all() and not (values % 1).any())
    deep = values.dtype != np.uint8
    if not whole:
        return Content("depth", size, flat=flat, mode=mode, values=_sample(_thinned(values)))
    thin = _thinned(values)
    found, pixels = np.unique(thin, return_counts=True)
    counts = {int(number): int(count) for number, count in zip(found, pixels, strict=True)}
    few = len(counts) <= _MOST_NUMBERS and flat >= _FLAT and (len(counts) <= 8 or pixels.mean() >= 8)
    if few and min(counts) >= 0:
        above = max(counts) > 255 and not (max(counts) == 65535 and sorted(counts)[-2:][0] <= 255)
        if not above and _is_soft(counts):
            return Content("soft", size, counts, False, flat, mode)
        return Content("objects" if above else "index", size, counts, True, flat, mode)
    if not deep and flat >= _FLAT and _is_soft(counts):
        return Content("soft", size, counts, False, flat, mode)
    return Content("depth" if deep else "grey", size, flat=flat, mode=mode, values=_sample(thin))


def _is_soft(counts: dict[int, int]) -> bool:
    """Whether nearly all pixels are black or white, and the few others lie along edges."""
    total = sum(counts.values())
    near = sum(count for number, count in counts.items() if number <= _ENDS or number >= 255 - _ENDS)
    return len(counts) > 4 and max(counts) >= 255 - _ENDS and min(counts) <= _ENDS and near > 0.85 * total


def _coloured(values: np.ndarray, size: tuple[int, int], mode: str) -> Content:
    thin = _thinned(values)
    flat = _flatness(values)
    packed = thin.astype(np.int64) @ np.array([65536, 256, 1])
    found, pixels = np.unique(packed, return_counts=True)
    if flat >= _FLAT and len(found) <= 4 * _MOST_NUMBERS and (len(found) <= 8 or pixels.mean() >= 8):
        return Content("colours", size, _unpacked(found, pixels), True, flat, mode)
    if _are_normals(thin):
        return Content("normals", size, flat=flat, mode=mode)
    if flat >= _FLAT:  # smooth edges or JPEG: keep only the colours that fill areas
        large = pixels >= 0.002 * pixels.sum()
        if 2 <= large.sum() <= _MOST_NUMBERS and pixels[large].sum() >= 0.7 * pixels.sum():
            return Content("colours", size, _unpacked(found[large], pixels[large]), False, flat, mode)
    return Content("photo", size, flat=flat, mode=mode)


def _unpacked(found: np.ndarray, pixels: np.ndarray) -> dict[tuple[int, int, int], int]:
    return {(int(c) >> 16, int(c) >> 8 & 255, int(c) & 255): int(n) for c, n in zip(found, pixels, strict=True)}


def _are_normals(values: np.ndarray) -> bool:
    """Whether the colours encode unit vectors: red, green and blue from 0 to 255 are x, y and z from -1 to 1."""
    vectors = values.reshape(-1, 3)[:: max(1, values.shape[0] * values.shape[1] // 20_000)].astype(np.float64)
    known = vectors[(np.abs(vectors - 128).max(axis=1) > 2) & (vectors.max(axis=1) > 2)]
    if len(known) < 0.2 * len(vectors) or len(known) < 16:
        return False
    length = np.linalg.norm(known / 127.5 - 1, axis=1)
    return bool((np.abs(length - 1) < 0.06).mean() > 0.95)
