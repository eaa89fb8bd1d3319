"""The baseline of a run's page: another run, at first a pinned one, whose values on val are drawn behind the curves."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs.sql.run_listing import ListedFacts
from mtl_core.runs.store import RunStore
from ui.drawing.run_charts import scalars_feed
from ui.shell import words
from ui.shell.run_picker import box_texts
from ui.shell.state import hold_first, listing

NONE = ""
OFFERED = 30


def choose_baseline(store: RunStore, run: Any) -> tuple[str, str]:
    """Draw the choice; returns the id of the chosen run and the part of the charts' note that names it, both empty without one.

    The newest pinned run on the same data that shares a task is the baseline until the viewer chooses another run, or none.
    """
    offered = comparable(run, listing(store.home.as_posix()))
    if not offered:
        return NONE, ""
    names = {NONE: tr("none"), **box_texts(offered)}
    first = next((other.id for other in offered if other.pinned), NONE)
    key = f"baseline.{run.id}"
    value = hold_first(key, first, list(names))
    about = tr("The values of this run on val are drawn in grey behind the curves. A pinned run is chosen at first.")
    chosen = st.selectbox(tr("Baseline"), list(names), list(names).index(value), key=key, format_func=words.text_of(names), help=about)
    if not chosen:
        return NONE, ""
    name = next(shown_name(other) for other in offered if other.id == chosen)
    return chosen, tr(" · grey: {name}", name=words.plain(words.shortened_inside(name, 40)))


def with_baseline(store: RunStore, feed: dict[str, Any], chosen: str) -> dict[str, Any]:
    """A run's feed with its baseline's scalars, for one viewer."""
    return {**feed, "baseline": scalars_feed(store, chosen)["rows"]} if chosen else feed


def comparable(run: Any, known: list[ListedFacts]) -> list[ListedFacts]:
    """Of the runs of ``listing``, those on the same data that share a task with the run and have trained; pinned ones first, then the newest."""
    found = [
        other
        for other in known
        if other.id != run.id
        and other.step
        and not other.archived
        and other.data == run.config.data.own_name
        and set(other.tasks) & set(run.config.tasks)
    ]
    return sorted(found, key=lambda other: not other.pinned)[:OFFERED]
