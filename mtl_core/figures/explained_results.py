"""Sentences on results in the reader's language, made from their numbers: a race, a confusion matrix, a front. As in ``explained_curves``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mtl_core.figures.explained_curves import Explanation, number_with_unit
from mtl_core.language import tr

SEEDS = "several_seeds"  # the lesson on what one seed says, and what several say


def explain_race(title: str, values: Mapping[str, float], higher_is_better: bool, unit: str = "") -> Explanation:
    """On a chart with a curve for each method: which ends best and worst, and how little one seed says.

    Args:
        values: method -> last value on val; NaN is left out.
    """
    known = {method: value for method, value in values.items() if math.isfinite(value)}
    if len(known) < 2:
        return Explanation((tr("Two methods need a value before they can be compared."),), SEEDS)
    ranked = sorted(known, key=lambda method: known[method], reverse=higher_is_better)
    best, worst = ranked[0], ranked[-1]
    if known[best] == known[worst]:
        first = tr("{title} ends at {value} under every method.", title=title, value=number_with_unit(known[best], unit))
    else:
        first = tr(
            "{title} ends best under {best}, {highest}, and worst under {worst}, {lowest}.",
            title=title,
            best=best,
            highest=number_with_unit(known[best], unit),
            worst=worst,
            lowest=number_with_unit(known[worst], unit),
        )
    return Explanation((first, tr("Each method was trained with one seed, and another seed may order them otherwise: this is no verdict.")), SEEDS)


def explain_confusion(matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str], counted: str) -> Explanation:
    """On a confusion matrix: how many items lie on its diagonal, and the largest cell beside it.

    Args:
        matrix: int64 (R, C), true classes in rows, predicted ones in columns.
        rows, columns: their names. A column is right for the row of the same name.
        counted: plural noun of the items.
    """
    total = int(matrix.sum())
    if not total:
        return Explanation((tr("No {items} were counted.", items=tr(counted)),), "one_task")
    right = np.array([[row == column for column in columns] for row in rows], dtype=bool)
    correct = int(matrix[right].sum())
    items = tr(counted)
    first = tr(
        "{correct:,} of {total:,} {items} ({share:.1%}) lie where the true and the predicted class are the same.",
        correct=correct,
        total=total,
        items=items,
        share=correct / total,
    )
    wrong = np.where(right, 0, matrix)
    if not wrong.any():
        return Explanation((first, tr("No mistake was made.")), "one_task")
    row, column = (int(place) for place in np.unravel_index(int(wrong.argmax()), wrong.shape))
    of_row = int(matrix[row].sum())
    second = tr(
        "The most frequent mistake: {wrong:,} of the {all:,} {items} of {true} were taken for {predicted}.",
        wrong=int(wrong[row, column]),
        all=of_row,
        items=items,
        true=rows[row],
        predicted=columns[column],
    )
    return Explanation((first, second), "one_task")


def explain_front(on_front: Sequence[str], points: int, first: str, second: str) -> Explanation:
    """On the front of a study of weights or methods.

    Args:
        on_front: names of the cells that no other beats in every task.
        points: number of cells. first, second: the tasks on the two axes.
    """
    if len(on_front) == 1:
        one = tr("1 of {points} cells is on the front: no other cell is better in every task.", points=points)
        so = tr("So {cell} is the best choice whatever {first} and {second} are worth to you.", cell=on_front[0], first=first, second=second)
        return Explanation((one, so), "weights_by_hand")
    some = tr("{count} of {points} cells are on the front: no other cell is better in every task.", count=len(on_front), points=points)
    along = tr("Along the front {first} can only gain where {second} or another task loses.", first=first, second=second)
    return Explanation((some, along), "weights_by_hand")
