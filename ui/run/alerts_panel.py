"""Alerts of a run: what it has reported, and the thresholds that a viewer sets while it trains."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.runs.alerts.thresholds import Threshold, add_threshold, remove_threshold, thresholds
from mtl_core.runs.run_record import Alert
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import scalar_words, told
from ui.shell import words
from ui.shell.state import run_action
from ui.status.notices import notification_switch

SHOWN = 12  # alerts, newest first; the log has all
SIDES = {True: mark("rises above"), False: mark("falls below")}


def alerts_popover(store: RunStore, run: Any) -> None:
    """Draw the button that opens the alerts; its label has their number."""
    alerts = store.alerts(run_id=run.id)
    label = tr("Alerts") if not alerts else tr("Alerts ({count})", count=len(alerts))
    with st.popover(label, icon=":material/notifications:", key=f"alerts.{run.id}"):
        _reported(alerts, run.info.get("tasks", {}) if run.info else {})
        if run.status.is_ended():
            return
        _thresholds(store, run)
        if run.info:
            _new_threshold(run)
        notification_switch()


def _reported(alerts: list[Alert], tasks: dict[str, Any]) -> None:
    if not alerts:
        about = tr("None so far. A run reports by itself: values that are not finite, a stall, a disk that is nearly full.")
        st.caption(about)
        return
    lines = [f":gray[{words.moment(alert.time, '%H:%M:%S')}] {words.plain(told(alert.text, tasks))}" for alert in alerts[::-1][:SHOWN]]
    st.markdown("  \n".join(lines))
    if len(alerts) > SHOWN:
        st.caption(tr("{count} earlier {count:one is|ones are} in the log.", count=len(alerts) - SHOWN))


def _thresholds(store: RunStore, run: Any) -> None:
    for threshold in thresholds(store.folder(run.id)):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(words.plain(in_words(threshold, run.info.get("tasks", {}))))
            key = f"threshold.remove.{run.id}.{threshold.name}"
            st.button(
                "", icon=":material/close:", key=key, type="tertiary", help=tr("Remove"), on_click=run_action, args=(run.id, _remove, threshold.name)
            )


def in_words(threshold: Threshold, tasks: dict[str, Any]) -> str:
    """``Accuracy of digit (val) rises above 0.9``, and when it was reached."""
    named = {"scalar": scalar_words(threshold.key, tasks), "side": tr(SIDES[threshold.above]), "bound": threshold.bound}
    if not threshold.reached:
        return tr("{scalar} {side} {bound:g}", **named)
    return tr("{scalar} {side} {bound:g}: reached, {value:.4g} at step {step:.0f}", **named, **threshold.reached)


def watchable(tasks: dict[str, Any]) -> dict[str, bool]:
    """Scalar key -> whether a higher value is better, for the values that a threshold can be set on: main metrics first."""
    found: dict[str, bool] = {}
    for task, info in tasks.items():
        found[f"val/{task}/{info['main_metric']}"] = bool(info["metrics"][info["main_metric"]]["higher_is_better"])
    for task, info in tasks.items():
        for name, metric in info["metrics"].items():
            found.setdefault(f"val/{task}/{name}", bool(metric["higher_is_better"]))
    return {**found, **{f"train/{task}/loss": False for task in tasks}}


def _new_threshold(run: Any) -> None:
    tasks = run.info["tasks"]
    offered = watchable(tasks)
    key, prefix = f"threshold.key.{run.id}", f"threshold.{run.id}"
    titles = {name: f"{scalar_words(name, tasks)} {words.better(higher)}" for name, higher in offered.items()}
    st.markdown(tr("**Tell me when** :gray[(a toast on every open page, and a line in the log)]"))
    chosen = st.selectbox(tr("Value"), list(offered), key=key, format_func=words.text_of(titles), label_visibility="collapsed")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        looks = {"format_func": words.translated(SIDES), "width": 150, "label_visibility": "collapsed"}
        above = st.selectbox(tr("Side"), [True, False], index=0 if offered[chosen] else 1, key=f"{prefix}.side.{chosen}", **looks)
        bound = st.number_input(
            tr("Bound"), value=None, key=f"{prefix}.bound", format="%g", placeholder="0.9", label_visibility="collapsed", width=140
        )
        asked = {"on_click": run_action, "args": (run.id, _add, chosen, above, bound)}
        st.button(tr("Tell me"), key=f"{prefix}.add", disabled=bound is None, **asked)


def _add(store: RunStore, run_id: str, key: str, above: bool, bound: float) -> None:
    add_threshold(store.folder(run_id), key, above, float(bound))
    store.artifacts.keep(run_id)


def _remove(store: RunStore, run_id: str, name: str) -> None:
    remove_threshold(store.folder(run_id), name)
    store.artifacts.keep(run_id)
