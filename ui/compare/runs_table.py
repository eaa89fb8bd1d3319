"""The table of runs on the Compare page: search and filters, selection, and actions on the selected runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.runs import actions
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import metric_words
from ui.shell import words
from ui.shell.state import go_to, hold, last_refusal, open_dialog, run_action, run_store

FIRST_SELECTED = 4  # runs that are selected before the viewer selects any
OWN_CHOICE = "compare.own_choice"  # session key: whether the viewer chose the selection, by ticking rows or through the address
ROWS = 50  # shown at first, and added by each click; every row costs a summary
HIDDEN_AT_FIRST = ("data", "tasks", "backbone", "balancing", "note")  # the name and its further settings say what differs
LETTER_PIXELS, LEAST_PIXELS = 7, 80  # width of a column: a letter of its head, and the least
CURVE_LIMIT = 12  # more curves in one chart cannot be told apart


@dataclass(frozen=True)
class Wanted:
    """The viewer's filters. An empty filter matches every run."""

    text: str = ""
    statuses: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    archived: bool = False


def found(runs: list[Any], wanted: Wanted) -> list[Any]:
    """The runs that match, pinned ones first, then the newest."""
    return sorted((run for run in runs if _matches(run, wanted)), key=lambda run: not run.pinned)


def _matches(run: Any, wanted: Wanted) -> bool:
    text = " ".join([run.name, run.id, run.note, *run.tags, *run.config.tasks, run.config.backbone.name, run.config.balancing.name]).lower()
    return (
        all(word in text for word in wanted.text.lower().split())
        and (not wanted.statuses or str(run.status) in wanted.statuses)
        and (not wanted.data or run.config.data.own_name in wanted.data)
        and (wanted.archived or not run.archived)
    )


def filters(runs: list[Any]) -> Wanted:
    """Draw the search box and the filters. The session keeps their values."""
    with st.container(key="filters", horizontal=True, vertical_alignment="center", gap="small"):
        kept: dict[str, Any] = {"label_visibility": "collapsed", "persist_state": "session"}
        about = "Search names, tags, notes, tasks"
        text = st.text_input("Search", key="filter.text", placeholder=about, icon=":material/search:", width=320, **kept)
        states = [status for status in words.STATUS_LOOK if any(str(run.status) == status for run in runs)]
        statuses = st.multiselect("State", states, key="filter.status", placeholder="Any state", width=230, **kept)
        sets = sorted({run.config.data.own_name for run in runs})
        data = st.multiselect("Data", sets, key="filter.data", placeholder="Any data set", width=230, **kept)
        archived = st.toggle("Show archived", key="filter.archived", persist_state="session")
    return Wanted(text or "", tuple(statuses), tuple(data), archived)


def runs_table(store: RunStore, runs: list[Any], wanted: Wanted) -> list[Any]:
    """Draw the table and return the selected runs in its order. The address holds the ids of a selection that the viewer made."""
    matching = found(runs, wanted)
    tools = st.container(key="selection", horizontal=True, vertical_alignment="center", gap="small")
    limit = st.session_state.setdefault("compare.rows", ROWS)
    shown = matching[:limit]
    chosen = _selected(store, shown, tools) if shown else []
    with tools:
        _tools(chosen, len(matching), len(runs), st.session_state.get(OWN_CHOICE, False))
    for run in chosen:
        if last_refusal(run.id):
            st.warning(words.plain(last_refusal(run.id)), icon=":material/block:")
    if not shown:
        st.info("No run matches these filters. Change them above.", icon=":material/search_off:")
    if len(matching) > limit:
        label = f"Show {min(ROWS, len(matching) - limit)} more of {len(matching)} runs"
        st.button(label, icon=":material/expand_more:", key="compare.more", type="tertiary", on_click=_show_more)
    return chosen


def _show_more() -> None:
    st.session_state["compare.rows"] += ROWS


def _selected(store: RunStore, shown: list[Any], tools: Any) -> list[Any]:
    ids = [run.id for run in shown]
    asked = [run_id for run_id in st.query_params.get("runs", "").split(",") if run_id in ids]
    before = asked or [run.id for run in shown if run.step][:FIRST_SELECTED] or ids[:1]
    key = f"compare.table.{hashlib.sha1(','.join(ids).encode()).hexdigest()[:12]}"
    if key not in st.session_state:  # a new table, in which nothing was ticked yet
        st.session_state[OWN_CHOICE] = bool(asked)
    preselected = [ids.index(run_id) for run_id in before]
    table = pd.DataFrame([_row(run, summary_of(store, run), shown) for run in shown])
    with tools:
        columns = _columns(table)
    event = st.dataframe(
        table,
        hide_index=True,
        placeholder="",
        height=min(36 * (len(shown) + 1), 420),
        on_select=lambda: _take_choice(key, preselected),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": preselected}},
        key=key,
        column_order=["pin", "name", *columns],
        column_config={
            "about": st.column_config.TextColumn("Further settings", width=170, help="What the name leaves out."),
            "pin": st.column_config.TextColumn("", pinned=True, width=28, help="Pinned"),
            "name": st.column_config.TextColumn("Run", pinned=True, width=230),
            "status": st.column_config.TextColumn(width=78),
            "epochs": st.column_config.TextColumn(width=70),
            "forked from": st.column_config.TextColumn("Forked from", width="medium"),
            **{
                name: st.column_config.NumberColumn(head, format="%.3f", width=head_width(head), help=f"{name} value on val.")
                for name in map(str, table)
                if name.endswith((" best", " last"))
                for head in [name.removesuffix(" best")]  # best values are the rule
            },
        },
    )
    chosen = [ids[row] for row in event.selection.rows if row < len(ids)]
    if st.session_state[OWN_CHOICE]:
        st.query_params["runs"] = ",".join(chosen)
    else:
        st.query_params.pop("runs", None)
    return [run for run in shown if run.id in chosen]


