"""``resume`` a run here, and ``fork`` another one from it."""

from __future__ import annotations

import click

from mtl_core.cli.foreground import Beginning, checked, in_foreground
from mtl_core.cli.output import JSON, SET, described_checkpoint, emit_json, emit_table, json_refusals
from mtl_core.runs import lineage
from mtl_core.runs.store import open_store


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--epochs", metavar="N", type=int, help="Train on to this total, also a run that is finished.")
@JSON
def resume(run_id: str, epochs: int | None, as_json: bool) -> int:
    """Go on with RUN here and now, from its last checkpoint.

    For a run that was stopped, interrupted or failed. Ctrl-C and the exit codes are those of 'train'.
    """

    def prepare() -> Beginning:
        store = open_store()
        run = store.get(run_id)
        if epochs is None:
            return Beginning(store, run.config, lambda held: lineage.resume(store, run.id, held))
        config = run.config.with_overrides([f"epochs={epochs}"])
        return Beginning(store, config, lambda held: lineage.train_on(store, run.id, epochs, held))

    return in_foreground(prepare, as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--epoch", metavar="K", help="The kept epoch to begin from: a number, 'best' or 'last'.")
@click.option("--list", "only_list", is_flag=True, help="Say which epochs are kept, and do nothing.")
@SET
@JSON
def fork(run_id: str, epoch: str | None, only_list: bool, assignments: tuple[str, ...], as_json: bool) -> int:
    """Train a new run that goes on from RUN's state after epoch K with other settings.

    What a fork can change: loss weights, balancing, optimizer, schedule, augmentation, epochs (the new total), and tasks left out
    (--set tasks.boxes=null). Ctrl-C and the exit codes are those of 'train'.
    """
    if only_list:
        return _list_kept(run_id, as_json)
    if epoch is None or not (epoch.isdecimal() or epoch in ("best", "last")):
        raise click.UsageError("say from which epoch: --epoch followed by a number, 'best' or 'last'; --list says which are kept")

    def prepare() -> Beginning:
        store = open_store()
        parent = store.get(run_id)
        number = lineage.kept_at(store, parent.id, epoch).epoch
        config = checked(lineage.fork_config(parent, number, assignments))
        return Beginning(store, config, lambda held: lineage.fork(store, parent.id, number, config, held=held))

    return in_foreground(prepare, as_json)


def _list_kept(run_id: str, as_json: bool) -> int:
    with json_refusals(as_json):
        store = open_store()
        run = store.get(run_id)
        kept = lineage.forkable(store, run.id)
    if as_json:
        emit_json({"run": run.id, "kept": [described_checkpoint(checkpoint) for checkpoint in kept]})
    else:
        rows = [(str(c.epoch), str(c.step), " ".join(name for name, holds in (("best", c.is_best), ("last", c.is_last)) if holds)) for c in kept]
        emit_table(("epoch", "step", "is"), rows, numbers=("epoch", "step"))
    return 0
