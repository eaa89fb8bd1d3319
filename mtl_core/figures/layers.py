"""Targets and predictions as layers that the browser draws: compressed raw values, so that opacity, thresholds, zoom and the values under the
pointer need no further request to the server.

A layer is one task of one image, JSON-able:

============== ===========================================================================================================
kind           layer
============== ===========================================================================================================
classification ``p``: probabilities (a target has 1 at its class)
multi_label    ``p``: probabilities (a target has 1 or 0)
regression     ``v``: the number
segmentation   ``mask``: packed uint8, row by row, 255 = ignore
depth          ``depth``: packed uint16, row by row; 0..65534 stand for ``low``..``high``, 65535 = no measurement
detection      ``boxes``: [x1, y1, x2, y2, class, score]; ``raw`` is True before suppression of overlapping boxes
any other      ``picture``: packed RGB bytes, drawn by its kind; ``caption``; a self-supervised task's target also ``seen``: packed RGB
               bytes of its changed input image
============== ===========================================================================================================

Packed: zlib (RFC 1950), then base64.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from mtl_core.data.dataset import Task

UNKNOWN_DEPTH = 65535
Layer = dict[str, Any]


def packed(values: np.ndarray) -> str:
    """Bytes of an array in row-major order, compressed, as base64 text."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 1)).decode()


def target_layer(task: Task, image: np.ndarray, target: np.ndarray) -> Layer:
    """One image's target. ``image``: uint8 (H, W, 3)."""
    if task.kind == "classification":
        return {"p": [float(index == int(target)) for index in range(len(task.classes))]}
    if task.kind == "multi_label":
        return {"p": [float(value > 0) for value in target]}
    if task.kind == "detection":
        return {"boxes": [[*row[:5], 1.0] for row in _rounded(target[target[:, 4] >= 0], 2)], "raw": False}
    if task.kind in _LAYERS:
        return _LAYERS[task.kind](target)
    return _picture(task, "draw_target", image, target)


def prediction_layer(task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> Layer:
    """One image's prediction. ``candidates``: boxes before thresholds, to which the viewer applies its own thresholds."""
    if task.kind in ("classification", "multi_label"):
        return {"p": _rounded(prediction, 5)}
    if task.kind == "detection":
        rows = prediction if candidates is None else candidates
        return {"boxes": _rounded(rows[rows[:, 4] >= 0], 4), "raw": candidates is not None}
    if task.kind in _LAYERS:
        return _LAYERS[task.kind](prediction)
    return _picture(task, "draw_prediction", image, prediction)


def _number(value: np.ndarray) -> Layer:
    number = float(value)
    return {"v": number if np.isfinite(number) else None}


def _mask(mask: np.ndarray) -> Layer:
    return {"mask": packed(mask.astype(np.uint8))}


def _depth(depth: np.ndarray) -> Layer:
    known = np.isfinite(depth)
    low, high = (float(depth[known].min()), float(depth[known].max())) if known.any() else (0.0, 0.0)
    steps = (np.where(known, depth, low).astype(np.float64) - low) / max(high - low, 1e-12) * (UNKNOWN_DEPTH - 1)
    return {"depth": packed(np.where(known, steps.round(), UNKNOWN_DEPTH).astype("<u2")), "low": low, "high": high}


def _picture(task: Task, draw: str, image: np.ndarray, row: np.ndarray) -> Layer:
    from mtl_core.tasks import TASK_KINDS

    drawing = getattr(TASK_KINDS.load(task.kind), draw)(image, row, task, 1)
    return {"picture": packed(drawing.image), "caption": drawing.caption}


def _rounded(values: np.ndarray, digits: int) -> list[Any]:
    return np.asarray(values, dtype=np.float64).round(digits).tolist()


_LAYERS: dict[str, Callable[[np.ndarray], Layer]] = {"regression": _number, "segmentation": _mask, "depth": _depth}
