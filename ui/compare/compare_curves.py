"""Comparison of the selected runs: a small chart per task and metric, and any recorded value on demand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from mtl_core.analysis.scalar_rows import scalar_rows
from mtl_core.figures.colours import GREY
from mtl_core.figures.curves import curve_chart
from mtl_core.language import mark, tr
from mtl_core.runs.store import RunStore
from ui.compare.compare_groups import Group, about_groups, curve_of, groups_of, legend
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.run_charts import View, colours_of, is_share, nothing_of, panel_style, scalars_feed, view_controls
from ui.shell import words
from ui.shell.element_keys import element_key
from ui.shell.run_picker import box_texts
from ui.shell.state import hold, hold_first

TITLES = {"optimizer/lr": mark("Learning rate"), "optimizer/loss": mark("Combined loss of all tasks")}
MAIN = "main metric"
IN_A_ROW = 3
NO_BASELINE = "none"


def overlay(store: RunStore, chosen: list[Any]) -> None:
    """Draw the curves of the selected runs: controls, one legend, and a chart for each task and chosen metric."""
    view = view_controls(tr("Curves"), tr("on val, after each epoch; one colour per run"))
    tasks = tasks_of(chosen)
    if not tasks:
        over = mark("The selected runs ended before they had any values. The page of each run says why.")
        st.info(tr(over if all(run.status.is_ended() for run in chosen) else mark("None of the selected runs has any values yet.")))
        return
    metrics, by_seed, baseline_name, anything = _controls(tasks, chosen)
    groups = groups_of(chosen, store.places([run.id for run in chosen]), by_seed)
    baseline = next((group for group in groups if any(run.id == baseline_name for run in group.runs)), None)
    shown = [group for group in groups if group is not baseline]
    frames = {run.id: scalars_feed(store, run.id)["rows"] for run in chosen}
    legend(shown)
    task_charts(chosen, tasks, metrics, shown, baseline, frames, view)
    if said := " ".join(filter(None, (about_steps(chosen, tasks, view.axis), about_groups(groups, baseline)))):
        st.caption(said)
    if anything:
        _any_value(store, chosen, shown, baseline, frames, view)


def tasks_of(chosen: list[Any]) -> dict[str, dict[str, Any]]:
    """Task -> its facts, over all selected runs that have started; the first run that has a task describes it."""
    found: dict[str, dict[str, Any]] = {}
    for run in chosen:
        for task, info in (run.info or {}).get("tasks", {}).items():
            found.setdefault(task, info)
    return found


def about_steps(chosen: list[Any], tasks: Iterable[str], axis: str) -> str:
    """A sentence where runs of one chart are drawn over steps, and their epochs have different numbers of them; empty elsewhere."""
    started = [run.info for run in chosen if run.info]
    of_tasks = [{info["steps_per_epoch"] for info in started if task in info["tasks"]} for task in tasks]
    steps = set().union(*(counts for counts in of_tasks if len(counts) > 1))
    if axis != "step" or not steps:
        return ""
    return tr(
        "An epoch has {least:,} to {most:,} steps in these runs, so that at the same step they have seen different numbers of images. "
        "*View* offers the epoch as x axis.",
        least=min(steps),
        most=max(steps),
    )


def metrics_of(tasks: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Choice -> title: the main metric, the loss, then every other metric of any task."""
    found = {MAIN: tr("Main metric"), "loss": tr("Loss")}
    for info in tasks.values():
        for name, about in info["metrics"].items():
            found.setdefault(name, tr(about.get("title") or name))
    return found


def _controls(tasks: dict[str, Any], chosen: list[Any]) -> tuple[list[str], bool, str, bool]:
    """Draw the controls; returns metrics, whether seeds are grouped, the id of the baseline's run (or ``none``), whether any value is shown."""
    titles = metrics_of(tasks)
    with st.container(key="compare_controls", horizontal=True, vertical_alignment="bottom", gap="medium"):
        before = [name for name in st.session_state.get("compare.metrics", []) if name in titles] or [MAIN]
        hold("compare.metrics", before)
        kept: dict[str, Any] = {"persist_state": "session"}
        metrics = st.multiselect(
            tr("Metrics"),
            list(titles),
            before,
            key="compare.metrics",
            format_func=words.text_of(titles),
            width=330,
            wrap=False,
            placeholder=tr("Choose metrics"),
            **kept,
        )
        names = {NO_BASELINE: tr("none")} | box_texts(chosen)
        first = hold_first("compare.baseline", NO_BASELINE, list(names))
        about = tr("Subtracts this run, or its group of seeds, from all others.")
        place = list(names).index(first)
        baseline = st.selectbox(tr("Baseline"), list(names), place, key="compare.baseline", format_func=words.text_of(names), help=about, width=330)
        with st.container(width="content", gap="small"):
            about = tr("One line with a band for runs that differ only in their seed.")
            by_seed = st.toggle(tr("Group seeds"), value=True, key="compare.by_seed", help=about, **kept)
            anything = st.toggle(tr("Any recorded value"), key="compare.anything", help=tr("One more chart for any value of the runs."), **kept)
    return metrics or [MAIN], by_seed, baseline, anything


