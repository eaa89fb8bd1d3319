"""The page of a run, with the same parts while it trains and after it has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.runs.artifacts import probe_epochs
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from ui.drawing.contact_sheets import epoch_slider, legend, probe_sheet, task_of
from ui.drawing.network_panel import network_panel
from ui.drawing.plotly_chart import load_ahead
from ui.drawing.run_charts import View, colours_of, panel_style, scalars_feed, task_panels, training_charts, view_controls
from ui.evaluation.evaluation_tab import asked_view, evaluation_tab, view_choice
from ui.run.affinity_panel import affinity_panel, has_affinities
from ui.run.baseline_run import choose_baseline, with_baseline
from ui.run.cost_tab import cost_tab
from ui.run.explain_popover import explain_popover, explain_task
from ui.run.export_panel import copy_as, export_panel
from ui.run.failure_card import ending_card
from ui.run.gradient_charts import gradient_panels, gradients_are_shown, ownership_panel
from ui.run.next_steps import next_steps
from ui.run.pace import slower_than_usual
from ui.run.panel_layout import Layout, layout_controls, panel_layout, task_key
from ui.run.run_header import header
from ui.run.sharing_panel import has_learnt, sharing_panel
from ui.run.steering import steering
from ui.run.task_rows import task_rows
from ui.run.task_vector_charts import has_task_vectors, task_vector_panels
from ui.shell import words
from ui.shell.element_keys import element_key
from ui.shell.error_boundary import worded
from ui.shell.language_choice import kept_tabs
from ui.shell.state import run_store, torch_is_ready, whole_page_if_asked
from ui.status.status_bar import draw_strip, notice_endings, polling_strip
from ui.train.sample_preview import sample_at_hand

# A refresh takes time from the cores that train: about 0.65 s of one core where the browser draws in software. So the page refreshes often at
# the beginning of a short run, less often afterwards, and seldom in a long run. Before the first steps the page is short and costs little.
BEGINNING, REFRESH_AT_FIRST = 20.0, 2.0
REFRESH_SECONDS = ((600, 4.0), (float("inf"), 10.0))  # (expected length of the run in seconds, seconds between refreshes)
DETAILS_AFTER = 3  # refreshes
TEST_TILES = 4  # in a row; more would cut off their texts
BESIDE = ("conflict", "predictions")  # panels that share a row of a wide screen until the viewer chooses otherwise
TRANSLATED = 300  # newest lines of the log that are in the reader's language; to look one up takes about a millisecond the first time
SOON_SECONDS = 1.0  # between refreshes while a pause or stop is pending, and before the first steps


def show_run(run_id: str) -> None:
    """Draw the page. While the run is active, one fragment refreshes the live part and another one, less often, the details below.

    Afterwards only the status bar polls.
    """
    run = run_store().get(run_id)
    view = asked_view()
    every = None if run.status.is_ended() else _page_seconds(run)
    with st.container():
        # Each part has the same place while the run is active and after its end, whether the export panel is open or not. What stood in another
        # place stays in the browser until the whole page is drawn: header and charts would be there twice.
        with st.container():
            export_panel(run.id)  # outside the live part, whose refresh could lose a download
        if every is None:
            with st.container():
                polling_strip(run.id)
                st.fragment(_still)(run.id, view)
        else:
            st.fragment(_live, run_every=every)(run.id, every, view, _waits_for_steps(run))
    if view == "training" or not run.info:
        with st.container():
            st.fragment(_details, run_every=every and DETAILS_AFTER * every)(run.id)


@worded
def _live(run_id: str, every: float, view: str, waits: bool) -> None:
    if waits and not _waits_for_steps(run_store().get(run_id)):
        st.rerun()  # first, so that the first curves are not drawn here and then again at their own pace
    draw_strip(own_run=run_id)
    with st.container():
        _draw_run(run_id)
    run = run_store().get(run_id)
    now = _page_seconds(run)
    slower, sooner = now > every, now == SOON_SECONDS != every
    if notice_endings(run_store()) or run.status.is_ended() or slower or sooner or asked_view() != view:
        st.rerun()
    whole_page_if_asked()


@worded
def _still(run_id: str, view: str) -> None:
    _draw_run(run_id)
    if not run_store().get(run_id).status.is_ended() or asked_view() != view:  # it was just resumed, or another tab was chosen
        st.rerun()
    whole_page_if_asked()


def _page_seconds(run) -> float:
    """Seconds between refreshes of this page. While a viewer waits for the first curves it is short and costs little."""
    return SOON_SECONDS if _waits_for_steps(run) and run.seconds < BEGINNING else refresh_seconds(run)


def _waits_for_steps(run) -> bool:
    """Whether a run has begun and has no step yet, and so no curve."""
    return run.status == RunStatus.RUNNING and not run.step


def refresh_seconds(run) -> float:
    """Seconds between refreshes of a live run's curves."""
    if run.status in (RunStatus.PAUSING, RunStatus.STOPPING):
        return SOON_SECONDS
    expected = run.seconds + (run.eta_seconds or 0.0)
    if run.seconds < BEGINNING and expected < REFRESH_SECONDS[0][0]:
        return REFRESH_AT_FIRST
    return next(seconds for longest, seconds in REFRESH_SECONDS if expected < longest)


