"""The words of a verdict, made from the numbers of a paired difference. A pure function, so that words and numbers cannot part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from mtl_core.analysis.student_interval import LEVEL, t_factor
from mtl_core.language import mark, tr
from mtl_core.studies.paired import PairedDifference

LEAST_SEEDS = 3  # fewer give no verdict: at 2 seeds Student's factor is 12.7
LEAST_P = 0.0001  # smaller p-values are only said to be smaller
ALPHA = round(1 - LEVEL, 12)  # a corrected p-value below it, and an interval that excludes 0, make a verdict
MOST_SEEDS = 100  # beyond this the advice is "more than", because nobody plans so many


class Word(StrEnum):
    """The answer in a word. Compare with ``==``; ``tr`` says it in the reader's language."""

    HELPS = mark("helps")
    HURTS = mark("hurts")
    SAME = mark("no difference that matters")
    UNKNOWN = mark("cannot tell yet")
    NONE = mark("no verdict")


@dataclass(frozen=True)
class Verdict:
    """A word with the numbers that it was made from.

    Attributes:
        p_corrected: p-value after Holm's correction over all comparisons of the study.
        more_seeds: about how many more seeds would decide, if mean and spread stay as they are; None if decided, or more than ``MOST_SEEDS``.
        advice: what is missing, for people; empty where the word says all.
    """

    word: Word
    difference: PairedDifference
    p_corrected: float
    more_seeds: int | None
    advice: str = ""

    @property
    def p_number(self) -> str:
        """The corrected p-value with two digits, or as many more as show on which side of 5 % it is. Below 0.0001 only that, because smaller ones
        rest on the tails of assumptions."""
        if self.p_corrected < LEAST_P:
            return f"< {LEAST_P:g}"
        texts = [f"{self.p_corrected:.{digits}g}" for digits in range(2, 9)]
        return next((text for text in texts if (float(text) < ALPHA) == (self.p_corrected < ALPHA)), texts[-1])

    @property
    def p_text(self) -> str:
        """The corrected p-value in a sentence: ``p = 0.012``, ``p < 0.0001``."""
        return f"p {self.p_number}" if self.p_corrected < LEAST_P else f"p = {self.p_number}"

    @property
    def text(self) -> str:
        """The word and the advice, for people."""
        if self.word == Word.NONE:
            return tr("no verdict below {least} seeds; {advice}", least=LEAST_SEEDS, advice=self.advice)
        return tr("{word}, {advice}", word=tr(str(self.word)), advice=self.advice) if self.advice else tr(str(self.word))


def verdict(difference: PairedDifference, p_corrected: float, comparisons: int = 1) -> Verdict:
    """The verdict on a difference.

    - Below ``LEAST_SEEDS`` pairs: none.
    - The interval lies inside the band of equivalence: no difference that matters.
    - The interval excludes 0 and the corrected p-value is below 5 %: helps, or hurts.
    - All differences are equal and not 0, with too few seeds for the sign test: cannot tell yet, with that reason.
    - All differences are exactly 0 and there is no band, as where the baseline is 0: cannot tell yet, with that reason.
    - Otherwise: cannot tell yet, with about the number of seeds that would decide.

    Args:
        p_corrected: see ``paired.holm``.
        comparisons: number of comparisons of the study, for the number of seeds.
    """
    if difference.n < LEAST_SEEDS:
        missing = LEAST_SEEDS - difference.n
        return Verdict(Word.NONE, difference, p_corrected, missing, _missing(missing))
    if -difference.band <= difference.low and difference.high <= difference.band and difference.band > 0:
        return Verdict(Word.SAME, difference, p_corrected, None)
    if p_corrected < ALPHA and difference.low > 0 and difference.mean > 0:
        return Verdict(Word.HELPS, difference, p_corrected, None)
    if p_corrected < ALPHA and difference.high < 0 and difference.mean < 0:
        return Verdict(Word.HURTS, difference, p_corrected, None)
    if difference.spread == 0 and difference.mean == 0:
        return Verdict(Word.UNKNOWN, difference, p_corrected, None, tr("the values were equal in every seed"))
    if difference.is_spread_unknown:
        said = tr("the difference was the same in every seed, so its spread is not known; more seeds")
        return Verdict(Word.UNKNOWN, difference, p_corrected, None, said)
    more = seeds_missing(difference, comparisons)
    return Verdict(Word.UNKNOWN, difference, p_corrected, more, _advice(more))


def seeds_missing(difference: PairedDifference, comparisons: int = 1) -> int | None:
    """The fewest further seeds with which the interval would exclude 0 or lie inside the band, if mean and spread stay as they are.

    The exclusion of 0 is asked at a level corrected for all comparisons (Bonferroni, the strictest step of Holm's method). An estimate: mean and
    spread themselves come from few seeds. At least 1; None for more than ``MOST_SEEDS`` seeds in all.
    """
    mean, spread = abs(difference.mean), difference.spread
    if math.isnan(spread):
        return None
    strict = 1 - ALPHA / max(comparisons, 1)
    for n in range(difference.n + 1, MOST_SEEDS + 1):
        error = spread / math.sqrt(n)
        if mean > t_factor(n - 1, strict) * error or (difference.band > 0 and mean + t_factor(n - 1) * error <= difference.band):
            return n - difference.n
    return None


def _advice(more: int | None) -> str:
    if more is None:
        return tr("more than {most} seeds would be needed", most=MOST_SEEDS)
    return tr("about 1 more seed") if more == 1 else tr("about {more} more seeds", more=more)


def _missing(number: int) -> str:
    return tr("1 seed missing") if number == 1 else tr("{number} seeds missing", number=number)
