"""Measurements of a single grey digit: ink, slant and tight box. Shared by ``digits`` and ``mnist``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtl_core.data.dataset import MultiTaskDataset, Task

DIGIT_NAMES = tuple(str(digit) for digit in range(10))
BOX_THRESHOLD = 128  # a pixel at least this bright belongs to the digit's box

# Changes that move ink out of the picture, or repeat it at the border, change its share.
INK_CHANGES = ("brightness", "contrast", "shift", "crop", "rotation", "scale", "cutout", "resize_crop")
# The slant is measured on all of the ink: cutting, hiding or repeating ink changes it. Rotating the picture does not add its angle to it.
SLANT_CHANGES = ("flip", "shift", "crop", "rotation", "scale", "cutout", "resize_crop")
UPRIGHT = 45.0  # degrees; beyond this rotation a 6 may be a 9, or a 1 a dash
DIGIT_TASK = Task("digit", "classification", "digit", DIGIT_NAMES, title="Which digit", spoiled_by=("flip",), rotation_up_to=UPRIGHT)
SLANT_TASK = Task("slant", "regression", "slant", unit="degrees", title="Slant of the writing", spoiled_by=SLANT_CHANGES, geometry="tilt")
INK_TASK = Task("ink", "regression", "ink", unit="share", title="Share of ink", spoiled_by=INK_CHANGES, geometry="whole")
BOX_TASK = Task("box", "detection", "box", DIGIT_NAMES, title="Where the digit is", spoiled_by=("flip",), rotation_up_to=UPRIGHT)


def ink(images: np.ndarray) -> np.ndarray:
    """Mean intensity in 0..1 of uint8 images (N, 1, H, W): float32 (N,)."""
    return (images.mean(axis=(1, 2, 3), dtype=np.float64) / 255).astype(np.float32)


def slant(images: np.ndarray) -> np.ndarray:
    """Angle of the digit's axis against the vertical in degrees, + = leaning right: float32 (N,).

    From the second moments of intensity about its centre: ``atan(-m_xy / m_yy)`` with y pointing down. 0 for an image whose ink
    has no height.
    """
    height, width = images.shape[2:]
    mass = images[:, 0].astype(np.float64)
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    total = np.maximum(mass.sum(axis=(1, 2)), 1e-12)
    centre_x, centre_y = mass.sum(axis=1) @ x / total, mass.sum(axis=2) @ y / total
    moment_yy = mass.sum(axis=2) @ y**2 / total - centre_y**2
    moment_xy = (mass @ x) @ y / total - centre_x * centre_y
    return np.degrees(np.arctan(-moment_xy / np.maximum(moment_yy, 1e-12))).astype(np.float32)


def tight_boxes(inside: np.ndarray) -> np.ndarray:
    """Tight boxes of bool masks (N, H, W): float32 (N, 4) of x1, y1, x2, y2 with x2, y2 exclusive; all 0 where nothing is inside."""
    height, width = inside.shape[1:]
    rows, columns = np.any(inside, axis=2), np.any(inside, axis=1)
    x1, y1 = columns.argmax(axis=1), rows.argmax(axis=1)
    x2, y2 = width - columns[:, ::-1].argmax(axis=1), height - rows[:, ::-1].argmax(axis=1)
    boxes = np.stack([x1, y1, x2, y2], axis=1).astype(np.float32)
    boxes[~rows.any(axis=1)] = 0
    return boxes


def measured_digits(images: np.ndarray, digits: np.ndarray, tasks: Sequence[Task]) -> MultiTaskDataset:
    """Images of one digit each with the targets that ``tasks`` read. An image too faint for a box has no box target.

    Args:
        images: uint8 (N, 1, H, W).
        digits: which digit each is, (N,).
    """
    boxes = tight_boxes(images[:, 0] >= BOX_THRESHOLD)
    digits = digits.astype(np.int64)
    every = {
        "digit": digits,
        "ink": ink(images),
        "slant": slant(images),
        "box": np.concatenate([boxes, digits[:, None].astype(np.float32)], axis=1)[:, None],
    }
    labelled = {name: np.ones(len(images), bool) for name in every}
    labelled["box"] = boxes[:, 2] > 0
    names = [task.target for task in tasks]
    return MultiTaskDataset(images, {name: every[name] for name in names}, {name: labelled[name] for name in names})
