"""The page of one study, with its cells and its answer."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.run_names import data_and_tasks
from mtl_core.runs import jobs
from mtl_core.runs.status import RunStatus
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import Answer, answer_of
from mtl_core.studies.estimate import estimate, work_left
from mtl_core.studies.transfer_alarm import forks_of
from ui.drawing.table_sizes import whole_height
from ui.shell import words
from ui.shell.error_boundary import is_ours, worded
from ui.shell.live_part import end_live_part, live_part
from ui.shell.state import go_to, listing, run_store
from ui.status.status_bar import polling_strip
from ui.studies.study_cost import cost
from ui.studies.study_curves import curves
from ui.studies.study_form import estimate_text
from ui.studies.study_repetition import repetition
from ui.studies.study_results import head_of, results
from ui.studies.study_watch import watch
from ui.studies.verdict_cards import verdicts

NOT_QUEUED = mark("not queued")
EVERY = 3.0  # seconds between two refreshes while runs train
MORE = 3  # seeds that one click adds
FORKS = 6  # that are named
MOST_PIXELS = 752  # of the table of runs: half a row at its end says that it goes on
LOOK: dict[str, tuple[words.BadgeColour, str]] = {mark("new"): ("gray", ":material/draft:"), mark("running"): ("blue", ":material/play_arrow:")}
LOOK |= {mark("stopped"): ("gray", ":material/stop:"), mark("finished"): ("green", ":material/check:")}


def show_study(study_id: str) -> None:
    """Draw one study as one fragment (``ui.shell.live_part``). It refreshes while a run of it is queued or active."""
    try:
        study = studies.get(run_store(), study_id)
    except Exception as error:
        if not is_ours(error):
            raise
        polling_strip()
        st.title(tr("Study"), anchor=False)
        st.error(words.plain(tr(str(error))), icon=":material/search_off:")
        st.page_link("pages/studies.py", label=tr("All studies"), icon=":material/science:")
        return
    live_part(_study, EVERY if studies.is_going(run_store(), study) else None, study.id)


@worded
def _study(every: float | None, study_id: str) -> None:
    study = studies.get(run_store(), study_id)
    with st.container():
        _draw(study)
    end_live_part(every, is_as_drawn=studies.is_going(run_store(), study) == bool(every))


def _draw(study: studies.Study) -> None:
    answer = answer_of(run_store(), study)
    stage, finished = studies.stage(run_store(), study)
    _heading(study, stage)
    _progress(study, answer, stage, finished)
    for note in answer.notes:
        st.warning(words.plain(words.capitalised(tr(note))), icon=":material/warning:")
    if finished < answer.total:
        watch(answer)
    verdicts(answer)
    curves(answer)
    results(answer)
    cost(answer)
    _cells(answer)
    repetition(answer)
    if refused := st.session_state.pop(f"study.{study.id}.refused", ""):
        st.error(words.plain(tr(refused)), icon=":material/block:")


def _heading(study: studies.Study, stage: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(words.plain(study.title), anchor=False, width="content")
        st.badge(study.id, color="violet")
        colour, icon = LOOK.get(stage, ("gray", ":material/info:"))
        st.badge(tr(stage), icon=icon, color=colour)
        st.space("stretch")
        st.page_link("pages/studies.py", label=tr("All studies"), icon=":material/list:")
    computed = (
        tr("{precision}, {layout}", precision=study.precision, layout=tr(study.layout.replace("_", " ")))
        if study.precision and study.layout
        else tr("the first run settles precision and layout")
    )
    said = tr("· {subject} · {seeds} {seeds:seed|seeds}", subject=data_and_tasks(study.base).said(), seeds=len(study.seeds))
    about = tr("All runs are computed alike: {computed}.", computed=computed)
    st.markdown(f"{tr(study.part.title)} :gray[{words.plain(said)}]", help=about, width="content")


def _progress(study: studies.Study, answer: Answer, stage: str, finished: int) -> None:
    if study.cells_to_come and (missing := study.part.missing(study.options)):
        st.warning(words.plain(tr("No further point is proposed: {missing}.", missing=tr(missing))), icon=":material/warning:")
    failed = answer.count(RunStatus.FAILED.value)
    said = tr("{finished} of {total} {total:run|runs} {finished:has|have} finished", finished=finished, total=answer.total) + (
        tr(", {failed} failed", failed=failed) if failed else ""
    )
    left = work_left(run_store(), study)
    st.progress(min(1.0, (finished + left.begun) / answer.total), words.plain(said))
    if finished < answer.total:
        st.caption(
            words.plain(estimate_text(estimate(run_store(), study))) if len(answer.statuses) < answer.total else _waiting(answer, left.seconds)
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if answer.is_going:
            st.button(tr("Stop all"), icon=":material/stop_circle:", key=f"stop.{study.id}", on_click=_act, args=(study.id, studies.stop))
        elif stage != "finished":
            label = tr("Start") if stage == "new" else tr("Go on")
            click = {"on_click": _act, "args": (study.id, _start_all)}
            st.button(label, icon=":material/play_arrow:", type="primary", key=f"go_on.{study.id}", **click)
        more = {"on_click": _act, "args": (study.id, partial(_add_seeds, had=len(study.seeds)))}
        st.button(
            tr("{more} more seeds", more=MORE),
            icon=":material/add:",
            key=f"more.{study.id}",
            help=tr("Queues the same cells with new seeds."),
            **more,
        )
        with st.popover(tr("Equivalence"), icon=":material/drag_handle:", key=f"band_popover.{study.id}"):
            key = f"band.{study.id}"
            band = {"key": key, "on_change": _act, "args": (study.id, _set_band)}
            st.number_input(tr("Difference that does not matter (%)"), 0.0, 100.0, 100 * study.settings.band, step=0.5, **band)
            st.caption(tr("No run is trained again for it. Set it before you look at the results, not after."))


def _waiting(answer: Answer, seconds: float | None) -> str:
    """How many runs wait, and the estimated time until the last one has ended, where one is known."""
    waiting = answer.count(RunStatus.QUEUED.value)
    said = tr("{waiting} of its runs {waiting:waits|wait} in the queue.", waiting=waiting) if waiting else tr("None of its runs waits in the queue.")
    if not answer.is_going:
        return said
    known = tr("The time left is known once a run of it has trained for a while.")
    return f"{said} {known if seconds is None else tr('Left for this study: {about} (estimate).', about=words.about(seconds))}"


def _cells(answer: Answer) -> None:
    st.subheader(tr("Runs"), anchor=False)
    study = answer.study
    rows: list[dict[str, Any]] = []
    for cell in study.cells:
        for seed in study.seeds:
            run_id = answer.run_ids.get((cell.key, seed))
            spreads = answer.spreads.get(cell.key, {})
            values = {head_of(task, metric): spreads[task].values.get(seed) for task, metric in answer.metrics.items() if task in spreads}
            link = f"run?run={run_id}" if run_id else None
            rows.append({"cell": cell.label, "seed": seed, "run": link, "status": tr(answer.statuses.get((cell.key, seed), NOT_QUEUED)), **values})
    columns: dict[str, Any] = {
        "run": st.column_config.LinkColumn(tr("run"), display_text=r"run=(.+)$"),
        "cell": st.column_config.TextColumn(tr("cell"), width="large"),
        **{name: st.column_config.Column(tr(name)) for name in ("seed", "status")},
        **{head_of(task, metric): st.column_config.NumberColumn(format="%.4g") for task, metric in answer.metrics.items()},
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="–", column_config=columns, height=whole_height(len(rows), MOST_PIXELS))
    forks = forks_of(run_store(), answer)
    if forks:
        links = [f"[{words.plain(shown_name(run))}](run?run={run.id}) ({tr(run.status.value)})" for run in forks[:FORKS]]
        more = tr(" and {count} more", count=len(forks) - FORKS) if len(forks) > FORKS else ""
        st.markdown(tr("Forked from these runs, and no cells of the study: {links}{more}.", links=tr("; ").join(links), more=more))


def _act(study_id: str, action: Any) -> None:
    """Run an action of a button. A refusal is kept as a sentence for the page."""
    try:
        action(run_store(), study_id)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state[f"study.{study_id}.refused"] = str(error)
    listing.clear()
    go_to("studies", study=study_id)


def _start_all(store: Any, study_id: str) -> None:
    studies.start(store, study_id, retry_failed=True)
    jobs.start_worker(store)


def _add_seeds(store: Any, study_id: str, had: int) -> None:
    """Add seeds once: Streamlit may run a callback again when a refresh interrupts it, and people click twice."""
    studies.add_seeds(store, study_id, MORE, had)
    _start_all(store, study_id)


def _set_band(store: Any, study_id: str) -> None:
    studies.set_band(store, study_id, st.session_state[f"band.{study_id}"] / 100)
