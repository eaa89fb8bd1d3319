"""COCO's run lengths, plain and packed. They are checked against the image's size before an array is filled."""

from __future__ import annotations

from typing import Any

import numpy as np


def run_lengths(counts: Any, width: int, height: int) -> np.ndarray:
    """Lengths of runs of 0, 1, 0, ... down the columns.

    Raises:
        ValueError: they don't fill width x height pixels.
    """
    lengths = _unpacked(counts) if isinstance(counts, str | bytes) else counts
    if (
        not isinstance(lengths, list)
        or len(lengths) > width * height + 2
        or not all(isinstance(n, int) and 0 <= n <= width * height for n in lengths)
    ):
        raise ValueError("run lengths that are not whole numbers from 0 to the number of pixels")
    if sum(lengths) != width * height:
        raise ValueError(f"run lengths of {sum(lengths):,} pixels in all; the image has {width * height:,}")
    return np.array(lengths, np.int64)


def decoded(counts: Any, width: int, height: int) -> np.ndarray:
    """bool (height, width)."""
    lengths = run_lengths(counts, width, height)
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(width, height).T


def _unpacked(text: str | bytes) -> list[int]:
    """COCO's packing: 5 bits a character from '0' on; the sixth bit marks a continuation; from the fourth number on, the difference to the number
    two before."""
    data = text.encode("ascii", "replace") if isinstance(text, str) else text
    lengths: list[int] = []
    place = 0
    while place < len(data):
        value = shift = 0
        more = True
        while more:
            if place >= len(data) or shift > 40:
                raise ValueError("run lengths that end in the middle of a number")
            bits = data[place] - 48
            if not 0 <= bits < 64:
                raise ValueError("run lengths with an invalid character")
            value |= (bits & 0x1F) << shift
            more, shift, place = bool(bits & 0x20), shift + 5, place + 1
            if not more and bits & 0x10:
                value |= -1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths
