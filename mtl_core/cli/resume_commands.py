"""``resume``: train an ended run further. ``fork``: train a new run from a checkpoint of another."""

from __future__ import annotations

import click

from mtl_core.cli.foreground import ForegroundRun, check_config, train_in_foreground
from mtl_core.cli.output import JSON, SET, checkpoint_as_json, emit_json, emit_table, json_refusals, marks_of
from mtl_core.runs import resume_and_fork
from mtl_core.runs.store import open_store
from mtl_core.training.checkpoint_files import BEST_OF


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--epochs", metavar="N", type=int, help="Train on to this total number of epochs; works for a finished run too.")
@JSON
def resume(run_id: str, epochs: int | None, as_json: bool) -> int:
    """Resume RUN in the foreground, from its last checkpoint.

    RUN was stopped, was interrupted or failed. Ctrl-C and the exit codes are those of 'train'.
    """

    def prepare() -> ForegroundRun:
        store = open_store()
        run = store.get(run_id)
        total = epochs
        if total is None:
            return ForegroundRun(store, run.config, lambda held: resume_and_fork.resume(store, run.id, held))
        config = run.config.with_overrides([f"epochs={total}"])
        return ForegroundRun(store, config, lambda held: resume_and_fork.train_on(store, run.id, total, held))

    return train_in_foreground(prepare, as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--epoch", metavar="K", help="The kept epoch to start from: a number, 'best', 'best:TASK' or 'last'.")
@click.option("--list", "only_list", is_flag=True, help="List the kept epochs and exit.")
@click.option("--add-task", "added", metavar="NAME", multiple=True, help="Add a task; what the network has is frozen. Repeatable.")
@SET
@JSON
def fork(run_id: str, epoch: str | None, only_list: bool, added: tuple[str, ...], assignments: tuple[str, ...], as_json: bool) -> int:
    """Train a new run from RUN's state after epoch K with other settings.

    A fork can change loss weights, balancing, optimizer, schedule, augmentation and epochs (the new total), and can remove tasks
    (--set tasks.boxes=null). With --add-task the backbone and the old heads are frozen, a new head is trained, and the old tasks' outputs stay the
    same to the last bit. Ctrl-C and the exit codes are those of 'train'.
    """
    if only_list:
        return _list_kept(run_id, as_json)
    if epoch is None or not (epoch.isdecimal() or epoch in ("best", "last") or epoch.startswith(BEST_OF)):
        raise click.UsageError(
            "give the epoch to start from: --epoch followed by a number, 'best', 'best:TASK' or 'last'; --list shows the kept epochs"
        )

    def prepare() -> ForegroundRun:
        store = open_store()
        parent = store.get(run_id)
        number = resume_and_fork.kept_at(store, parent.id, epoch).epoch
        changes = resume_and_fork.adding(parent, added) if added else []
        config = check_config(resume_and_fork.fork_config(parent, number, [*changes, *assignments]))
        return ForegroundRun(store, config, lambda held: resume_and_fork.fork(store, parent.id, number, config, held=held))

    return train_in_foreground(prepare, as_json)


def _list_kept(run_id: str, as_json: bool) -> int:
    with json_refusals(as_json):
        store = open_store()
        run = store.get(run_id)
        kept = resume_and_fork.forkable(store, run.id)
    if as_json:
        emit_json({"run": run.id, "kept": [checkpoint_as_json(checkpoint) for checkpoint in kept]})
    else:
        rows = [(str(each.epoch), str(each.step), " ".join(marks_of(each))) for each in kept]
        emit_table(("epoch", "step", "is"), rows, numbers=("epoch", "step"))
    return 0
