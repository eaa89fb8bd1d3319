"""The page of a run, with the same parts while it trains and after it has ended."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from mtl_core.analysis.kept_results import Remade
from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs import jobs
from mtl_core.runs.sets.set_states import before_training
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from ui.compare.race_table import CONSTANT, no_better
from ui.drawing.network_panel import network_panel
from ui.drawing.plotly_chart import load_ahead
from ui.drawing.run_charts import colours_of, kept_summary, panel_style, scalars_feed, task_panels, view_controls
from ui.evaluation.evaluation_tab import asked_view, evaluation_tab, view_choice
from ui.run.baseline_run import choose_baseline, with_baseline
from ui.run.cost_tab import cost_tab
from ui.run.explain_popover import explain_popover, explain_task
from ui.run.export_panel import copy_as, export_panel
from ui.run.failure_card import ending_card
from ui.run.live_page import TOP, LivePage, Moment, Values
from ui.run.next_steps import next_steps
from ui.run.pace import slower_than_usual
from ui.run.panel_layout import layout_controls, panel_layout, task_key
from ui.run.run_header import header, header_values
from ui.run.run_panels import draw_panels, panels_of
from ui.run.steering import gradient_shares, steering, steering_news
from ui.run.task_rows import task_rows
from ui.shell import words
from ui.shell.element_keys import element_key
from ui.shell.error_boundary import worded
from ui.shell.language_choice import kept_tabs
from ui.shell.page_address import rerun_page
from ui.shell.state import run_store, torch_is_ready, whole_page_if_asked
from ui.shell.styles import columns_in_lines
from ui.status.gauge_bar import gauge_values
from ui.status.status_bar import draw_strip, notice_endings, polling_strip
from ui.status.strip_news import shown_in_strip
from ui.train.sample_preview import sample_at_hand

# A refresh takes time from the cores that train: about 0.3 s of one core where the browser draws in software. So the page refreshes often at
# the beginning of a short run, less often afterwards, and seldom in a long run or where several pages watch it. A browser that draws slowly asks more
# seldom than this (live_news.js). Before the first steps the page is short and costs little.
BEGINNING, REFRESH_AT_FIRST = 12.0, 2.0
REFRESH_SECONDS = ((600, 5.0), (float("inf"), 10.0))  # (expected length of the run in seconds, seconds between refreshes)
ALONE = 2  # pages that watch a run at its pace; more of them slow it down to the longest of these
TEST_TILES = 4  # in a row; more would cut off their texts
TRANSLATED = 300  # newest lines of the log that are in the reader's language; to look one up takes about a millisecond the first time
FED_LINES = 100  # newest lines of the log of a run that goes on
TOP_TURNS = 12  # answers with news after which the top of the page is drawn anew in any case
SOON_SECONDS, LONG_WAIT = 1.0, 20.0  # between refreshes while a pause or stop is pending, and before the first curves if they come within 20 s


def show_run(run_id: str) -> None:
    """Draw the page in parts. While the run is active, they get its news (``live_page.py``). Afterwards only the status bar polls."""
    store = run_store()
    run = store.get(run_id)
    page = LivePage(lambda page: _moment(run_store(), run_store().get(run_id), page), _page_seconds)
    page.known = _moment(store, run, page)
    try:
        _draw_page(store, page, asked_view())
    finally:
        page.known = None  # its fragments read the run anew


def _draw_page(store: RunStore, page: LivePage, view: str) -> None:
    run, shape = page.moment().run, _shape(page.moment())
    with st.container():
        # Each part has the same place while the run is active and after its end, whether the export panel is open or not. What stood in another
        # place stays in the browser until the whole page is drawn: header and charts would be there twice.
        if run.status.is_ended():
            with st.container():
                polling_strip(run.id)
                st.fragment(_still)(run.id, view)
        else:
            page.part(TOP, partial(_live, page, view, shape), partial(_top_news, page), ended=False)
        with st.container():
            export_panel(run.id)  # below its button, and outside the live part, whose refresh could lose a download
        with st.container():
            if run.info and view == "evaluation":
                page.part("evaluation", lambda now: evaluation_tab(run_store(), now.run), _epochs, run.status.is_ended())
            elif run.info:
                _training(store, page)
    if view == "training" or not run.info:
        with st.container(key="details"):
            page.part("details", lambda now: _details(run_store(), now), partial(_said, page), run.status.is_ended(), ".st-key-details", is_slow=True)


def _moment(store: RunStore, run: Any, page: LivePage) -> Moment:
    """The run now. Its feed is a copy for this page: ``page`` while the run is active, ``has_ended``, and ``marks``, which differ when the charts'
    marks do."""
    feed = scalars_feed(store, run.id)
    with feed["lock"]:
        summary = kept_summary(store, run, feed)
        feed = with_baseline(store, dict(feed), page.baseline)
    marks = sum(change.step <= run.step for change in run.config.changes), run.resumed_step
    has_ended = run.status.is_ended()
    return Moment(run, {**feed, "marks": marks, "has_ended": has_ended, "page": None if has_ended else page}, summary)


def _shape(moment: Moment) -> tuple[Any, ...]:
    """What stands on the page below its top. When it changes, the whole page is drawn."""
    return bool(moment.run.info), *(panels_of(moment) if moment.run.info else ())


def _live(page: LivePage, view: str, shape: tuple[Any, ...], moment: Moment) -> None:
    """Draw the top of the page while the run is active. ``shape``: of the page below it as it was drawn."""
    if _shape(moment) != shape:
        rerun_page()  # first, so that the first curves are not drawn here and then again
    draw_strip(own_run=moment.run.id)
    with st.container():
        _draw_top(moment.run.id, page, moment)
    if moment.run.info:
        page.keep_values(_top_values, _top_values(moment))
    if notice_endings(run_store()) or asked_view() != view:
        rerun_page()


def _top_values(now: Moment) -> Values:
    """What changes in place at the top of the page."""
    gauges, header = gauge_values(run_store(), now.run.id), header_values(now.run)
    return {
        "texts": {**header["texts"], **gauges["texts"], "slower": _slower(now)},
        "bars": {**header["bars"], **gauges["bars"]},
        "pictures": gauges["pictures"],
    }


def _top_news(page: LivePage, now: Moment) -> Hashable:
    """What the top of the page depends on: the run, and what the status bar shows of other runs, whose ends and alerts are told on every page.

    What is not named here, such as what others do to the list of runs, appears after ``TOP_TURNS`` answers at the latest.
    """
    run, store = now.run, run_store()
    if not run.info:
        return time.monotonic()  # the page is short and costs little, and the log is on it
    about = str(run.status), shown_name(run), run.note, tuple(run.tags), run.pinned, run.archived, run.epochs, str(run.failure)
    bar = shown_in_strip(store.active(), run.id, page.alerts_seen)
    return about, bar, _shape(now), page.turn // TOP_TURNS


@worded
def _still(run_id: str, view: str) -> None:
    _draw_top(run_id)
    if not run_store().get(run_id).status.is_ended() or asked_view() != view:  # it was just resumed, or another tab was chosen
        rerun_page()
    whole_page_if_asked()


def _page_seconds(moment: Moment, watchers: int) -> float:
    """Seconds between two answers with news. ``watchers``: pages that show the run."""
    if moment.run.seconds < LONG_WAIT and _waits_for_curves(moment):
        return SOON_SECONDS
    seconds = refresh_seconds(moment.run)
    return seconds if seconds <= SOON_SECONDS else min(max(seconds, REFRESH_SECONDS[-1][1]), seconds * max(1.0, watchers / ALONE))


def _waits_for_curves(moment: Moment) -> bool:
    """Whether a run has begun and has fewer than the two points that a line needs."""
    ends = moment.feed["rows"].ends("step")
    return moment.run.status == RunStatus.RUNNING and (ends is None or ends[0] == ends[1])


def refresh_seconds(run) -> float:
    """Seconds between refreshes of a live run's curves."""
    if run.status in (RunStatus.PAUSING, RunStatus.STOPPING):
        return SOON_SECONDS
    expected = run.seconds + (run.eta_seconds or 0.0)
    if run.seconds < BEGINNING and expected < REFRESH_SECONDS[0][0]:
        return REFRESH_AT_FIRST
    return next(seconds for longest, seconds in REFRESH_SECONDS if expected < longest)