def task_charts(
    chosen: list[Any],
    tasks: dict[str, dict[str, Any]],
    metrics: list[str],
    groups: list[Group],
    baseline: Group | None,
    frames: dict[str, Any],
    view: View,
) -> None:
    wanted = [(task, name) for task, info in tasks.items() for name in _names(info, metrics)]
    colours = {}
    for run in chosen:
        colours = colours_of(run.config) | colours
    panel_style([f"{task}.{name}" for task, name in wanted], {f"{task}.{name}": colours[task] for task, name in wanted}, prefix="compared_task")
    columns = min(IN_A_ROW, len(wanted)) if len(wanted) != 4 else 2
    for start in range(0, len(wanted), columns):
        for place, (task, name) in zip(st.columns(columns), wanted[start : start + columns], strict=False):
            metric = tasks[task]["metrics"].get(name, {})
            with place.container(border=True, gap="small", key=element_key("compared_task", f"{task}.{name}")):
                title = words.plain(words.with_unit(tr(metric.get("title") or name), metric.get("unit", "")))
                way = words.better(metric.get("higher_is_better"))
                st.markdown(f"**{words.plain(task)}** :gray[{title} {way}{_direction(metric) if baseline else ''}]")
                having = [group for group in groups if any(task in (run.info or {}).get("tasks", {}) for run in group.runs)]
                chart = _chart(having, frames, f"val/{task}/{name}", view, baseline, share=is_share(metric))
                plot(prepared(chart, tr("{title} of {task} in the selected runs", title=title, task=task)), key=f"compare.chart.{task}.{name}")


def _names(info: dict[str, Any], metrics: list[str]) -> list[str]:
    names = [info["main_metric"] if name == MAIN else name for name in metrics]
    return [name for name in dict.fromkeys(names) if name in info["metrics"] or name == "loss"]


def _direction(metric: dict[str, Any]) -> str:
    way = metric.get("higher_is_better")
    if way is None:
        return ""
    return tr("; above 0 is better than the baseline") if way else tr("; below 0 is better than the baseline")


def _chart(groups: list[Group], frames: dict[str, Any], key: str, view: View, baseline: Group | None, *, share: bool, height: int = 210) -> Any:
    curves = [curve_of(_with_values(group, frames, key), frames, key, view.axis, baseline) for group in groups if _has(group, frames, key)]
    looks = {"smoothing": view.smoothing, "log_y": view.log_y and baseline is None, "share": share and baseline is None}
    zero_line = "" if baseline is None else GREY
    looks |= {"zero_line": zero_line, "nothing": nothing_of(run for group in groups for run in group.runs)}
    return curve_chart([curve for curve in curves if len(curve.x)], height=height, x_title=tr(view.axis), **looks)


def _has(group: Group, frames: dict[str, Any], key: str) -> bool:
    return any(scalar_rows(frames[run.id]).count(key) for run in group.runs)


def _with_values(group: Group, frames: dict[str, Any], key: str) -> Group:
    """The group without the runs that have no value yet, so that a queued seed does not empty the line of the others."""
    return Group(group.name, tuple(run for run in group.runs if scalar_rows(frames[run.id]).count(key)), group.colour, group.dash)


def _any_value(store: RunStore, chosen: list[Any], groups: list[Group], baseline: Group | None, frames: dict[str, Any], view: View) -> None:
    summaries = store.summaries([run.id for run in chosen])
    about = {key: entry for summary in summaries.values() for key, entry in summary.items()}
    keys = sorted(about, key=_importance)
    if not keys:
        return
    first = hold_first("compare.key", keys[0], keys)
    titles = {key: title_of_scalar(key, about[key]) for key in keys}
    key = st.selectbox(tr("Recorded value"), keys, keys.index(first), key="compare.key", width=420, format_func=words.text_of(titles))
    st.caption(described(key, about[key]))
    chart = _chart(groups, frames, key, view, baseline, share=is_share(about[key]), height=320)
    plot(prepared(chart, tr("{title} of the selected runs", title=titles[key])), key="compare.chart")


def _importance(key: str) -> tuple[int, str]:
    """Sort key: held-out metrics first, then losses, then the rest."""
    split, _, rest = key.partition("/")
    order = {"val": 0, "selection": 1, "test": 2, "train": 3}.get(split, 4)
    return (order * 2 + (rest.endswith("/loss")), key)


def title_of_scalar(key: str, entry: dict[str, Any]) -> str:
    """A scalar in words, such as ``digit: Accuracy (val)``; its key where it has no title of its own."""
    split, _, rest = key.partition("/")
    if split in ("val", "train", "test") and "/" in rest:
        return f"{rest.rpartition('/')[0]}: {tr(entry.get('title') or rest.rpartition('/')[2])} ({tr(split)})"
    if key in TITLES:
        return tr(TITLES[key])
    what = tr(split.replace("_", " ").capitalize())
    first, *others = rest.split("/")
    names = tr("{first} and {second}", first=first, second=" and ".join(others)) if others else first
    return tr("{what}: {names}", what=what, names=names) if rest else what


def described(key: str, entry: dict[str, Any]) -> str:
    """A scalar's title and unit, and whether higher or lower is better."""
    title = tr(TITLES.get(key) or entry.get("title") or key)
    if key.startswith("loss_weight/"):
        title = tr("Loss weight of {title}", title=title)
    way = {True: tr("; higher is better"), False: tr("; lower is better")}.get(entry["higher_is_better"], "")
    return f"{words.plain(words.with_unit(title, entry.get('unit', '')))}{way}."
