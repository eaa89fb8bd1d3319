"""Verdict cards: the words, the difference, its interval and its probabilities, for each task and overall."""

from __future__ import annotations

import html
import math
from functools import partial
from typing import Any

import streamlit as st

from mtl_core.figures.colours import GREY, PALETTE, RIGHT
from mtl_core.language import mark, tr
from mtl_core.scalar_words import to_digits
from mtl_core.studies.aggregates import OVERALL_METRIC
from mtl_core.studies.answer import Answer
from mtl_core.studies.comparison_lines import Line
from mtl_core.studies.explained_verdict import explain_verdict
from mtl_core.studies.study_report import explained, interval_of, signed
from mtl_core.studies.verdict import LEAST_SEEDS, Word
from ui.run.explain_popover import explain_popover
from ui.shell import words
from ui.shell.styles import columns_in_lines

CARDS = 4  # in a row
LOOK: dict[Word, tuple[words.BadgeColour, str]] = {  # word -> (colour of the badge, icon)
    Word.HELPS: ("green", ":material/trending_up:"),
    Word.HURTS: ("red", ":material/trending_down:"),
    Word.SAME: ("blue", ":material/drag_handle:"),
    Word.UNKNOWN: ("orange", ":material/help:"),
    Word.NONE: ("gray", ":material/hourglass_empty:"),
}


def verdicts(answer: Answer) -> None:
    """Draw the cards of one comparison, with a choice of the comparison where there are several. Nothing where the study compares nothing."""
    labels = list(dict.fromkeys(line.label for line in answer.lines))
    if not labels:
        return
    st.subheader(tr("Verdict"), anchor=False)
    shown = labels[0]
    if len(labels) > 1:
        shown = st.selectbox(tr("Comparison"), labels, key=f"comparison.{answer.study.id}", label_visibility="collapsed")
    else:
        st.markdown(tr("{sentence}.", sentence=words.plain(words.capitalised(shown))))
    lines = sorted((line for line in answer.lines if line.label == shown), key=lambda line: bool(line.task))
    if any(line.verdict for line in lines):
        _cards(answer, lines)
    else:
        _no_pair(answer, tr("A verdict needs runs of both sides with the same seed, at least {least} of each.", least=LEAST_SEEDS))
    if len(labels) > 1:
        with st.expander(tr("All comparisons")):
            st.dataframe([_row(line) for line in answer.lines], hide_index=True, placeholder="–")


def _cards(answer: Answer, lines: list[Line]) -> None:
    _explain(answer, lines)
    for start in range(0, len(lines), CARDS):
        places = columns_in_lines(min(CARDS, max(len(lines), 2)), f"verdict-{start}")
        for place, line in zip(places, lines[start : start + CARDS], strict=False):
            with place.container(border=True, gap="small", height="stretch"):
                _card(answer, line)
    st.caption(explained(answer))


def _explain(answer: Answer, lines: list[Line]) -> None:
    """A button that explains these lines of one comparison, one after another."""
    told = [line for line in lines if line.verdict is not None]
    explain_popover(f"verdict.{answer.study.id}", *(partial(explain_verdict, line) for line in told))


def _no_pair(answer: Answer, needed: str) -> None:
    st.badge(tr("no pair of runs yet") if answer.is_going else tr("no pair of runs"), icon=":material/hourglass_empty:", color="gray")
    st.caption(needed)


def _card(answer: Answer, line: Line) -> None:
    st.markdown(f"**{words.plain(line.task) if line.task else tr('Overall')}**")
    st.caption(_metric(line))
    if line.verdict is None:
        _no_pair(answer, tr("A verdict needs runs of both sides with the same seed."))
        return
    said = line.verdict
    colour, icon = LOOK[said.word]
    advice = said.advice
    st.badge(tr(str(said.word)), icon=icon, color=colour)
    difference = said.difference
    if said.word == Word.NONE:
        st.markdown(f"**{signed(difference.mean, line)}**")
        missing = tr("1 more seed is needed for one.") if said.more_seeds == 1 else tr("{more} more seeds are needed for one.", more=said.more_seeds)
        one, several = mark("1 seed: a difference, no verdict; {missing}"), mark("{n} seeds: a difference, no verdict; {missing}")
        st.caption(tr(one, missing=missing) if difference.n == 1 else tr(several, n=difference.n, missing=missing))
        return
    interval = tr("from {interval}", interval=interval_of(line)) if math.isfinite(difference.low) else tr("interval not known")
    st.markdown(_unbroken(f"**{signed(difference.mean, line)}** :gray[{words.plain(interval)}]"))
    if not difference.is_spread_unknown:
        st.html(_bar(difference.p_worse, difference.p_equal, difference.p_better))
    p = tr(mark("{p} (sign test, Holm)") if difference.is_spread_unknown else mark("{p} (Holm)"), p=said.p_text)
    means = "" if line.metric is None else f"{to_digits(line.baseline, 4)} → {to_digits(line.value, 4)} · "
    st.caption(words.plain(tr("{means}{n} seeds · {p}", means=means, n=difference.n, p=p)))
    if advice:
        may = said.more_seeds or difference.is_spread_unknown
        sentence = mark("{advice} may decide (estimate).") if may else mark("{advice}.")
        st.caption(words.plain(tr(sentence, advice=words.capitalised(advice))))


def _unbroken(text: str, before: str = " %") -> str:
    """The text without line breaks at these spaces, by default those before percent signs."""
    return text.replace(before, before.replace(" ", "\u00a0"))


def _metric(line: Line) -> str:
    if line.metric is None:
        return tr("main metric") if line.task else _unbroken(tr(OVERALL_METRIC), " ↑")
    return words.plain(f"{words.with_unit(tr(line.metric.title), line.metric.unit)}\u00a0{words.better(line.metric.higher_is_better)}")


def _bar(worse: float, equal: float, better: float) -> str:
    """The three probabilities as a striped bar with their numbers below."""
    parts = ((worse, PALETTE[1], tr("worse")), (equal, GREY, tr("equal")), (better, RIGHT, tr("better")))
    pieces = "".join(f'<div style="width:{100 * share:.2f}%;background:{colour}"></div>' for share, colour, _ in parts)
    said = " · ".join(_unbroken(f"{name} {100 * share:.0f} %", " ") for share, _, name in parts)
    bar = f'<div style="display:flex;height:8px;border-radius:4px;overflow:hidden">{pieces}</div>'
    return f'{bar}<div class="faint" style="font-size:0.8rem;margin-top:2px">{html.escape(tr("Probability: {said}", said=said))}</div>'


def _row(line: Line) -> dict[str, Any]:
    said = line.verdict
    known = said is not None and said.word != Word.NONE
    return {
        tr("comparison"): line.label,
        tr("task"): line.task or tr("overall"),
        tr("verdict"): said.text if said else tr("no pair of runs"),
        tr("metric"): tr(line.metric.title) if line.metric else tr("main metric") if line.task else tr("mean gain of main metrics in %"),
        tr("better by"): said.difference.mean if said else math.nan,
        tr("low"): said.difference.low if said and known else math.nan,
        tr("high"): said.difference.high if said and known else math.nan,
        "n": said.difference.n if said else 0,
        tr("p (Holm)"): said.p_number if said and known else None,
    }
