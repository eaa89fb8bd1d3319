"""All runs: choosing one, the table, curves over each other, differences of settings."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.figures.colours import run_styles
from mtl_core.figures.curves import curve_figure
from mtl_core.runs.store import RunStore
from ui import words
from ui.charts import one_curve, scalars_feed, view_controls
from ui.plot import plot, prepared
from ui.state import hold

OFFERED = 100  # runs to choose from in a box; Compare has all of them
FIRST_SHOWN = 4  # runs selected in the table before the viewer chose any
TITLES = {"optimizer/lr": "Learning rate", "optimizer/loss": "Combined loss of all tasks"}


def no_runs(what_appears: str) -> None:
    """An empty page says what will appear and offers the one action that makes it appear."""
    st.info(f"There are no runs yet. {what_appears}", icon=":material/info:")
    st.page_link("pages/train.py", label="Train the first one", icon=":material/play_arrow:")


def asked_run(runs: list[Any]) -> str | None:
    """The run in the URL, the newest without one; None, with a sentence, where it does not exist."""
    asked = st.query_params.get("run")
    ids = [run.id for run in runs]
    newest = next((run.id for run in runs if not run.archived), ids[0])
    matches = [run_id for run_id in ids if asked and run_id.startswith(asked)]
    known = newest if not asked else (matches[0] if len(matches) == 1 else (asked if asked in ids else None))
    if known is None:
        st.error(
            f"There is no run '{words.plain(asked or '')}' in this store. It may have been made with another MTL_HOME.", icon=":material/search_off:"
        )
        st.page_link("pages/run.py", label="Open the newest run", icon=":material/arrow_forward:", query_params={"run": newest})
        return None
    st.query_params["run"] = known
    return known


def run_picker(known: list[dict[str, Any]], current: str, width: Any = "stretch") -> None:
    """A box to go to another run, where there is one: pinned ones first, then the newest."""
    shown = sorted((run for run in known if not run["archived"] or run["id"] == current), key=lambda run: not run["pinned"])
    offered = [run for place, run in enumerate(shown) if place < OFFERED or run["id"] == current]
    if len(offered) < 2:
        return
    # Nothing that changes stands in the text: Streamlit keeps a choice by its text, and would lose it.
    names = {run["id"]: f"{run['name']}  ·  {words.moment(run['created_at'])}  ·  {run['id'][-4:]}" for run in offered}
    hold("picked_run", current)
    st.selectbox(
        "Run", list(names), key="picked_run", format_func=names.__getitem__, on_change=_go_to_picked, label_visibility="collapsed", width=width
    )
    if st.session_state.pop("go_to_run", False):
        st.rerun()  # also where the box stands in a fragment


def _go_to_picked() -> None:
    st.query_params["run"] = st.session_state["picked_run"]
    st.query_params.pop("epoch", None)
    st.session_state["go_to_run"] = True


def runs_table(store: RunStore, runs: list[Any]) -> list[Any]:
    """The table; returns the selected runs, newest first. The selection is in the URL and follows the runs, not the rows."""
    ids = [run.id for run in runs]
    asked = [run_id for run_id in st.query_params.get("runs", "").split(",") if run_id in ids]
    before = asked or [run.id for run in runs if run.step][:FIRST_SHOWN] or ids[:1]
    summaries = {run.id: store.summary(run.id) for run in runs}
    table = pd.DataFrame([_row(run, summaries[run.id]) for run in runs])
    event = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(run_id) for run_id in before]}},
        key=f"compare.table.{len(runs)}",
        column_config={
            "name": st.column_config.TextColumn("Run", pinned=True, width="medium"),
            **{
                column: st.column_config.NumberColumn(column, format="%.3f", help="On val.")
                for column in table.columns
                if column.endswith((" best", " last"))
            },
        },
    )
    chosen = [ids[row] for row in event.selection.rows if row < len(ids)]
    st.query_params["runs"] = ",".join(chosen)
    return [run for run in runs if run.id in chosen]


def _row(run, summary: dict[str, dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": run.name,
        "status": str(run.status),
        "data": run.config.data.name,
        "backbone": run.config.backbone.name,
        "balancing": run.config.balancing.name,
        "tasks": ", ".join(run.config.tasks),
        "epochs": f"{run.epoch:.3g} / {run.epochs}",
    }
    for task, info in (run.info or {}).get("tasks", {}).items():
        main = info["main_metric"]
        entry = summary.get(f"val/{task}/{main}")
        metric = info["metrics"][main]
        title = f"{task} {main} {words.better(metric['higher_is_better'])}".rstrip()
        row[f"{title} best"] = entry["best"] if entry else None
        row[f"{title} last"] = entry["last"] if entry else None
    return row | {"time": words.duration(run.seconds), "made": words.moment(run.created_at)}


def overlay(store: RunStore, runs: list[Any], chosen: list[Any]) -> None:
    """One scalar of all selected runs, a colour each."""
    summaries = {run.id: store.summary(run.id) for run in chosen}
    keys = sorted({key for summary in summaries.values() for key in summary}, key=_importance)
    if not keys:
        st.info("None of the selected runs has measured anything yet.")
        return
    view = view_controls("Curves", "one colour per run")
    if st.session_state.get("compare.key") not in keys:
        st.session_state["compare.key"] = keys[0]
    key = st.selectbox("What to compare", keys, key="compare.key", width=420, label_visibility="collapsed", persist_state="session")
    styles = run_styles([run.id for run in reversed(runs)])
    curves = []
    for run in chosen:
        colour, dash = styles[run.id]
        curve = one_curve(scalars_feed(store, run.id)["frame"], key, _legend(run, summaries[run.id].get(key), chosen), colour, view.axis, dash)
        if len(curve.x):
            curves.append(curve)
    _note(key, summaries)
    figure = curve_figure(curves, smoothing=view.smoothing, log_y=view.log_y, height=380, legend=True, x_title=view.axis)
    plot(prepared(figure, f"{key} of the selected runs"), key="compare.chart")


def _importance(key: str) -> tuple[int, str]:
    """Held-out metrics first, then losses, then the rest."""
    split, _, rest = key.partition("/")
    order = {"val": 0, "selection": 1, "test": 2, "train": 3}.get(split, 4)
    return (order * 2 + (rest.endswith("/loss")), key)


def _legend(run, entry: dict[str, Any] | None, chosen: list[Any]) -> str:
    same_name = sum(other.name == run.name for other in chosen) > 1
    name = f"{run.name} ({words.moment(run.created_at)})" if same_name else run.name
    return f"{name}: best {words.measured(entry['best'])}" if entry and entry["higher_is_better"] is not None else name


def _note(key: str, summaries: dict[str, dict[str, Any]]) -> None:
    entry = next((summary[key] for summary in summaries.values() if key in summary), None)
    if entry:
        st.caption(described(key, entry))


def described(key: str, entry: dict[str, Any]) -> str:
    """A scalar's title and unit, and which way is better where one is."""
    title = TITLES.get(key) or entry.get("title") or key
    if key.startswith("loss_weight/"):
        title = f"Loss weight of {title}"
    unit = f", in {entry['unit']}" if entry.get("unit") else ""
    way = {True: "; higher is better", False: "; lower is better"}.get(entry["higher_is_better"], "")
    return f"{words.plain(title + unit)}{way}."


def differences(chosen: list[Any]) -> None:
    """The settings that are not the same in all selected runs."""
    st.subheader("What differs in the settings", anchor=False)
    if len(chosen) < 2:
        st.caption("Select a second run to see which settings differ.")
        return
    table = config_differences({_label(run): run.config.to_dict() for run in chosen})
    if table.empty:
        st.caption("Nothing: the selected runs have the same settings.")
        return
    st.dataframe(table)


def _label(run) -> str:
    return f"{run.name} ({run.id[-4:]})"


def config_differences(configs: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Setting x run, as text, of the dotted keys whose values are not all equal; a dash where a run has no such key."""
    flat = {name: dict(_flat(config)) for name, config in configs.items()}
    keys = list(dict.fromkeys(key for values in flat.values() for key in values))
    rows = {key: {name: str(values.get(key, "–")) for name, values in flat.items()} for key in keys if key != "name"}
    different = {key: row for key, row in rows.items() if len(set(row.values())) > 1}
    return pd.DataFrame.from_dict(different, orient="index", columns=list(configs))


def _flat(values: dict[str, Any], parent: str = ""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{parent}{key}.")
        else:
            yield f"{parent}{key}", value
