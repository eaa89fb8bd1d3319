"""The table of runs on the Compare page: one page of the runs, its columns, the selection, and actions on the selected runs."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs import actions
from mtl_core.runs.sql.run_listing import RunQuery
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import metric_words
from ui.compare.fitting_columns import ROOM, fitting, short_heads
from ui.compare.table_columns import choose_columns
from ui.compare.table_query import ROWS, metric_head, offer_metrics, page_choice, page_of
from ui.drawing.table_sizes import ROW_PIXELS, TWO_LINES, fitting_text, head_width, whole_height
from ui.shell import words
from ui.shell.page_address import set_address
from ui.shell.state import go_to, last_refusal, open_dialog, run_action

FIRST_SELECTED = 4  # runs that are selected before the viewer selects any
OWN_CHOICE = "compare.own_choice"  # session key: whether the viewer chose the selection, by ticking rows or through the address
HIDDEN_AT_FIRST = ("data", "tasks", "backbone", "balancing", "note")  # the name and its further settings say what differs
HIGHEST = 440  # pixels of the table
PIN_PIXELS, NAME_PIXELS, MOST_PIXELS = 28, 230, 240
WIDEST = {"name": 420, "about": 420}  # pixels of the columns that take the room that is left
PIXELS = {"about": 170, "status": 92, "epochs": 70, "forked from": 200}  # width; that of the others follows from their heads and texts
NEEDED = ("status", "about", "tags", "forked from", "epochs", "time", "made")  # beside the metrics, the most important first
TELLING = ("status", "about", "tags", "forked from", "epochs")  # those that need no room where all rows have the same
BEST, LAST = " best", " last"  # ends of the columns of metrics
OTHERS = (
    mark("data"),
    mark("tasks"),
    mark("backbone"),
    mark("balancing"),
    mark("time"),
    mark("made"),
    mark("tags"),
    mark("note"),
)  # columns whose heads are their names
CURVE_LIMIT = 12  # more curves in one chart cannot be told apart


def runs_table(store: RunStore, query: RunQuery) -> list[Any]:
    """Draw the table and return the selected runs in its order. The address holds the ids of a selection that the viewer made.

    Selected runs that are not on the page, or that do not match, stand on top of it, so that runs of several pages can be compared.
    """
    total = store.count(query)
    matching = store.listed(query, page_of(total) * ROWS, ROWS)
    there = {run.id for run in matching}
    asked = [run_id for run_id in st.query_params.get("runs", "").split(",") if run_id and run_id not in there]
    compared = sorted(store.several(asked), key=lambda run: asked.index(run.id))
    shown = [*compared, *matching]
    offer_metrics(shown)
    tools = st.container(key="selection", horizontal=True, vertical_alignment="center", gap="small")
    chosen = _selected(store, shown, tools) if shown else []
    with tools:
        _tools(chosen, total, store.count(), st.session_state.get(OWN_CHOICE, False), are_newest=query.sort == "created")
    for run in chosen:
        if last_refusal(run.id):
            st.warning(words.plain(last_refusal(run.id)), icon=":material/block:")
    if not matching:
        st.info(tr("No run matches these filters. Change them above."), icon=":material/search_off:")
    page_choice(total)
    return chosen


def _selected(store: RunStore, shown: list[Any], tools: Any) -> list[Any]:
    ids = [run.id for run in shown]
    asked = [run_id for run_id in st.query_params.get("runs", "").split(",") if run_id in ids]
    before = asked or [run.id for run in shown if run.step][:FIRST_SELECTED] or ids[:1]
    key = f"compare.table.{hashlib.sha1(','.join(ids).encode()).hexdigest()[:12]}"
    if key not in st.session_state:  # a new table, in which nothing was ticked yet
        st.session_state[OWN_CHOICE] = bool(asked)
    preselected = [ids.index(run_id) for run_id in before]
    main = {f"val/{task}/{info['main_metric']}" for run in shown for task, info in (run.info or {}).get("tasks", {}).items()}
    summaries = store.summaries(ids, main)
    full = _metric_heads(shown)
    table = pd.DataFrame([_row(run, summaries[run.id], shown) for run in shown])
    names = list(map(str, table))
    place = names.index("epochs") + 1  # metrics that only later rows have came last
    table = table[[*names[:place], *(name for name in names if name in full), *(name for name in names[place:] if name not in full)]]
    with tools:
        columns, wide = _columns(table, full)
    heads = _heads(columns, table, full)
    texts = _text_pixels(table, columns, heads)
    row_height = TWO_LINES if any(_longest(name, table) > width * wide for name, width in texts.items()) else ROW_PIXELS
    shortened = {name: [fitting_text(text, int(width * wide)) for text in table[name]] for name, width in texts.items()}
    event = st.dataframe(
        table.assign(**shortened),
        hide_index=True,
        placeholder="",
        height=whole_height(len(shown), HIGHEST, row_height),
        row_height=row_height,
        on_select=lambda: _take_choice(key, preselected),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": preselected}},
        key=key,
        column_order=[*(["pin"] if table["pin"].any() else []), "name", *columns],
        column_config={
            # Not pinned: Streamlit draws pinned columns in a grey of too little contrast, as if their rows were disabled.
            "pin": st.column_config.TextColumn("", width=PIN_PIXELS, help=tr("Pinned")),
            "name": st.column_config.TextColumn(tr("Run"), width=int(texts["name"] * wide)),
            "about": st.column_config.TextColumn(
                tr("Further settings"), width=int(texts.get("about", 0) * wide), help=tr("What the name leaves out.")
            ),
            "status": st.column_config.TextColumn(tr("status"), width=int(PIXELS["status"] * wide)),
            "epochs": st.column_config.TextColumn(tr("epochs"), width=int(PIXELS["epochs"] * wide)),
            "forked from": st.column_config.TextColumn(tr("Forked from"), width=PIXELS["forked from"]),
            **{
                name: st.column_config.NumberColumn(head, format="%.3g", width=int(head_width(head) * wide), help=_about_column(name))
                for name, head in heads.items()
            },
            **{name: st.column_config.Column(tr(name), width=_pixels(name, table)) for name in OTHERS if name in columns},
        },
    )
    chosen = [ids[row] for row in event.selection.rows if row < len(ids)]
    set_address({"runs": ",".join(chosen) if st.session_state[OWN_CHOICE] else None})
    return [run for run in shown if run.id in chosen]


def _text_pixels(table: pd.DataFrame, columns: list[str], heads: dict[str, str]) -> dict[str, int]:
    """Widths of the names and of what they leave out, if that is shown. They share the room that the other columns leave: what differs may be at a
    name's end."""
    widths = {"name": _name_pixels(table)} | ({"about": PIXELS["about"]} if "about" in columns else {})
    others = [head_width(heads[name]) if name in heads else _pixels(name, table) for name in columns if name != "about"]
    left = ROOM - (PIN_PIXELS if table["pin"].any() else 0) - sum(others) - sum(widths.values())
    for name in widths:
        more = max(0, min(left, min(_longest(name, table), WIDEST[name]) - widths[name]))
        widths[name], left = widths[name] + more, left - more
    return widths


