"""A study that is run again: the button that makes it, and the table of what came out differently."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mtl_core.language import tr
from mtl_core.runs import jobs
from mtl_core.runs.status import RunStatus
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import Answer
from mtl_core.studies.repetition import repeat, repetition_of
from ui.drawing.table_sizes import whole_height
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.state import end_request, go_to, listing, request_id, run_store


def repetition(answer: Answer) -> None:
    """Draw the button, and for a study that repeats another one the table."""
    study = answer.study
    st.subheader(tr("Run it again"), anchor=False)
    if study.settings.repeats:
        _differences(answer)
    if answer.count(RunStatus.FINISHED.value):
        about = tr("Trains all cells and seeds anew, as a study of its own, and compares it with this one value by value. No existing run is taken.")
        click = {"on_click": _again, "args": (study.id, request_id())}
        st.button(
            tr("Train its {total} {total:run|runs} again", total=answer.total), icon=":material/replay:", key=f"again.{study.id}", help=about, **click
        )
    elif not study.settings.repeats:
        st.caption(tr("The study can be run again when one of its runs has finished."))


def _again(study_id: str, request: str) -> None:
    """Make the repetition and start it. A second click on the same drawing sends the same id and opens the same study."""
    store = run_store()
    try:
        made = repeat(store, study_id, request)
        studies.start(store, made.id)
        jobs.start_worker(store)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state[f"study.{study_id}.refused"] = str(error)
        return
    end_request(request)
    listing.clear()
    go_to("studies", study=made.id)


def _differences(answer: Answer) -> None:
    try:
        found = repetition_of(run_store(), answer)
    except Exception as error:
        if not is_ours(error):
            raise
        st.warning(words.plain(tr(str(error))), icon=":material/warning:")
        return
    if found is None:
        return
    st.page_link(
        "pages/studies.py",
        label=tr("It repeats {original}", original=found.original),
        icon=":material/history:",
        query_params={"study": found.original},
    )
    st.markdown(words.plain(found.in_words()))
    if found.missing:
        st.caption(
            words.plain(
                tr("{missing} of the runs of {original} {missing:has|have} not finished again.", missing=found.missing, original=found.original)
            )
        )
    rows = [
        {
            tr("cell"): one.cell,
            tr("seed"): one.seed,
            tr("task and metric"): f"{one.task}: {tr(one.metric)}",
            tr("before"): one.before,
            tr("again"): one.again,
            tr("difference"): one.difference_text,
        }
        for one in found.values
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, height=whole_height(len(rows), 420))