def _draw_run(run_id: str) -> None:
    store = run_store()
    run = store.get(run_id)
    # Separate containers: the upper part may grow (when PyTorch is loaded or the first curves come), and elements that move are rebuilt.
    top, rest = st.container(), st.container()
    with top:
        header(store, run)
        ending_card(store, run)
        view = _view_row(store, run) if run.info else "training"
    with rest:
        if view == "evaluation":
            evaluation_tab(store, run)
        elif run.info:
            _training(store, run)
        elif not run.status.is_ended():
            _getting_ready(store, run)


def _view_row(store: RunStore, run) -> str:
    """Draw the choice of the tab; returns the chosen one. Beside it the line about the pace, which comes and goes and so moves nothing."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        view = view_choice()
        if view == "training" and (slow := slower_than_usual(run, scalars_feed(store, run.id)["frame"])):
            st.caption(f":material/speed: {words.plain(slow)}", width="content")
    return view


def _training(store: RunStore, run) -> None:
    summary, feed = store.summary(run.id), scalars_feed(store, run.id)
    with st.container():  # one element whether there are results or not: what follows keeps its place
        if str(run.status) == "finished":
            _test_results(run, summary)
    note = (
        tr("solid: train · dashed: val · grey: before the fork") if run.parent else tr("solid: train · dashed: val · arrow: which way is better")
    )  # only one of the two, so that the controls stay on one line
    steering(store, run, feed["frame"])
    layout, panels = panel_layout(), _panels(store, run, feed)
    tasks = [task_key(task) for task in run.info["tasks"]]
    titles = {**{task_key(task): task for task in run.info["tasks"]}, **{name: title for name, (title, _) in panels.items()}}
    explained = [explain for name, info in run.info["tasks"].items() for explain in explain_task(feed["frame"], name, info)]

    def arranging() -> None:
        explain_popover("tasks", *explained)
        layout_controls(titles, [tasks, list(panels)], layout)

    view = view_controls(tr("Curves"), note, sizes=True, more=lambda: choose_baseline(store, run), beside=arranging)
    feed = with_baseline(store, feed, view.baseline)
    shown = layout.arranged(list(panels))
    pinned = [name for name in shown if name in layout.pinned]
    _draw_panels(panels, pinned, layout, view, feed, key="above_tasks")
    views = {task.removeprefix(task_key("")): replace(view, height=layout.height(task)) for task in layout.arranged(tasks)}
    (task_rows if view.compact else task_panels)(run, feed, summary, views)
    _draw_panels(panels, [name for name in shown if name not in pinned], layout, view, feed, key="below_tasks")


Panels = dict[str, tuple[str, Callable[[dict[str, Any], View], None]]]  # name -> title, and what draws it


def _panels(store: RunStore, run, feed: dict[str, Any]) -> Panels:
    """The panels that this run has beside its tasks', in their default order."""
    frame, has_gradients = feed["frame"], gradients_are_shown(run, feed["frame"])
    every: list[tuple[bool, str, str, Callable[[dict[str, Any], View], None]]] = [
        (has_gradients, "conflict", tr("Gradient conflict"), lambda feed, view: gradient_panels(run, feed, view)),
        (True, "predictions", tr("Predictions"), lambda feed, view: _predictions(store, run, rows=round(view.height + 0.1))),
        (has_task_vectors(run), "vectors", tr("Task vectors"), lambda feed, view: task_vector_panels(run, feed, view)),
        (has_learnt(frame), "sharing", tr("What the sharing scheme learns"), lambda feed, view: sharing_panel(run, feed)),
        (has_gradients, "ownership", tr("Who owns the shared network"), lambda feed, view: ownership_panel(run, feed, view)),
        (has_affinities(run), "affinity", tr("Which tasks go together"), lambda feed, view: affinity_panel(run, feed)),
        (True, "training", tr("Loss weights and learning rate"), lambda feed, view: training_charts(run, feed, view)),
    ]
    return {name: (title, draw) for is_there, name, title, draw in every if is_there}


def _draw_panels(panels: Panels, names: list[str], layout: Layout, view: View, feed: dict[str, Any], key: str) -> None:
    """Draw these panels in a grid. CSS gives each its width (``ui/shell/styles.py``); by default the first two share a row of a wide screen."""
    if not names:
        return
    with st.container(key=key):
        for name in names:
            width = layout.width(name)
            if width == "auto" and name not in BESIDE:
                width = "whole"
            with st.container(key=f"area_{width}_{name.replace('_', '-')}"):
                panels[name][1](feed, replace(view, height=layout.height(name)))