def _longest(name: str, table: pd.DataFrame) -> int:
    """Pixels of a column's longest text."""
    return max(head_width(str(text)) for text in table[name])


def _columns(table: pd.DataFrame, heads: dict[str, tuple[str, str]]) -> tuple[list[str], float]:
    """Draw the choice of the columns; returns those to show and the factor on their widths."""
    offered = [name for name in map(str, table) if name not in ("pin", "name")]
    return choose_columns(offered, _first(table, offered, heads), _title)


def _first(table: pd.DataFrame, offered: list[str], heads: dict[str, tuple[str, str]]) -> list[str]:
    """The columns that are shown where nobody has chosen: as many as fit beside each other. Those that tell the runs apart come before others."""
    empty = [name for name in ("about", "tags", "note") if name in table and not table[name].any()]
    names = [name for name in offered if not name.endswith(LAST) and name not in (*HIDDEN_AT_FIRST, *empty)]
    facts = [name for name in NEEDED if name in names]
    alike = [name for name in facts if name in TELLING and table[name].nunique() == 1]
    needed = [*(name for name in names if name in heads), *(name for name in facts if name not in alike), *alike]
    needed.sort(key=lambda name: name != "status" or name in alike)  # of a run that failed it says why it has no values
    widths = {name: head_width(heads[name][1]) if name in heads else _pixels(name, table) for name in names}
    return fitting(widths, needed, ROOM - _before(table))