def _draw_top(run_id: str, page: LivePage | None = None, moment: Moment | None = None) -> None:
    store = run_store()
    run = moment.run if moment is not None else store.get(run_id)
    # Separate containers: the upper part may grow (when PyTorch is loaded or the first curves come), and elements that move are rebuilt.
    top, rest = st.container(), st.container()
    with top:
        header(store, run)
        ending_card(store, run)
        if run.info:
            _view_row(run, page, moment)
    if not run.info and not run.status.is_ended():
        with rest:
            _getting_ready(store, run)
            if page is not None and moment is not None:
                page.follow(moment)


def _view_row(run: Any, page: LivePage | None, moment: Moment | None) -> None:
    """Draw the choice of the tab. Beside it what asks for news, and the line about the pace, which changes in place and so moves nothing."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        view = view_choice()
        if page is not None and moment is not None:
            page.follow(moment)
            if view == "training":
                st.html(f'<div class="slower">{html.escape(_slower(moment))}</div>')  # empty as a rule


def _slower(now: Moment) -> str:
    return slower_than_usual(now.run, now.feed["rows"])


def _training(store: RunStore, page: LivePage) -> None:
    moment = page.moment()
    run, feed, ended = moment.run, moment.feed, moment.run.status.is_ended()
    with st.container():  # one element whether there are results or not: what follows keeps its place
        if str(run.status) == "finished":
            _test_results(run, moment.summary)
        elif ended and not any(key.startswith("val/") for key in moment.summary):
            said = tr("This run ended before its first evaluation, so it has no values on val. The top of this page says why it ended.")
            st.caption(f":material/info: {said}")
    note = (
        tr("solid: train · dashed: val · grey: before the fork") if run.parent else tr("solid: train · dashed: val · arrow: which way is better")
    )  # only one of the two, so that the controls stay on one line
    page.part("steering", partial(_steering, page), lambda now: steering_news(run_store(), now.run, now.feed["rows"]), ended)
    layout, panels = panel_layout(), panels_of(moment)
    tasks = [task_key(task) for task in run.info["tasks"]]
    titles = {**{task_key(task): task for task in run.info["tasks"]}, **{name: panel.title for name, panel in panels.items()}}
    explained = [explain for name, info in run.info["tasks"].items() for explain in explain_task(feed["rows"], name, info)]

    def arranging() -> None:
        explain_popover("tasks", *explained)
        layout_controls(titles, [tasks, list(panels)], layout)

    view = view_controls(tr("Curves"), note, sizes=True, more=lambda: choose_baseline(store, run), beside=arranging)
    if view.baseline:
        page.baseline = view.baseline
        page.known = moment = _moment(store, run, page)
    shown = layout.arranged(list(panels))
    pinned = [name for name in shown if name in layout.pinned]
    draw_panels(page, panels, pinned, layout, view, key="above_tasks")
    views = {task.removeprefix(task_key("")): replace(view, height=layout.height(task)) for task in layout.arranged(tasks)}
    draw_tasks = task_rows if view.compact else task_panels
    page.part("tasks", lambda now: draw_tasks(now.run, now.feed, now.summary, views), _measured, ended)
    draw_panels(page, panels, [name for name in shown if name not in pinned], layout, view, key="below_tasks")


def _steering(page: LivePage, now: Moment) -> None:
    steering(run_store(), now.run, now.feed["rows"])
    if now.run.status.is_active():
        shares = Remade(partial(gradient_shares, now.run.info["tasks"], colours_of(now.run.config)))
        page.keep_values(lambda later: {"pictures": shares(later.feed["rows"])}, {"pictures": shares(now.feed["rows"])})


def _measured(now: Moment) -> Hashable:
    """Of what there are a last and a best value on val. The values change in place."""
    return frozenset((key, entry["best"] is not None) for key, entry in now.summary.items() if key.startswith("val/"))


def _epochs(now: Moment) -> Hashable:
    return str(now.run.status), int(now.run.epoch)


def _said(page: LivePage, now: Moment) -> Hashable:
    waits = time.monotonic() if page.has_job else None  # its progress is drawn
    return str(now.run.status), jobs.warmed(), waits


def _getting_ready(store: RunStore, run) -> None:
    if str(run.status) == "queued":
        st.caption(tr("Curves and predictions appear here when the run trains."))
        if about_data := before_training(store, run):
            st.caption(words.plain(tr(about_data)))
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
        for place, task in zip(columns_in_lines(TEST_TILES, f"tests-{start}"), list(tasks)[start : start + TEST_TILES], strict=False):
            with place.container(border=True, key=element_key("test", task), height="stretch"):
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
    on_test, on_val = (summary.get(f"{split}/{task}/{info['main_metric']}", {}) for split in ("test", "val"))
    st.metric(title, words.measured(on_test.get("last"), metric.get("unit", "")))
    value, constant = on_val.get("chosen"), info.get("constant")  # what a constant prediction reaches is known on val
    if value is not None and constant is not None and no_better(value, constant, bool(metric["higher_is_better"])):
        st.caption(tr("{constant} on val no better than a constant prediction (the mean or the most frequent class)", constant=CONSTANT))


def _details(store: RunStore, now: Moment) -> None:
    """Draw what next, settings and log."""
    run = now.run
    ended = run.status.is_ended() and bool(run.info)
    next_up: dict[str, Callable[[], None]] = {mark("What next?"): partial(next_steps, run)} if ended else {}
    # A key of its own for the end of a run: it opens what next for a person who watched.
    contents = next_up | {
        mark("Settings"): partial(copy_as, store, run),
        mark("Network"): partial(network_panel, run.config, colours_of(run.config)),
        mark("Cost"): partial(cost_tab, store, run),
        mark("Log"): partial(_log, store, run, now.feed["page"]),
    }
    kept_tabs(contents, f"below.{run.id}.{ended}", first="" if ended else "Log")


def _log(store: RunStore, run: Any, page: LivePage | None) -> None:
    """Draw the log, scrolled to its end. ``page`` sends newer lines with the charts' values. HTML of our own, because the browser may not change the
    text of Streamlit's elements."""
    text = log_text(store, run)
    st.html(f'<div class="run-log" tabindex="0" role="region" aria-label="{html.escape(tr("Log"))}">{html.escape(text)}</div>')
    if page is not None:
        page.keep_values(lambda now: {"texts": {"run-log": log_text(run_store(), now.run)}}, {"texts": {"run-log": text}})


def log_text(store: RunStore, run: Any) -> str:
    """The log's lines with time and level. While the run goes on, only the newest, because each message has them all."""
    lines = store.log(run.id)
    left_out = 0 if run.status.is_ended() else max(0, len(lines) - FED_LINES)
    older = len(lines) - TRANSLATED
    told = [
        f"{words.moment(line.time, '%H:%M:%S')}  {line.level:<7} {line.text if place < older else tr(line.text)}"
        for place, line in enumerate(lines[left_out:], left_out)
    ]
    above = [tr("({count} earlier {count:line is|lines are} in the full log, under Export)", count=left_out)] if left_out else []
    return "\n".join([*above, *told]) or tr("The log is empty.")
