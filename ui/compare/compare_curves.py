"""Comparison of the selected runs: curves of one scalar in one chart, and the settings that differ."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.figures.colours import run_styles
from mtl_core.figures.curves import curve_figure
from mtl_core.runs.store import RunStore
from ui.compare.runs_table import summary_of
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.run_charts import is_share, one_curve, scalars_feed, view_controls
from ui.shell import words

TITLES = {"optimizer/lr": "Learning rate", "optimizer/loss": "Combined loss of all tasks"}


def overlay(store: RunStore, runs: list[Any], chosen: list[Any]) -> None:
    """Draw one scalar of all selected runs, with a colour for each run."""
    summaries = {run.id: summary_of(store, run) for run in chosen}
    keys = sorted({key for summary in summaries.values() for key in summary}, key=_importance)
    if not keys:
        st.info("None of the selected runs has any values yet.")
        return
    view = view_controls("Curves", "one colour per run")
    if not st.session_state.get("compare.key_picked") or st.session_state.get("compare.key") not in keys:
        st.session_state["compare.key"] = first_key(keys, summaries, {run.id: run.info for run in chosen})
    kept: dict[str, Any] = {"label_visibility": "collapsed", "persist_state": "session"}
    place = keys.index(st.session_state["compare.key"])
    key = st.selectbox("What to compare", keys, place, key="compare.key", width=420, on_change=_key_was_picked, **kept)
    styles = run_styles([run.id for run in reversed(runs)])
    curves = []
    for run in chosen:
        colour, dash = styles[run.id]
        curve = one_curve(scalars_feed(store, run.id)["frame"], key, _legend(run, summaries[run.id].get(key), chosen), colour, view.axis, dash)
        if len(curve.x):
            curves.append(curve)
    _note(key, summaries)
    share = is_share(next((summary[key] for summary in summaries.values() if key in summary), {}))
    figure = curve_figure(curves, smoothing=view.smoothing, log_y=view.log_y, share=share, height=380, legend=True, x_title=view.axis)
    plot(prepared(figure, f"{key} of the selected runs"), key="compare.chart")


def first_key(keys: list[str], summaries: dict[str, dict[str, Any]], infos: dict[str, dict[str, Any]]) -> str:
    """The main metric on val that most runs have; the first key where no run has one."""
    mains = {f"val/{task}/{about['main_metric']}" for info in infos.values() for task, about in (info or {}).get("tasks", {}).items()}
    return max((key for key in keys if key in mains), key=lambda key: sum(key in summary for summary in summaries.values()), default=keys[0])


def _key_was_picked() -> None:
    st.session_state["compare.key_picked"] = True


def _importance(key: str) -> tuple[int, str]:
    """Sort key: held-out metrics first, then losses, then the rest."""
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
    """A scalar's title and unit, and whether higher or lower is better."""
    title = TITLES.get(key) or entry.get("title") or key
    if key.startswith("loss_weight/"):
        title = f"Loss weight of {title}"
    way = {True: "; higher is better", False: "; lower is better"}.get(entry["higher_is_better"], "")
    return f"{words.plain(words.with_unit(title, entry.get('unit', '')))}{way}."


def differences(chosen: list[Any]) -> None:
    """Draw a table of the settings that differ between the selected runs."""
    st.subheader("Settings that differ", anchor=False)
    if len(chosen) < 2:
        st.caption("Select a second run to see which settings differ.")
        return
    table = config_differences(as_trained(chosen))
    if table.empty:
        st.caption("No setting differs: the selected runs have the same settings.")
        return
    st.dataframe(table)


def as_trained(chosen: list[Any]) -> dict[str, dict[str, Any]]:
    """Each run's settings, with the actual device, precision and layout for ``auto``. Once all have started, also machine and PyTorch."""
    found = {_label(run): {**run.config.to_dict(), **run.computed} for run in chosen}
    if all(run.info for run in chosen):
        for run in chosen:
            versions = run.info.get("versions", {})
            found[_label(run)] |= {"computed on": run.info.get("device_name", ""), "PyTorch": versions.get("torch", "")}
    return found


def _label(run) -> str:
    return f"{run.name} ({run.id[-4:]})"


def config_differences(configs: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Table (dotted key x run, text) of the settings that differ. A dash marks a run without the key; such rows come last."""
    flat = {name: dict(_flat(config)) for name, config in configs.items()}
    keys = list(dict.fromkeys(key for values in flat.values() for key in values))
    rows = {key: {name: str(values.get(key, "–")) for name, values in flat.items()} for key in keys if key != "name"}
    orders = {name: list(config.get("tasks", ())) for name, config in configs.items()}
    if len({frozenset(order) for order in orders.values()}) == 1:  # another order of the same tasks gives other initial values
        rows["order of the tasks"] = {name: ", ".join(order) for name, order in orders.items()}
    different = {key: row for key, row in rows.items() if len(set(row.values())) > 1}
    ordered = sorted(different, key=lambda key: key in keys and any(key not in values for values in flat.values()))
    return pd.DataFrame.from_dict({key: different[key] for key in ordered}, orient="index", columns=list(configs))


def _flat(values: dict[str, Any], parent: str = ""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{parent}{key}.")
        else:
            yield f"{parent}{key}", value
