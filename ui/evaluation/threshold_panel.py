"""The threshold of a task that says yes or no: a slider on val, the metrics at it, and the same threshold on the other images."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from mtl_core.analysis.evaluation.decisions import FALSE, FOUND, GRID, METRICS, MISSED, Decisions
from mtl_core.figures.evaluation_charts import decisions_figure
from mtl_core.language import tr
from ui.drawing.plotly_chart import plot, prepared
from ui.shell import words
from ui.shell.page_address import set_address
from ui.shell.state import hold

CHOSEN_ON = "val"  # the only images on which the slider moves: on test it would choose on test, and train was learnt by heart
ADDRESS = "threshold"


def threshold_panel(decisions: Decisions, about: dict[str, Any], run_id: str, task: str, split: str, colour: str) -> None:
    """Draw the slider, the curves over the threshold, and the metrics at the chosen one beside those at the default."""
    key = f"evaluation.threshold.{run_id}.{task}"
    chosen = _chosen(decisions, key, task)
    st.markdown(tr("**Threshold** :gray[{what}]", what=_what(decisions, about)))
    left, right = st.columns([6, 5], gap="large")
    with left:
        if split == CHOSEN_ON:
            chosen = _slider(decisions, key, chosen)
        else:
            st.markdown(f":material/lock: **{chosen:.2f}** :gray[{_whence(decisions, chosen)}]")
        figure = decisions_figure(GRID, {tr(METRICS[name]): decisions.mean(name) for name in METRICS}, chosen, decisions.default, colour)
        plot(
            prepared(figure, tr("Precision, recall and F1 of {task} over the threshold", task=task)),
            key=f"chart.evaluation.threshold.{run_id}.{split}.{task}",
        )
    with right:
        _values(decisions, chosen)
        _class_table(decisions, about, chosen, key=f"{key}.{split}")
    st.caption(_honestly(split, chosen != decisions.default))


def _chosen(decisions: Decisions, key: str, task: str) -> float:
    """The threshold that was chosen on val: in this session, at first the one in the address, else the default."""
    before, _, asked = st.query_params.get(ADDRESS, "").partition(f"{task}.")
    try:
        first = float(asked) if not before and len(asked) < 6 else decisions.default
    except ValueError:
        first = decisions.default
    first = first if 0 <= first <= 1 else decisions.default
    chosen = st.session_state.setdefault(key, float(GRID[decisions.place(first)]))
    set_address({ADDRESS: None if chosen == decisions.default else f"{task}.{chosen:g}"})
    return chosen


def _slider(decisions: Decisions, key: str, chosen: float) -> float:
    widget, best = f"{key}.slider", decisions.best()

    def moved() -> None:
        st.session_state[key] = float(GRID[decisions.place(st.session_state[widget])])

    def take(value: float) -> None:
        st.session_state[key] = value

    st.slider(tr("Threshold"), 0.0, 1.0, hold(widget, chosen), 0.01, key=widget, label_visibility="collapsed", on_change=moved)
    with st.container(horizontal=True):
        if best is not None:
            st.button(
                tr("Highest F1 on {chosen_on}: {best:.2f}", chosen_on=tr(CHOSEN_ON), best=best),
                key=f"{key}.best",
                on_click=take,
                args=(best,),
                disabled=best == chosen,
            )
        default = decisions.default
        st.button(tr("Back to {default:.2f}", default=default), key=f"{key}.back", on_click=take, args=(default,), disabled=chosen == default)
    return chosen


def _what(decisions: Decisions, about: dict[str, Any]) -> str:
    names = about["classes"]
    if len(decisions.classes) < len(names):
        return tr("from this probability on {names} is predicted", names=words.plain(names[decisions.classes[0]]))
    what = tr("a box counts from this score on; it finds a box of its class that it overlaps by half") if decisions.exact is None else ""
    return what or tr("from this probability on a class counts as predicted")


def _whence(decisions: Decisions, chosen: float) -> str:
    return (
        tr("the default; another one is chosen on val")
        if chosen == decisions.default
        else tr("chosen on val; the default is {default:.2f}", default=decisions.default)
    )


def _values(decisions: Decisions, chosen: float) -> None:
    """Facts at the chosen threshold, each with its value at the default where the two differ."""
    at, before = decisions.place(chosen), decisions.place(decisions.default)
    counts = decisions.counts
    facts = [
        (tr("↑ {title}, mean over classes", title=tr(title)), *(_share(decisions.mean(name)[place]) for place in (at, before)))
        for name, title in METRICS.items()
    ]
    if decisions.exact is not None and len(decisions.classes) > 1:
        images = max(1, int(counts[0, 0].sum()))
        facts.append((tr("↑ Images with every class right"), *(_share(decisions.exact[place] / images) for place in (at, before))))
    for title, outcome in ((tr("↑ Found"), FOUND), (tr("↓ Missed"), MISSED), (tr("↓ False positives"), FALSE)):
        facts.append((title, *(f"{counts[place, :, outcome].sum():,}" for place in (at, before))))
    at_default = tr("at {threshold:.2f}", threshold=decisions.default)
    cells = "".join(
        f'<div><div class="fact-name">{html.escape(title)}</div><div>{now}'
        + (f' <span class="fact-name">{html.escape(at_default)}: {then}</span>' if at != before else "")
        + "</div></div>"
        for title, now, then in facts
    )
    st.html(f'<div class="facts">{cells}</div>')


def _share(value: float) -> str:
    return words.measured(float(value))


def _class_table(decisions: Decisions, about: dict[str, Any], chosen: float, key: str) -> None:
    if len(decisions.classes) < 2:
        return
    at = decisions.place(chosen)
    columns: dict[str, Any] = {tr("Class"): [about["classes"][place] for place in decisions.classes]}
    for name, title in METRICS.items():
        columns[f"↑ {tr(title)}"] = [None if np.isnan(value) else round(float(value), 3) for value in decisions.of_classes(name)[at]]
    for title, outcome in ((tr("Found"), FOUND), (tr("Missed"), MISSED), (tr("False"), FALSE)):
        columns[title] = decisions.counts[at, :, outcome].tolist()
    height = min(290, 38 + 32 * len(decisions.classes))
    st.dataframe(pd.DataFrame(columns), hide_index=True, width="stretch", height=height, row_height=32, placeholder="–", key=f"{key}.classes")


def _honestly(split: str, is_moved: bool) -> str:
    """What the choice of a threshold means for the numbers."""
    if split == CHOSEN_ON:
        return tr(
            "A threshold chosen here is chosen on val, as the checkpoint is, so the numbers at it are a little better than on new images. "
            "The test images are not used for it: under Images → test the same threshold applies. All other numbers of this page keep the default."
        )
    if split == "test":
        why = tr("It cannot be moved here: a threshold chosen on test would make the test numbers better than the network is.")
        return tr("The threshold was chosen on val. {why}", why=why) if is_moved else tr("The threshold is the default. {why}", why=why)
    return tr("The network has learnt these images, so they choose no threshold. Move it under Images → val.")
