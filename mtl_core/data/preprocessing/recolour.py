"""Conversion between colour and grey."""

from __future__ import annotations

import numpy as np

LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue: ITU-R BT.601, as in Pillow's "L"


def recoloured(image: np.ndarray, colour: str) -> np.ndarray:
    """uint8 (1 or 3, H, W) converted to ``colour``.

    Args:
        colour: ``as_is``; ``grey``: one channel, a colour image's rounded luma; ``colour``: three channels, equal for a grey image.
    """
    if colour == "grey" and len(image) == 3:
        return np.rint(np.tensordot(np.array(LUMA), image, axes=1)).astype(np.uint8)[None]
    if colour == "colour" and len(image) == 1:
        return np.repeat(image, 3, axis=0)
    return image


def channels_after(channels: int, colour: str) -> int:
    """Number of channels of an image of ``channels`` channels after the conversion."""
    return {"as_is": channels, "grey": 1, "colour": 3}[colour]
