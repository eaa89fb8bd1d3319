"""Notes of a study on tasks that its networks have not learnt: a difference between two networks that know nothing says nothing about sharing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtl_core.studies.study import Study
from mtl_core.studies.study_values import TaskMetric, Values

MOST_NAMED = 3  # cells in a note


def constants_in(info: Mapping[str, Any]) -> dict[str, float]:
    """Task -> what a constant prediction reaches on val in its main metric, as the run has recorded it."""
    return {task: about["constant"] for task, about in info.get("tasks", {}).items() if about.get("constant") is not None}


def unlearnt_notes(study: Study, metrics: Mapping[str, TaskMetric], on_val: Values, constants: Values) -> list[str]:
    """Notes on the tasks in which cells are, in the mean over their seeds, no better than a constant prediction.

    Args:
        on_val: (cell, seed) -> task -> value of its main metric on val. ``constants``: what a constant prediction reaches there.
    """
    notes, by_none = [], []
    for task, metric in metrics.items():
        known, behind = 0, []
        for cell in study.cells:
            places = [(cell.key, seed) for seed in study.seeds]
            ahead = [on_val[at][task] - constants[at][task] for at in places if task in on_val.get(at, {}) and task in constants.get(at, {})]
            known += bool(ahead)
            if ahead and (sum(ahead) <= 0 if metric.higher_is_better else sum(ahead) >= 0):
                behind.append(cell.label)
        if behind and len(behind) == known:
            by_none.append(f"'{task}'")
        elif behind:
            more = len(behind) - MOST_NAMED
            named = ", ".join(f"'{label}'" for label in behind[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            notes.append(
                f"'{task}' is not learnt in {named}: on val it is no better there than a constant prediction (the mean or the most frequent class)"
            )
    if by_none:
        notes.insert(
            0,
            f"no network that has finished has learnt {', '.join(by_none)}: on val, none is better than a constant prediction (the mean or the most "
            "frequent class). What the verdict says there, and overall, is then no answer; train longer, or change the settings",
        )
    return notes
