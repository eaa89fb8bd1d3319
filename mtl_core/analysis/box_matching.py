"""Matching of predicted boxes to target boxes of one image, whatever their classes. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHOWN_SCORE = 0.3  # predictions with lower scores count in the metrics but are not drawn, so they are no false alarms
MATCHING_IOU = 0.5


@dataclass(frozen=True)
class Matches:
    """Matched boxes of one image.

    Attributes:
        predicted, target: int64 (P,), rows of the two arrays given, pair by pair, the best overlap first.
        iou: float64 (P,).
        false_alarms: int64, rows of the predictions without a pair.
        missed: int64, rows of the targets without a pair.
    """

    predicted: np.ndarray
    target: np.ndarray
    iou: np.ndarray
    false_alarms: np.ndarray
    missed: np.ndarray


def box_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """float64 (P, G): intersection over union of boxes (P, 4) and (G, 4) given as x1, y1, x2, y2. Two boxes without an area have 0."""
    one, other = np.asarray(one, dtype=float)[:, None], np.asarray(other, dtype=float)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = sides.clip(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clip(min=0).prod(-1) for boxes in (one, other)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match_boxes(predicted: np.ndarray, target: np.ndarray, least_iou: float = 0.5) -> Matches:
    """Pairs of boxes that overlap by at least ``least_iou``, each box in one pair at most. Pairs are taken greedily by overlap.

    Args:
        predicted: (P, >= 4) boxes. target: (G, >= 4) boxes. Neither holds padding.
    """
    overlap = box_iou(predicted[:, :4], target[:, :4])
    places = np.argwhere(overlap >= least_iou)
    order = np.argsort(-overlap[places[:, 0], places[:, 1]], kind="stable")
    pairs: list[tuple[int, int]] = []
    free_predictions, free_targets = set(range(len(predicted))), set(range(len(target)))
    for row, column in places[order].tolist():
        if row in free_predictions and column in free_targets:
            pairs.append((row, column))
            free_predictions.remove(row)
            free_targets.remove(column)
    rows, columns = (np.array(values, dtype=np.int64) for values in (zip(*pairs, strict=True) if pairs else ((), ())))
    return Matches(
        rows,
        columns,
        overlap[rows, columns],
        np.array(sorted(free_predictions), dtype=np.int64),
        np.array(sorted(free_targets), dtype=np.int64),
    )
