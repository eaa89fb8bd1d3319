"""The page of studies: the list of all, and the form of a new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pandas as pd
import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.runs.study_cells import CellState, states_of_cells
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import Answer, answer_of
from mtl_core.studies.study import Study
from mtl_core.studies.verdict import Word
from ui.shell import words
from ui.shell.state import run_store
from ui.status.status_bar import polling_strip
from ui.studies.study_form import study_form
from ui.studies.verdict_cards import LOOK

COLUMNS = (mark("question"), mark("state"), mark("runs"), mark("seeds"), mark("made"), mark("id"))


@dataclass(frozen=True)
class Outcome:
    """What the list says of a study, in no language.

    Attributes:
        planned: number of its runs. is_going: whether one of them waits or trains.
        verdicts: the word of each comparison over all tasks that has one.
        is_one: whether the study makes one comparison only.
    """

    planned: int
    is_going: bool
    verdicts: tuple[str, ...]
    is_one: bool


@dataclass(frozen=True)
class _Known:
    """An outcome, and all that it was made from."""

    study: Study
    states: tuple[CellState, ...]
    outcome: Outcome


_known: dict[tuple[str, str], _Known] = {}  # by the store's folder and the study: an answer costs ten times as much as to see that it is the same


def list_page() -> None:
    """Draw the list of studies and the form of a new one."""
    polling_strip()
    st.title(tr("Studies"), anchor=False)
    st.markdown(tr("A study trains the same question with several seeds, compares them in pairs, and says in words what the numbers allow."))
    store = run_store()
    found = studies.studies(store)
    with st.expander(tr("New study"), icon=":material/add:", expanded=not found, key="study.form"):
        study_form()
    if not found:
        st.info(tr("There is no study yet. Choose a question above."), icon=":material/info:")
        return
    columns = {
        "title": st.column_config.LinkColumn(tr("study"), display_text="#(.+)$", width="medium"),
        "verdict": st.column_config.TextColumn(tr("verdict"), help=tr("On the mean over the tasks; the study's page has each task's.")),
        "finished": st.column_config.ProgressColumn(tr("finished"), format="%d%%", min_value=0, max_value=100),
        **{name: st.column_config.Column(tr(name)) for name in COLUMNS},
    }
    st.dataframe(pd.DataFrame(_rows(store, found)), hide_index=True, column_config=columns)


def _rows(store: RunStore, found: Sequence[Study]) -> list[dict[str, Any]]:
    states, rows = states_of_cells(store), []
    for study in found:
        of_study = states.get(study.id, ())
        rows.append(_row(study, of_study, outcome_of(store, study, of_study)))
    for place in set(_known) - {(str(store.home), study.id) for study in found}:
        if place[0] == str(store.home):
            _known.pop(place, None)
    return rows


def _row(study: Study, states: Sequence[CellState], outcome: Outcome) -> dict[str, Any]:
    """A study in the list. Its title is the link: a table shows what stands behind the ``#`` of the address."""
    finished = sum(each.status == RunStatus.FINISHED.value for each in states if each.seed in study.seeds)
    return {
        "title": f"studies?study={study.id}#{quote(study.title)}",
        "question": tr(study.part.title),
        "state": tr(studies.stage_of(study.state, finished, outcome.planned)),
        "verdict": brief(outcome),
        "finished": 100 * finished // outcome.planned,
        "runs": outcome.planned,
        "seeds": len(study.seeds),
        "made": words.moment(study.created_at),
        "id": study.id,
    }


def outcome_of(store: RunStore, study: Study, states: tuple[CellState, ...]) -> Outcome:
    """The outcome of a study, made anew only if the study or a run of it has changed.

    Args:
        states: of its runs, as ``states_of_cells`` gives them.
    """
    place, known = (str(store.home), study.id), _known.get((str(store.home), study.id))
    if known is None or (known.study, known.states) != (study, states):
        bare = replace(study)  # without the cells, which it would keep
        _known[place] = known = _Known(bare, states, _outcome(study, answer_of(store, study)))
    return known.outcome


def _outcome(study: Study, answer: Answer) -> Outcome:
    overall = [str(line.verdict.word) for line in answer.lines if not line.task and line.verdict and line.verdict.word != Word.NONE]
    return Outcome(study.planned_runs, answer.is_going, tuple(overall), len({line.label for line in answer.lines}) == 1)


def brief(outcome: Outcome) -> str:
    """The verdicts over all tasks in a few words: the word of the only comparison, or how many of several have which."""
    if not outcome.verdicts:
        return tr("none yet") if outcome.is_going else ""
    if outcome.is_one:
        return tr(outcome.verdicts[0])
    counts = Counter(outcome.verdicts)
    return " · ".join(tr("{word}: {count}", word=tr(str(word)), count=counts[word]) for word in LOOK if counts[word])
