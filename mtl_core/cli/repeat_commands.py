"""``study again`` and ``study differences``: run a study a second time, and what came out differently."""

from __future__ import annotations

import click

from mtl_core.cli.output import JSON, emit, emit_json, emit_table, json_refusals
from mtl_core.errors import NotPossibleError
from mtl_core.runs.store import open_store


@click.command()
@click.argument("study_id", metavar="STUDY")
@JSON
def again(study_id: str, as_json: bool) -> None:
    """Make a study that trains all cells and seeds of STUDY anew, in the same precision and memory layout. No existing run is taken.

    'study run' trains it, and 'study differences' says what came out differently.
    """
    from mtl_core.studies.repetition import repeat

    with json_refusals(as_json):
        made = repeat(open_store(), study_id)
    if as_json:
        emit_json({"id": made.id, "repeats": made.settings.repeats, "runs": made.planned_runs})
    else:
        emit(f"{made.id} repeats {made.settings.repeats}: {made.planned_runs} runs. Train it with: study run {made.id}")


@click.command()
@click.argument("study_id", metavar="STUDY")
@JSON
def differences(study_id: str, as_json: bool) -> None:
    """Compare STUDY, which repeats another study, with that study: value by value, with versions and device."""
    from mtl_core.studies import study_actions as studies
    from mtl_core.studies.answer import answer_of
    from mtl_core.studies.repetition import repetition_of

    with json_refusals(as_json):
        store = open_store()
        study = studies.get(store, study_id)
        found = repetition_of(store, answer_of(store, study))
        if found is None:
            raise NotPossibleError(f"{study.id} repeats no other study; 'study again {study.id}' makes a study that repeats it")
    if as_json:
        emit_json(found.to_dict())
        return
    emit(found.in_words())
    if found.missing:
        emit(f"{found.missing} of the runs of {found.original} have not finished again.")
    heads = ["cell", "seed", "task", "metric", "before", "again", "difference"]
    rows = [
        [
            one.cell,
            str(one.seed),
            one.task,
            one.metric,
            f"{one.before:.6g}",
            f"{one.again:.6g}",
            one.difference_text,
        ]
        for one in found.values
    ]
    if rows:
        emit_table(heads, rows, numbers=["seed", "before", "again"])
