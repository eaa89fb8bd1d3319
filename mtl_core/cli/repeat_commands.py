"""``study again`` and ``differences``: run a study a second time. ``study stop`` and ``drop``: what to do about one that trains."""

from __future__ import annotations

import click

from mtl_core.cli.output import JSON, emit, emit_json, emit_table, json_refusals
from mtl_core.cli.train_commands import print_who_trains
from mtl_core.errors import ConfigError, NotPossibleError, Problem
from mtl_core.runs.store import open_store
from mtl_core.studies.answer_json import study_as_json


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


@click.command("stop")
@click.argument("study_id", metavar="STUDY")
@JSON
def stop_study(study_id: str, as_json: bool) -> None:
    """Stop all runs of STUDY that have not ended, as when it is decided or cannot be. Finished runs stay; 'study run' goes on."""
    from mtl_core.studies import study_actions as studies

    with json_refusals(as_json):
        store = open_store()
        found = studies.stop(store, studies.get(store, study_id).id)
    finished = studies.stage(store, found)[1]
    if as_json:
        emit_json(study_as_json(found) | {"finished": finished, "total": found.planned_runs})
    else:
        emit(f"{found.id} is stopped; {finished} of {found.planned_runs} runs have finished")


@click.command("drop")
@click.argument("run_id", metavar="RUN")
@click.argument("task", metavar="TASK")
@JSON
def drop(run_id: str, task: str, as_json: bool) -> None:
    """Queue two forks of RUN from its newest checkpoint, without and with TASK: their difference is what the task does to the others."""
    from mtl_core.studies.transfer_alarm import drop_task

    with json_refusals(as_json):
        store = open_store()
        run = store.get(run_id)
        if task not in run.config.tasks:
            raise ConfigError(Problem("TASK", f"'{task:.60}' is not a task of the run; it has {', '.join(run.config.tasks)}"))
        without, beside = drop_task(store, run.id, task)
    if as_json:
        emit_json({"without": without, "with": beside})
    else:
        emit(f"queued {without} without {task}, and {beside} with it")
        print_who_trains()
