"""``affinity``: how much a step for each task helps the others in a run, and the grouping that this advises."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from mtl_core.cli.output import JSON, emit, emit_json, emit_table, json_refusals
from mtl_core.errors import NotPossibleError
from mtl_core.runs.store import open_store
from mtl_core.scalar_words import percent

if TYPE_CHECKING:
    from mtl_core.studies.task_affinity import TaskAffinity


@click.command()
@click.argument("run_id", metavar="RUN")
@JSON
def affinity(run_id: str, as_json: bool) -> None:
    """Which tasks go together, predicted from RUN, which must have trained with affinity_every above 0.

    An affinity of +1 % says: a step for the row's task alone lowers the loss of the column's task by 1 % (Fifty et al. 2021). A prediction from one
    run; 'study new together' measures the groups.
    """
    from mtl_core.studies.task_affinity import as_json as plain
    from mtl_core.studies.task_affinity import run_affinity, sentences

    with json_refusals(as_json):
        store = open_store()
        run = store.get(run_id)
        found = run_affinity(store, run.id, list(run.config.tasks))
        if not found.points:
            reason = "it has measured none so far" if run.config.affinity_every else "it was trained with affinity_every 0"
            raise NotPossibleError(f"run {run.id} has no affinities: {reason}. Train with '--set affinity_every=10' and two tasks or more")
    if as_json:
        emit_json({"run": run.id, **plain(found)})
        return
    emit(f"{run.id}  affinity of the row's step onto the column's loss, mean over {found.points} points on the curves")
    rows = [(task, *(_percent(value) for value in line)) for task, line in zip(found.tasks, found.values, strict=True)]
    emit_table(("step for", *found.tasks), rows, numbers=found.tasks)
    emit("\n".join(sentences(found)))
    for line in advised_lines(found):
        emit(line)


def advised_lines(found: TaskAffinity) -> list[str]:
    """A line for each number of networks."""
    from mtl_core.studies.task_affinity import advice

    advised = advice(found)
    if advised is None:
        return []
    return [
        f"advised with {budget} network{'' if budget == 1 else 's'}: {'; '.join(' + '.join(group) for group in advised.chosen(budget))} "
        f"(predicted: mean affinity {percent(advised.gain(budget))})"
        for budget in advised.divisions
    ]


def _percent(value: float) -> str:
    return percent(value) if math.isfinite(value) else "-"
