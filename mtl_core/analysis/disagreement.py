"""Contradictions between the predictions of several tasks on an image, found without targets. No torch.

Each check returns float32 (n,) between 0 (they agree) and 1; NaN if it does not apply to an image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mtl_core.analysis.box_matching import SHOWN_SCORE
from mtl_core.data.dataset import IGNORE, Task
from mtl_core.figures.primitives import Boxes, Heat, Mask, Number
from mtl_core.language import tr
from mtl_core.tasks import kind_of

LEAST_MASK = 0.05  # smallest share of a box's pixels with the box's class; below it, the mask contradicts the box
COUNT_OFF = 0.5  # difference from which a regressed number rounds to another count
EDGE_REACH = 2  # tolerated distance in pixels between an edge of depth and an edge of a segment
EDGE_SHARE = 0.05  # the steepest share of all depth steps counts as edges
SAID = 2  # number of boxes that a sentence names
EDGE_STEP = 0.05  # smallest step of an edge, as a share of the depth's range


@dataclass(frozen=True)
class Check:
    """One kind of contradiction between tasks.

    Attributes:
        values: float32 (n,), 0 (they agree) to 1; NaN if the check does not apply to an image.
        say: row -> sentence on the contradiction in this image, with the numbers.
    """

    values: np.ndarray
    say: Callable[[int], str]


def disagreements(
    tasks: Mapping[str, Task], predictions: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], labelled: Mapping[str, np.ndarray]
) -> dict[str, Check]:
    """Every check that applies to these tasks, by its title in the reader's language.

    Args:
        tasks: the run's tasks by name; predictions as in ``mtl_core.tasks.kind``, targets as in ``mtl_core.data.dataset``.
        targets: used only to find the regression that counts the boxes.
    """
    checks: dict[str, Check] = {}
    drawn_as = {
        primitive: [name for name, task in tasks.items() if kind_of(task.kind).layer == primitive.type and name in predictions]
        for primitive in (Boxes, Mask, Number, Heat)
    }
    for boxes in drawn_as[Boxes]:
        for mask in drawn_as[Mask]:
            if set(tasks[boxes].classes) & set(tasks[mask].classes):
                checks[tr("{boxes}: a box without its pixels in {mask}", boxes=boxes, mask=mask)] = _mask_check(
                    tasks[boxes], predictions[boxes], tasks[mask], predictions[mask]
                )
        for number in drawn_as[Number]:
            if counts_boxes(number, boxes, targets, labelled):
                checks[tr("{boxes} counted, against {number}", boxes=boxes, number=number)] = _count_check(
                    boxes, predictions[boxes], number, predictions[number]
                )
    for depth in drawn_as[Heat]:
        near, far = tasks[depth].value_range
        for mask in drawn_as[Mask]:
            checks[tr("{depth}: edges off the edges of {mask}", depth=depth, mask=mask)] = _edge_check(
                depth, predictions[depth], mask, predictions[mask], far - near
            )
    return checks


def _mask_check(boxes: Task, rows: np.ndarray, mask: Task, masks: np.ndarray) -> Check:
    def say(row: int) -> str:
        empty = _empty_boxes(rows[row], boxes.classes, masks[row], {name: index for index, name in enumerate(mask.classes)})
        missing = [
            tr("{boxes}: {name} ({score:.2f}) without pixels of {name} in {mask}", boxes=boxes.name, name=name, score=score, mask=mask.name)
            for name, score, without in empty
            if without
        ]
        return tr("; ").join(missing[:SAID]) + (tr("; and {more} more", more=len(missing) - SAID) if len(missing) > SAID else "")

    return Check(boxes_without_mask(rows, boxes.classes, masks, mask.classes), say)


def _count_check(boxes: str, rows: np.ndarray, number: str, numbers: np.ndarray) -> Check:
    def say(row: int) -> str:
        found, said = len(_shown(rows[row])), float(numbers[row])
        return tr("{boxes} finds {found}, but {number} says {said:.3g}", boxes=boxes, found=found, number=number, said=said)

    return Check(count_off(rows, numbers), say)


def _edge_check(depth: str, depths: np.ndarray, mask: str, masks: np.ndarray, span: float) -> Check:
    values = edges_off(depths, masks, span)

    def say(row: int) -> str:
        return tr("{share:.0%} of the edges of {depth} lie off the edges of {mask}", share=float(values[row]), depth=depth, mask=mask)

    return Check(values, say)


def boxes_without_mask(boxes: np.ndarray, box_classes: tuple[str, ...], masks: np.ndarray, mask_classes: tuple[str, ...]) -> np.ndarray:
    """Share of an image's boxes in which hardly any pixel has the box's class; NaN if no box is shown."""
    place = {name: index for index, name in enumerate(mask_classes)}
    shares = []
    for rows, mask in zip(boxes, masks, strict=True):
        empty = [without for _, _, without in _empty_boxes(rows, box_classes, mask, place)]
        shares.append(np.mean(empty) if empty else np.nan)
    return np.array(shares, dtype=np.float32)


def _empty_boxes(rows: np.ndarray, box_classes: tuple[str, ...], mask: np.ndarray, place: Mapping[str, int]) -> list[tuple[str, float, bool]]:
    """(class, score, whether hardly any pixel has the box's class) of each shown box whose class is a class of the mask."""
    found = []
    for x1, y1, x2, y2, index, score in _shown(rows):
        name = box_classes[int(index)]
        inside = mask[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))]
        if name in place and inside.size:
            found.append((name, float(score), bool((inside == place[name]).mean() < LEAST_MASK)))
    return found


