"""What the table of runs shows: search, filters and order, which the database applies, and the page of the table."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.runs.sql.run_listing import RunQuery, metric_sort
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import metric_words
from ui.shell import words
from ui.shell.state import hold, hold_first

ROWS = 50  # of a page; every row is a config that is read
PAGE = "compare.page"
SORTS = {
    "created": mark("Newest first"),
    "name": mark("By name"),
    "status": mark("By state"),
    "epochs": mark("By epochs"),
    "time": mark("By time"),
    "data": mark("By data"),
    "backbone": mark("By backbone"),
    "balancing": mark("By balancing"),
}
UPWARD = ("name", "status", "data", "backbone", "balancing")  # begin with the lowest
METRICS = "compare.sorts"  # session key: sort -> metric, task and direction, of the metrics in the tables that were shown


def asked_query(store: RunStore) -> RunQuery:
    """Draw the search box, the filters and the order. The session keeps their values."""
    known, sets = store.choices()
    if METRICS not in st.session_state:  # the first view of the page: the metrics of its newest runs
        offer_metrics(store.listed(RunQuery(), limit=ROWS))
    with st.container(key="filters", horizontal=True, vertical_alignment="center", gap="small"):
        kept: dict[str, Any] = {"label_visibility": "collapsed", "persist_state": "session"}
        about = tr("Search names, tags, notes, tasks")
        text = st.text_input(tr("Search"), key="filter.text", placeholder=about, icon=":material/search:", width=250, **kept)
        states = [status for status in words.STATUS_LOOK if status in known]
        statuses = st.multiselect(
            tr("State"), states, key="filter.status", format_func=tr, placeholder=tr("Any state"), width=170, wrap=False, **kept
        )
        data = st.multiselect(tr("Data"), sets, key="filter.data", placeholder=tr("Any data set"), width=170, wrap=False, **kept)
        sort = _order(kept)
        archived = st.toggle(tr("Show archived"), key="filter.archived", persist_state="session")
    descending = sort not in UPWARD and not st.session_state[METRICS].get(sort, {}).get("is_upward", False)
    query = RunQuery(text or "", tuple(statuses), tuple(data), archived, sort, descending)
    if st.session_state.setdefault("compare.query", vars(query)) != vars(query):  # what is asked for has changed: from the first page on
        st.session_state[PAGE] = 1
    st.session_state["compare.query"] = vars(query)
    return query


def _order(kept: dict[str, Any]) -> str:
    titles = {sort: tr(title) for sort, title in SORTS.items()}
    for sort, metric in st.session_state[METRICS].items():
        titles[sort] = tr("Best {title}", title=metric_head(metric["metric"], metric["task"], not metric["is_upward"]))
    place = list(titles).index(hold_first("compare.sort", "created", list(titles)))
    about = tr("Pinned runs come first. A metric's best run is the first; runs without the metric come last.")
    return st.selectbox(tr("Sorted by"), list(titles), place, key="compare.sort", format_func=words.text_of(titles), width=220, help=about, **kept)


def metric_head(metric: str, task: str, higher_is_better: bool | None) -> str:
    """The head of a metric's column, such as ``F1 of digit ↑``."""
    return tr("{metric} of {task} {better}", metric=tr(metric), task=task, better=words.better(higher_is_better)).rstrip()


def offer_metrics(runs: list[Any]) -> None:
    """Let the runs be sorted by the main metrics of those that are shown."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        for task, info in (run.info or {}).get("tasks", {}).items():
            main = info["main_metric"]
            metric = info["metrics"][main]
            about = {"metric": metric_words(main, info["metrics"]), "task": task, "is_upward": not metric["higher_is_better"]}
            found[metric_sort("best", f"val/{task}/{main}")] = about
    st.session_state[METRICS] = st.session_state.get(METRICS, {}) | found


def page_of(total: int) -> int:
    """The page that is asked for, counted from 0."""
    return min(st.session_state.get(PAGE, 1), pages_of(total)) - 1


def pages_of(total: int) -> int:
    """How many pages the runs fill, at least one."""
    return max(1, -(-total // ROWS))


def page_choice(total: int) -> None:
    """Draw the choice of the page where there is more than one."""
    if pages_of(total) > 1:
        place = hold(PAGE, page_of(total) + 1)
        st.pagination(pages_of(total), default=place, key=PAGE, persist_state="session")