def _getting_ready(store: RunStore, run) -> None:
    if str(run.status) == "queued":
        st.caption(tr("Curves and predictions appear here when the run trains."))
        return
    torch_is_ready()
    load_ahead()
    lines = store.log(run.id)
    now = words.plain(tr(lines[-1].text)) if lines else tr("the data are loaded and the first steps are timed")
    st.markdown(tr(":material/hourglass_top: **Preparing:** {now}. :gray[Curves appear when training starts.]", now=now))
    sample_at_hand(store, run.config)


def _test_results(run, summary: dict[str, Any]) -> None:
    """Draw the test results, measured once at the end with the best checkpoint on val."""
    tasks = run.info["tasks"]
    measured = [task for task in tasks if any(key.startswith(f"test/{task}/") for key in summary)]
    if not measured:
        return
    st.subheader(tr("On the test images"), anchor=False, help=tr("Measured once, at the end, with the best checkpoint on val."))
    st.caption(tr(words.ONE_SEED))
    panel_style(tasks, colours_of(run.config), prefix="test")
    for start in range(0, len(tasks), TEST_TILES):
        for place, task in zip(st.columns(TEST_TILES), list(tasks)[start : start + TEST_TILES], strict=False):
            with place.container(border=True, key=element_key("test", task)):
                _test_tile(task, tasks[task], summary, has_labels=task in measured)


def _test_tile(task: str, info: dict[str, Any], summary: dict[str, Any], has_labels: bool) -> None:
    metric = info["metrics"][info["main_metric"]]
    better = words.better(metric["higher_is_better"])
    title = tr(
        "{better} {task}: {metric}", better=better, task=words.plain(task), metric=words.plain(tr(metric["title"]))
    ).strip()  # the end of a long title is cut off
    if not has_labels:
        st.metric(title, tr("no labels"), help=tr("No test image is labelled for this task."))
        return
    entry = summary.get(f"test/{task}/{info['main_metric']}")
    st.metric(title, words.measured(entry["last"] if entry else None, metric.get("unit", "")))


def _predictions(store: RunStore, run, rows: int) -> None:
    epochs = probe_epochs(store.folder(run.id))
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.subheader(tr("Predictions"), anchor=False, width="content")
        st.page_link(
            "pages/predictions.py", label=tr("Open all probe images, enlarged"), icon=":material/open_in_full:", query_params={"run": run.id}
        )
    if not epochs:
        st.caption(tr("The first predictions, those of the untrained network, appear when the run starts."))
        return
    if not torch_is_ready():
        return
    epoch = epoch_slider(run.id, epochs, key="run.epoch")
    tasks, colours = run.info["tasks"], colours_of(run.config)
    panel_style(tasks, colours, prefix="probe")
    for start in range(0, len(tasks), 2):
        for place, name in zip(st.columns(2), list(tasks)[start : start + 2], strict=False):
            with place.container(border=True, key=element_key("probe", name), gap="small"):
                st.markdown(tr("**{name}** :gray[after epoch {epoch}]", name=words.plain(name), epoch=epoch))
                sheet = probe_sheet(store.folder(run.id), epoch, name, tasks[name], columns=5, rows=rows, width=640, text_height=17)
                st.image(sheet, width="stretch", alt=tr("Targets and predictions of {name} after epoch {epoch}", name=name, epoch=epoch))
                legend(task_of(name, tasks[name]))


@worded
def _details(run_id: str) -> None:
    """Draw what next, settings and log. They make up a third of the browser's cost of a refresh, so they refresh less often."""
    store = run_store()
    run = store.get(run_id)
    ended = run.status.is_ended() and bool(run.info)
    # A key of its own for the end of a run: it opens what next for a person who watched.
    names = [*([mark("What next?")] if ended else []), mark("Settings"), mark("Network"), mark("Cost"), mark("Log")]
    tabs = kept_tabs(names, f"below.{run_id}.{ended}", first=names[0] if ended else names[-1])
    if ended:
        with tabs[0]:
            next_steps(run)
    with tabs[-4]:
        copy_as(store, run)
    with tabs[-3]:
        network_panel(run.config, colours_of(run.config))
    with tabs[-2]:
        cost_tab(store, run)
    lines = store.log(run.id)
    older = max(0, len(lines) - TRANSLATED)
    said = [line.text if place < older else tr(line.text) for place, line in enumerate(lines)]
    text = "\n".join(f"{words.moment(line.time, '%H:%M:%S')}  {line.level:<7} {told}" for line, told in zip(lines, said, strict=True))
    tabs[-1].code(text or tr("The log is empty so far."), language=None, height=360 if len(lines) > 12 else "content")