def counts_boxes(number: str, boxes: str, targets: Mapping[str, np.ndarray], labelled: Mapping[str, np.ndarray]) -> bool:
    """Whether a regression's target equals the number of boxes in every image with both targets."""
    if number not in targets or boxes not in targets:
        return False
    both = labelled[number] & labelled[boxes]
    return bool(both.any()) and bool(np.array_equal((targets[boxes][both][..., 4] >= 0).sum(1), targets[number][both]))


def count_off(boxes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Absolute difference between the regressed number and the number of boxes, at most 1."""
    counted = np.array([len(_shown(rows)) for rows in boxes], dtype=np.float32)
    off = np.abs(counted - numbers)
    return np.where(off < COUNT_OFF, 0.0, np.minimum(off, 1.0)).astype(np.float32)


def edges_off(depth: np.ndarray, masks: np.ndarray, span: float) -> np.ndarray:
    """Share of a depth map's edge pixels without a segment's edge nearby; NaN if the depth has no edge."""
    return np.array([_edges_off(*pair, span) for pair in zip(depth, masks, strict=True)], dtype=np.float32)


def _edges_off(depth: np.ndarray, mask: np.ndarray, span: float) -> float:
    step = np.maximum(np.abs(np.diff(depth, axis=0, append=depth[-1:])), np.abs(np.diff(depth, axis=1, append=depth[:, -1:])))
    known = step[np.isfinite(step)]
    steep = (step >= np.quantile(known, 1 - EDGE_SHARE) if len(known) else np.zeros(step.shape, bool)) & (step > EDGE_STEP * span)
    if not steep.any():
        return float("nan")
    seen = np.where(mask == IGNORE, 0, mask)
    border = (np.diff(seen, axis=0, append=seen[-1:]) != 0) | (np.diff(seen, axis=1, append=seen[:, -1:]) != 0)
    near = np.pad(border, EDGE_REACH)
    size = 2 * EDGE_REACH + 1
    reach = np.lib.stride_tricks.sliding_window_view(near, (size, size)).any((2, 3))
    return float((steep & ~reach).sum() / steep.sum())


def _shown(rows: np.ndarray) -> np.ndarray:
    return rows[(rows[:, 4] >= 0) & (rows[:, 5] >= SHOWN_SCORE)]
