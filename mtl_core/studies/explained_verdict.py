"""Sentences on one line of a study, made from the numbers of its difference. A pure function, so that words and numbers cannot part."""

from __future__ import annotations

import math

from mtl_core.figures.explained_curves import Explanation
from mtl_core.figures.explained_results import SEEDS
from mtl_core.studies.answer import Line
from mtl_core.studies.study_report import interval_of, signed
from mtl_core.studies.verdict import LEAST_SEEDS, Word


def explain_verdict(line: Line) -> Explanation:
    """What was measured, and what its interval allows to say.

    Args:
        line: one with a verdict.
    """
    said = line.verdict
    assert said is not None  # the caller asks
    found = said.difference
    if line.metric is None:
        was = f"the mean relative gain over the tasks was {signed(found.mean, line)}"
    elif found.mean == 0:
        was = f"{line.metric.title} of {line.task} was the same as the baseline's"
    else:
        was = f"{line.metric.title} of {line.task} was {signed(found.mean, line)} than the baseline's"
    first = f"In {found.n} pair{'' if found.n == 1 else 's'} of runs with the same seed, {was} on average."
    return Explanation((first, _second(line)), SEEDS)


def _second(line: Line) -> str:
    said = line.verdict
    assert said is not None  # the caller asks
    found = said.difference
    if said.word == Word.NONE:
        return f"Below {LEAST_SEEDS} pairs it cannot be told from chance, so there is no verdict."
    if found.is_spread_unknown and not math.isfinite(found.low):
        return "It was the same in every pair, so how far it varies between seeds is not known: more seeds are needed."
    span = f"The true mean difference lies in the interval {interval_of(line)} (95 %)"
    if said.word == Word.SAME:
        return f"{span}, and all of it is too little to matter."
    if said.word in (Word.HELPS, Word.HURTS):
        return f"{span}; chance alone makes such a difference rarely (p = {said.p_corrected:.2g})."
    if found.low <= 0 <= found.high:
        return f"{span}, which holds 0: chance may explain what was measured."
    return f"{span}, but with all comparisons of the study p is {said.p_corrected:.2g}: chance may explain what was measured."
