"""“Explain this” at a chart: two sentences made from its numbers, and a link to the lesson on what it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from mtl_core.analysis.scalar_rows import Table, scalar_rows
from mtl_core.data.dataset import SHARE
from mtl_core.figures.explained_curves import Explanation, explain_cosines, explain_loss_weights, explain_metric, explain_shares
from mtl_core.language import tr
from mtl_core.lessons import LESSONS
from mtl_core.scalar_words import metric_words
from ui.shell import words

DRAWN = "explained"  # session key of the keys of all such buttons


def is_explained() -> bool:
    """Whether an explanation is open."""
    return any(st.session_state.get(key) for key in st.session_state.get(DRAWN, ()))


def explain_popover(key: str, *explain: Callable[[], Explanation]) -> None:
    """Draw the button. The sentences are made when it is opened.

    Args:
        explain: each makes the sentences on one chart.
    """
    popover = st.popover(tr("Explain this"), icon=":material/lightbulb:", type="tertiary", key=f"explain.{key}", on_change="rerun")
    st.session_state.setdefault(DRAWN, set()).add(f"explain.{key}")
    if not popover.open:
        return
    with popover:
        made = [each() for each in explain]
        for explanation in made:
            st.markdown(" ".join(words.plain(tr(sentence)) for sentence in explanation.sentences))
        for lesson in dict.fromkeys(explanation.lesson for explanation in made):
            title = tr(LESSONS.load(lesson)().text().title)
            st.page_link("pages/learn.py", label=tr("Lesson: {title}", title=title), icon=":material/school:", query_params={"lesson": lesson})


def explain_task(frame: Table, name: str, info: dict[str, Any]) -> list[Callable[[], Explanation]]:
    """What explains the main metric and the loss of a task."""
    main = info["main_metric"]
    metric = info["metrics"][main]
    return [
        lambda: explain_metric(
            tr("{metric} of {task}", metric=metric_words(main, info["metrics"]), task=name),
            values_of(frame, f"train/{name}/{main}"),
            values_of(frame, f"val/{name}/{main}"),
            metric["higher_is_better"],
            unit_of(metric),
        ),
        lambda: explain_metric(tr("Loss of {task}", task=name), values_of(frame, f"train/{name}/loss"), values_of(frame, f"val/{name}/loss"), False),
    ]


def explain_weights_of(frame: Table, tasks: list[str]) -> Callable[[], Explanation]:
    """What explains the loss weights of these tasks."""
    return lambda: explain_loss_weights({task: values_of(frame, f"loss_weight/{task}") for task in tasks})


def explain_shares_of(frame: Table, tasks: list[str]) -> Callable[[], Explanation]:
    """What explains these tasks' shares of the gradient."""
    return lambda: explain_shares({task: values_of(frame, f"gradient_share/{task}") for task in tasks})


def explain_cosines_of(frame: Table, tasks: list[str]) -> Callable[[], Explanation]:
    """What explains the cosines between these tasks' gradients."""
    pairs = [(one, other) for place, one in enumerate(tasks) for other in tasks[place + 1 :]]

    def of_pairs(kind: str) -> dict[tuple[str, str], list[float]]:
        return {pair: values_of(frame, f"{kind}/{pair[0]}/{pair[1]}") for pair in pairs}

    return lambda: explain_cosines(of_pairs("conflict"), of_pairs("conflict_share"))


def unit_of(metric: dict[str, Any]) -> str:
    """The unit that follows a metric's value in a sentence; empty for a share."""
    unit = metric.get("unit", "")
    return "" if unit == SHARE else tr(unit)


def values_of(frame: Table, key: str) -> list[float]:
    """Recorded values by step; a repeated step replaces its earlier row."""
    rows = scalar_rows(frame).of(key)
    return rows["value"][np.argsort(rows["step"])].astype(float).tolist()
