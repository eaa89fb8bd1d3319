"""Sentences on one line of a study, made from the numbers of its difference. A pure function, so that words and numbers cannot part."""

from __future__ import annotations

import math

from mtl_core.figures.explained_curves import Explanation
from mtl_core.figures.explained_results import SEEDS
from mtl_core.language import tr
from mtl_core.studies.comparison_lines import Line
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
        was = tr("the mean relative gain of the tasks' main metrics was {gain}", gain=signed(found.mean, line))
    elif found.mean == 0:
        was = tr("{title} of {task} was the same as the baseline's", title=tr(line.metric.title), task=line.task)
    else:
        difference = signed(found.mean, line)
        was = tr("{title} of {task} was {difference} than the baseline's", title=tr(line.metric.title), task=line.task, difference=difference)
    if found.n == 1:
        first = tr("In 1 pair of runs with the same seed, {was} on average.", was=was)
    else:
        first = tr("In {n} {n:pair|pairs} of runs with the same seed, {was} on average.", n=found.n, was=was)
    return Explanation((first, _second(line)), SEEDS)


def _second(line: Line) -> str:
    said = line.verdict
    assert said is not None  # the caller asks
    found = said.difference
    if said.word == Word.NONE:
        return tr("Below {least} pairs it cannot be told from chance, so there is no verdict.", least=LEAST_SEEDS)
    if found.is_spread_unknown and not math.isfinite(found.low):
        return tr("It was the same in every pair, so how far it varies between seeds is not known: more seeds are needed.")
    span = tr("The true mean difference lies in the interval {interval} (95 %)", interval=interval_of(line))
    if said.word == Word.SAME:
        return tr("{span}, and all of it is too little to matter.", span=span)
    if said.word in (Word.HELPS, Word.HURTS):
        return tr("{span}; chance alone makes such a difference rarely ({p}).", span=span, p=said.p_text)
    if found.low <= 0 <= found.high:
        return tr("{span}, which holds 0: chance may explain what was measured.", span=span)
    return tr("{span}, but with all comparisons of the study {p}: chance may explain what was measured.", span=span, p=said.p_text)