def _before(table: pd.DataFrame) -> int:
    """Width of the columns that are always shown: the name, and the pins if there are any."""
    return _name_pixels(table) + (PIN_PIXELS if table["pin"].any() else 0)


def _name_pixels(table: pd.DataFrame) -> int:
    """The least width of the column of names. A row has three lines at most, so that long names need a wider one."""
    return max(NAME_PIXELS, min(_longest("name", table) * 10 // 26, WIDEST["name"]))


def _pixels(name: str, table: pd.DataFrame) -> int:
    """Width of a column of texts. Neither the head nor a short text is cut."""
    if name in PIXELS:
        return PIXELS[name]
    return min(max(map(head_width, (tr(name), *map(str, table[name])))), MOST_PIXELS)


def _metric_heads(shown: list[Any]) -> dict[str, tuple[str, str]]:
    """Column of a metric -> its head in full and in short. Best values are the rule, so only last ones say what they are."""
    found: dict[str, tuple[str, str]] = {}
    for run in shown:
        for task, info in (run.info or {}).get("tasks", {}).items():
            full, arrow = _metric_of(task, info), words.better(info["metrics"][info["main_metric"]]["higher_is_better"])
            short = f"{task} {arrow}".rstrip()
            found[f"{full}{BEST}"] = (full, short)
            found[f"{full}{LAST}"] = (tr("{metric} last", metric=full), tr("{metric} last", metric=short))
    return found


def _heads(columns: list[str], table: pd.DataFrame, full: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Heads of the metrics among the columns that are shown."""
    others = _before(table) + sum(_pixels(name, table) for name in columns if name not in full)
    return short_heads({name: full[name] for name in columns if name in full}, others)


def _metric_of(task: str, info: dict[str, Any]) -> str:
    """A task's main metric in words, such as ``Accuracy of digit ↑``."""
    main = info["main_metric"]
    return metric_head(metric_words(main, info["metrics"]), task, info["metrics"][main]["higher_is_better"])


def _about_column(column: str) -> str:
    metric = column.removesuffix(BEST).removesuffix(LAST)
    return tr("{metric} best value on val.", metric=metric) if column.endswith(BEST) else tr("{metric} last value on val.", metric=metric)


def _title(column: str) -> str:
    """A column's name in the reader's language."""
    if column == "about":
        return tr("Further settings")
    if column.endswith(BEST):
        return tr("{metric} best", metric=column.removesuffix(BEST))
    return tr("{metric} last", metric=column.removesuffix(LAST)) if column.endswith(LAST) else tr(column)


def _take_choice(key: str, preselected: list[int]) -> None:
    """Record that the viewer changed the selection. The browser also reports the preselection, which does not count."""
    if set(st.session_state[key].selection.rows) != set(preselected):
        st.session_state[OWN_CHOICE] = True


def _row(run: Any, summary: dict[str, dict[str, Any]], shown: list[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "pin": "★" if run.pinned else "",
        "name": shown_name(run),
        "about": run.subtitle,
        "status": tr("{status}, archived", status=tr(str(run.status))) if run.archived else tr(str(run.status)),
        "epochs": f"{words.epochs(run.epoch)} / {run.epochs:,}",
    }
    for task, info in (run.info or {}).get("tasks", {}).items():
        entry = summary.get(f"val/{task}/{info['main_metric']}")
        title = _metric_of(task, info)
        row[f"{title}{BEST}"] = entry["best"] if entry else None
        row[f"{title}{LAST}"] = entry["last"] if entry else None
    settings = {"data": run.config.data.own_name, "tasks": ", ".join(run.config.tasks)}
    settings |= {"backbone": run.config.backbone.name, "balancing": run.config.balancing.name}
    return row | settings | _about(run, shown)  # the metrics early, because runs are compared by them


def _about(run: Any, shown: list[Any]) -> dict[str, Any]:
    """Lineage, tags and note. A column exists only if a shown run has a value for it."""
    about: dict[str, Any] = {"time": words.duration(run.seconds), "made": words.moment(run.created_at)}
    if any(other.parent for other in shown):
        parent = next((shown_name(other) for other in shown if other.id == run.parent), run.parent)
        about["forked from"] = tr("{parent}, epoch {epoch}", parent=parent, epoch=run.parent_epoch) if run.parent else ""
    if any(other.tags for other in shown):
        about["tags"] = ", ".join(run.tags)
    if any(other.note for other in shown):
        about["note"] = run.note
    return about


def _tools(chosen: list[Any], matching: int, every: int, own_choice: bool, are_newest: bool) -> None:
    """Draw the row of buttons, always, so that a selection moves nothing. Archive and Delete need a selection that the viewer made.

    Args:
        are_newest: whether the runs that are selected while the viewer has selected none are the newest; else they are the first of the table.
    """
    ids, one = [run.id for run in chosen], len(chosen) == 1
    some, all_of_them = mark("{matching:,} of {every:,} {every:run|runs}"), mark("{every:,} {every:run|runs}")
    count = tr(some if matching < every else all_of_them, matching=matching, every=every)
    selected = mark("**{chosen}** selected") if own_choice or not chosen else _selected_at_first(one, are_newest)
    st.markdown(f"{count} · {tr(selected, chosen=len(chosen))}", width="content")
    st.space("stretch")
    st.button(tr("Open"), icon=":material/open_in_new:", key="selection.open", disabled=not one, on_click=_open, args=(ids,))
    about = tr("Select one run.")
    st.button(
        tr("Name, note, tags"),
        icon=":material/edit:",
        key="selection.describe",
        help=about,
        disabled=not one,
        on_click=open_dialog,
        args=("describe", ids),
    )
    pinned = bool(chosen) and all(run.pinned for run in chosen)
    icon = ":material/keep_off:" if pinned else ":material/keep:"
    st.button(
        tr("Unpin") if pinned else tr("Pin"), icon=icon, key="selection.pin", disabled=not chosen, on_click=_each, args=(ids, actions.pin, not pinned)
    )
    archived = bool(chosen) and all(run.archived for run in chosen)
    label, icon = (tr("Bring back"), ":material/unarchive:") if archived else (tr("Archive"), ":material/archive:")
    off, about = not chosen or not own_choice, None if own_choice else tr("Tick runs in the table first. The current selection is automatic.")
    st.button(label, icon=icon, key="selection.archive", help=about, disabled=off, on_click=_each, args=(ids, actions.archive, not archived))
    st.button(tr("Delete"), icon=":material/delete:", key="selection.delete", help=about, disabled=off, on_click=open_dialog, args=("delete", ids))


def _selected_at_first(one: bool, are_newest: bool) -> str:
    if one:
        return mark("the newest is selected") if are_newest else mark("the first is selected")
    return mark("the newest **{chosen}** are selected") if are_newest else mark("the first **{chosen}** are selected")


def _open(ids: list[str]) -> None:
    go_to("run", run=ids[0])


def _each(ids: list[str], action: Any, value: bool) -> None:
    refused = None
    for run_id in ids:
        if not run_action(run_id, action, value):
            refused = st.session_state["refused"]
    if refused:
        st.session_state["refused"] = refused
