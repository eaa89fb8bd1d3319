"""``evaluate``: detailed metrics of a run's checkpoint. The run's folder keeps the results, and the dashboard shows them."""

from __future__ import annotations

import os
from typing import Any

import click

from mtl_core.cli.output import ARROWS, JSON, emit, emit_json, emit_table, json_refusals, number
from mtl_core.errors import MTLError
from mtl_core.runs.background.evaluation_job import NICENESS, JobNote
from mtl_core.runs.evaluations import SPLITS, Evaluation, write_evaluation
from mtl_core.runs.run_record import Run
from mtl_core.runs.store import RunStore, open_store
from mtl_core.training.checkpoint_files import FILES, find_checkpoint


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS), help="Images to measure on; repeatable. Default: val.")
@click.option("--checkpoint", default="best", show_default=True, metavar="best|best:TASK|last|EPOCH", help="The checkpoint to evaluate.")
@click.option("--background", is_flag=True, hidden=True, help="Write the progress to the run's folder and run at low priority.")
@JSON
def evaluate(run_id: str, splits: tuple[str, ...], checkpoint: str, background: bool, as_json: bool) -> int:
    """Evaluate a checkpoint of RUN in detail: confusion, curves, calibration, every class, the worst images.

    The test images are used only with --split test; the run keeps a record of each use.
    """
    with json_refusals(as_json):
        store = open_store()
        run = store.get(run_id)
        store.database.check_writable()  # before the computation, because the results are written to the run's folder
        name = checkpoint.removeprefix("epoch ").strip()
        asked = list(dict.fromkeys(splits or ("val",)))
        found = _in_background(store, run, name, asked) if background else [_evaluate(store, run, name, split, _no_progress) for split in asked]
    if as_json:
        emit_json([evaluation.report for evaluation in found])
    else:
        for evaluation in found:
            _print(evaluation)
    return 0


def _no_progress(share: float, what: str) -> None:
    pass


def _evaluate(store: RunStore, run: Run, checkpoint: str, split: str, progress: Any) -> Evaluation:
    folder = store.folder(run.id)
    kept = find_checkpoint(folder, checkpoint)
    store.artifacts.bring(run.id, lambda path: path.startswith(f"checkpoints/{kept.name}/") and path.endswith(FILES[0]))
    from mtl_core.training.checkpoint_evaluation import evaluate_checkpoint

    report, arrays = evaluate_checkpoint(run.config, folder, store.cache, kept.name, split, progress)
    evaluation = write_evaluation(folder, run.id, report, arrays)
    store.artifacts.keep(run.id)
    store.note(run.id, "info", f"evaluated epoch {kept.epoch} on {split}: {report['images']} images")
    return evaluation


def _in_background(store: RunStore, run: Run, checkpoint: str, splits: list[str]) -> list[Evaluation]:
    note, parent = JobNote(store.folder(run.id), splits), os.getppid()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    found = []
    try:
        for place, split in enumerate(splits):

            def progress(share: float, what: str, place: int = place) -> None:
                if os.getppid() != parent:
                    raise click.Abort  # the server that started this process is gone
                note.progress((place + share) / len(splits), what)

            found.append(_evaluate(store, run, checkpoint, split, progress))
    except MTLError as error:
        note.write(state="failed", error=str(error))
        raise
    except Exception as error:
        note.write(state="failed", error=f"{type(error).__name__}: {error}")
        raise
    note.write(share=1.0, state="done", text="done")
    return found


def _print(evaluation: Evaluation) -> None:
    report = evaluation.report
    emit(f"{report['run']}, epoch {report['epoch']} (step {report['step']}) on {report['split']}: {report['images']} images")
    if report["split"] == "test":
        emit("These are numbers on the test images: choose nothing by them.")
    for name, task in report["tasks"].items():
        emit(f"\n{name} ({task['kind']}), {task['labelled']} labelled images")
        rows = [(entry["title"], ARROWS[entry["higher_is_better"]], number(entry["value"]), entry["unit"]) for entry in task["values"]]
        emit_table(("metric", "better", "value", "unit"), rows, numbers=("value",))
        if task["class_values"]:
            titles = [entry["title"] for entry in task["class_values"]]
            columns = zip(*(entry["values"] for entry in task["class_values"]), strict=True)
            emit_table(("class", *titles), [(label, *map(number, row)) for label, row in zip(task["classes"], columns, strict=True)], numbers=titles)