def head_width(head: str) -> int:
    """Pixels of a column whose head is not cut."""
    return max(LEAST_PIXELS, 26 + LETTER_PIXELS * len(head))


def _columns(table: pd.DataFrame) -> list[str]:
    """Draw the choice of the columns; returns those to show, in the order in which they were chosen. The session keeps them."""
    offered = [name for name in map(str, table) if name not in ("pin", "name")]
    key = "compare.columns"
    first = [name for name in offered if not name.endswith(" last") and name not in HIDDEN_AT_FIRST]
    known = st.session_state.setdefault("compare.columns_offered", [])
    chosen = [name for name in st.session_state.get(key, first) if name in offered]
    chosen += [name for name in first if name not in known and name not in chosen]  # columns of a task that has just appeared
    st.session_state["compare.columns_offered"] = list(dict.fromkeys([*known, *offered]))
    hold(key, chosen)
    with st.popover("Columns", icon=":material/view_column:"):
        about = "Shown in this order. Remove a column and add it again to move it to the end."
        chosen = st.multiselect("Columns of the table", offered, chosen, key=key, help=about, persist_state="session", width=420)
    return chosen


def _take_choice(key: str, preselected: list[int]) -> None:
    """Record that the viewer changed the selection. The browser also reports the preselection, which does not count."""
    if set(st.session_state[key].selection.rows) != set(preselected):
        st.session_state[OWN_CHOICE] = True


def summary_of(store: RunStore, run: Any) -> dict[str, dict[str, Any]]:
    """Best and last values of a run, cached until the run changes."""
    return _summary(store.home.as_posix(), run.id, run.step, str(run.status), run.finished_at)


@st.cache_data(max_entries=2000, show_spinner=False)
def _summary(home: str, run_id: str, step: int, status: str, finished_at: float | None) -> dict[str, dict[str, Any]]:
    return run_store().summary(run_id)


def _row(run: Any, summary: dict[str, dict[str, Any]], shown: list[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "pin": "★" if run.pinned else "",
        "name": run.name,
        "about": run.subtitle,
        "status": f"{run.status}, archived" if run.archived else str(run.status),
        "epochs": f"{run.epoch:.3g} / {run.epochs}",
    }
    for task, info in (run.info or {}).get("tasks", {}).items():
        main = info["main_metric"]
        entry = summary.get(f"val/{task}/{main}")
        metric = info["metrics"][main]
        title = f"{metric_words(main, info['metrics'])} of {task} {words.better(metric['higher_is_better'])}".rstrip()
        row[f"{title} best"] = entry["best"] if entry else None
        row[f"{title} last"] = entry["last"] if entry else None
    settings = {"data": run.config.data.own_name, "tasks": ", ".join(run.config.tasks)}
    settings |= {"backbone": run.config.backbone.name, "balancing": run.config.balancing.name}
    return row | settings | _about(run, shown)  # the metrics early, because runs are compared by them


def _about(run: Any, shown: list[Any]) -> dict[str, Any]:
    """Lineage, tags and note. A column exists only if a shown run has a value for it."""
    about: dict[str, Any] = {"time": words.duration(run.seconds), "made": words.moment(run.created_at)}
    if any(other.parent for other in shown):
        parent = next((other.name for other in shown if other.id == run.parent), run.parent)
        about["forked from"] = f"{parent}, epoch {run.parent_epoch}" if run.parent else ""
    if any(other.tags for other in shown):
        about["tags"] = ", ".join(run.tags)
    if any(other.note for other in shown):
        about["note"] = run.note
    return about


def _tools(chosen: list[Any], matching: int, every: int, own_choice: bool) -> None:
    """Draw the row of buttons, always, so that a selection moves nothing. Archive and Delete need a selection that the viewer made."""
    ids, one = [run.id for run in chosen], len(chosen) == 1
    count = f"{matching} of {every} runs" if matching < every else (f"{every} runs" if every != 1 else "1 run")
    selected = f"**{len(chosen)}** selected" if own_choice or not chosen else f"the newest **{len(chosen)}** are selected"
    st.markdown(f"{count} · {selected}", width="content")
    st.space("stretch")
    st.button("Open", icon=":material/open_in_new:", key="selection.open", disabled=not one, on_click=_open, args=(ids,))
    about = "Select one run."
    st.button(
        "Name, note, tags",
        icon=":material/edit:",
        key="selection.describe",
        help=about,
        disabled=not one,
        on_click=open_dialog,
        args=("describe", ids),
    )
    pinned = bool(chosen) and all(run.pinned for run in chosen)
    icon = ":material/keep_off:" if pinned else ":material/keep:"
    st.button("Unpin" if pinned else "Pin", icon=icon, key="selection.pin", disabled=not chosen, on_click=_each, args=(ids, actions.pin, not pinned))
    archived = bool(chosen) and all(run.archived for run in chosen)
    label, icon = ("Bring back", ":material/unarchive:") if archived else ("Archive", ":material/archive:")
    off, about = not chosen or not own_choice, None if own_choice else "Tick runs in the table first. The current selection is automatic."
    st.button(label, icon=icon, key="selection.archive", help=about, disabled=off, on_click=_each, args=(ids, actions.archive, not archived))
    st.button("Delete", icon=":material/delete:", key="selection.delete", help=about, disabled=off, on_click=open_dialog, args=("delete", ids))


def _open(ids: list[str]) -> None:
    go_to("run", run=ids[0])


def _each(ids: list[str], action: Any, value: bool) -> None:
    refused = None
    for run_id in ids:
        if not run_action(run_id, action, value):
            refused = st.session_state["refused"]
    if refused:
        st.session_state["refused"] = refused
