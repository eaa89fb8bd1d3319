"""``study``: questions that several runs with several seeds answer. New, run, list, show, verdict, table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from mtl_core.cli.affinity_commands import advised_lines
from mtl_core.cli.foreground import check_config
from mtl_core.cli.output import JSON, SET, emit, emit_data, emit_json, emit_table, json_refusals, moment, number, say
from mtl_core.cli.train_commands import check_one_given, print_who_trains, read_config
from mtl_core.cli.work_commands import train_queue
from mtl_core.durations import duration
from mtl_core.errors import ConfigError, Problem
from mtl_core.plain_yaml import read_yaml
from mtl_core.runs import study_cells
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore, open_store
from mtl_core.studies.answer_json import answer_as_json, study_as_json
from mtl_core.studies.kinds import STUDY_KINDS

if TYPE_CHECKING:
    from mtl_core.studies.answer import Answer
    from mtl_core.studies.comparison_lines import Line
    from mtl_core.studies.estimate import Estimate
    from mtl_core.studies.study import Study

WAIT_SECONDS = 2.0  # between two looks at runs that other processes train


@click.group()
def study() -> None:
    """Questions that several runs with several seeds answer: does sharing help, which method, which tasks together."""


@study.command("new")
@click.argument("kind", metavar="KIND")
@click.argument("config_file", metavar="[CONFIG.yaml]", required=False)
@click.option("--preset", metavar="NAME", help="Use a preset instead of a file; 'presets' lists them.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1), help="Number of seeds, from the config's own upwards.")
@click.option("--axis", "axes", multiple=True, metavar="KEY=A,B,C", help="For 'axes': a key of the config and its values. Repeatable.")
@click.option(
    "--method", "methods", multiple=True, metavar="NAME", help="For 'methods': a balancing method, or '{name: NAME, option: value}'. Repeatable."
)
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Another option of the kind, e.g. budget=compute. Repeatable.")
@click.option("--band", default=0.01, show_default=True, help="Band of equivalence, as a share of the baseline's value.")
@click.option("--interval", default="t", show_default=True, help="'t' (Student) or 'bca' (bootstrap).")
@click.option("--value", default="chosen", show_default=True, help="'chosen' checkpoint, or the 'best' of each task.")
@click.option("--title", default="", help="Title of the study.")
@SET
@JSON
def new(
    kind: str,
    config_file: str | None,
    preset: str | None,
    seeds: int,
    axes: tuple[str, ...],
    methods: tuple[str, ...],
    options: tuple[str, ...],
    band: float,
    interval: str,
    value: str,
    title: str,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a study of KIND from CONFIG.yaml, or a preset. Prints its id, its cells, and an estimate of the time. Nothing is queued.

    \b
    share     should these tasks share one network
    methods   which balancing method (--method)
    together  which tasks together
    weights   which loss weights
    labels    which labels next
    axes      any settings (--axis)
    """
    from mtl_core.studies import study_actions as studies
    from mtl_core.studies.estimate import estimate

    check_one_given(config_file, preset)
    with json_refusals(as_json):
        STUDY_KINDS.load(kind, "KIND")
        base = read_config(config_file, preset, assignments)
        settings = {"options": _options(axes, methods, options), "band": band, "interval": interval, "value": value}
        draft = studies.draft(kind, base, settings, range(base.seed, base.seed + seeds), title)
        for cell in draft.cells:
            check_config(cell.config)
        store = open_store()
        made = studies.create(store, draft)
        expected = estimate(store, made)
    if as_json:
        emit_json(study_as_json(made) | {"estimate": _estimate_as_json(expected)})
        return
    emit(f"{made.id}  {made.title}: {made.part.title}")
    emit("\n".join(f"  {cell.label}" for cell in made.cells))
    emit(f"{_estimate_text(expected)}\nstart it with 'study run {made.id}'")


@study.command("run")
@click.argument("study_id", metavar="STUDY")
@click.option("--queue", "only_queue", is_flag=True, help="Queue its runs and return; a dashboard or 'work --queue' trains them.")
@click.option("--more-seeds", default=0, type=click.IntRange(0), metavar="N", help="Add N seeds first.")
@click.option("--retry-failed", is_flag=True, help="Resume failed runs, too.")
@JSON
def run(study_id: str, only_queue: bool, more_seeds: int, retry_failed: bool, as_json: bool) -> int:
    """Train what is missing of STUDY, here and now. Runs that exist are not trained again, and interrupted ones are resumed.

    Exit code: 0 every run has finished or is queued, 1 a run failed or was stopped, 130 after Ctrl-C; then the same command goes on.
    """
    from mtl_core.studies import study_actions as studies

    with json_refusals(as_json):
        store = open_store()
        found = studies.get(store, study_id)
        if more_seeds:
            studies.add_seeds(store, found.id, more_seeds)
        found = studies.start(store, found.id, retry_failed)
    code = 0 if only_queue else _train(store, found.id, say if as_json else emit)
    found = studies.get(store, found.id)
    if as_json:
        emit_json(study_as_json(found) | {"runs": _runs_as_json(store, found)})
    else:
        counted = studies.runs_of(store, found)
        finished = sum(each.status == RunStatus.FINISHED for each in counted.values())
        emit(f"{found.id}  {finished} of {found.planned_runs} runs have finished")
        if only_queue:
            print_who_trains()
    if code or only_queue:
        return code
    return 0 if all(each.status == RunStatus.FINISHED for each in studies.runs_of(store, found).values()) else 1


def _train(store: RunStore, study_id: str, report: Callable[[str], None]) -> int:
    """Train the study's queued runs, and wait for those that other processes train. Returns 130 after a signal, else 0."""
    from mtl_core.studies import study_actions as studies
    from mtl_core.studies import weight_search

    def waiting() -> list[Any]:
        study_cells.resume_interrupted(store)
        weight_search.queue_next_trial(store, study_id)
        ours = set(studies.run_ids(store, study_id).values())
        return [each for each in store.queued() if each.id in ours]

    while True:
        if train_queue(store, waiting, report) == 130:
            return 130
        going = [each for each in studies.runs_of(store, studies.get(store, study_id)).values() if not each.status.is_ended()]
        if not going or studies.get(store, study_id).state != "running" or _is_ending():
            return 0
        time.sleep(WAIT_SECONDS)


def _is_ending() -> bool:
    from mtl_core.runs.background.program_end import is_closing

    return is_closing()


@study.command("list")
@JSON
def list_studies(as_json: bool) -> None:
    """List the studies, newest first."""
    from mtl_core.studies import study_actions as studies

    with json_refusals(as_json):
        store = open_store()
        found = studies.studies(store)
        stages = {each.id: studies.stage(store, each) for each in found}
    if as_json:
        emit_json([study_as_json(each) | {"stage": stages[each.id][0], "finished": stages[each.id][1], "total": each.planned_runs} for each in found])
    elif not found:
        say("there are no studies yet; 'study new' makes one")
    else:
        rows = [
            (each.id, each.kind, stages[each.id][0], f"{stages[each.id][1]} of {each.planned_runs}", moment(each.created_at), each.title)
            for each in found
        ]
        emit_table(("study", "kind", "state", "finished", "made", "title"), rows, cut="title")


@study.command("show")
@click.argument("study_id", metavar="STUDY")
@JSON
def show(study_id: str, as_json: bool) -> None:
    """Show the cells of STUDY, the state of their runs, and what is left."""
    from mtl_core.studies import study_actions as studies
    from mtl_core.studies.estimate import estimate

    with json_refusals(as_json):
        store = open_store()
        found = studies.get(store, study_id)
        expected = estimate(store, found)
        runs = studies.runs_of(store, found)
    if as_json:
        emit_json(study_as_json(found) | {"runs": _runs_as_json(store, found), "estimate": _estimate_as_json(expected)})
        return
    computed = ", ".join(filter(None, (found.precision, found.layout))) or "precision and layout are settled by the first run"
    emit(f"{found.id}  {found.title}: {found.part.title}  {studies.stage(store, found)[0]}, {computed}")
    rows = [
        (cell.label, str(seed), runs[cell.key, seed].id, runs[cell.key, seed].status.value)
        if (cell.key, seed) in runs
        else (cell.label, str(seed), "-", "-")
        for cell in found.cells
        for seed in found.seeds
    ]
    emit_table(("cell", "seed", "run", "status"), rows, numbers=("seed",), cut="cell")
    emit(_estimate_text(expected))


@study.command("verdict")
@click.argument("study_id", metavar="STUDY")
@click.option("--test", "on_test", is_flag=True, help="Compare on the test data: for a final table, once everything has been decided on val.")
@JSON
def verdict(study_id: str, on_test: bool, as_json: bool) -> None:
    """What STUDY says so far: differences paired by seed, intervals, and a verdict in words. Below 3 seeds there is no verdict."""
    from mtl_core.studies.answer import short_hash
    from mtl_core.studies.label_worth import label_curves, worth_in_words
    from mtl_core.studies.task_affinity import as_json as plain
    from mtl_core.studies.task_affinity import study_affinity

    answer = _answer(study_id, on_test, as_json)
    found = study_affinity(open_store(), answer)
    if as_json:
        emit_json(answer_as_json(answer) | {"affinity": None if found is None else plain(found)})
        return
    finished = answer.count(RunStatus.FINISHED.value)
    emit(f"{answer.study.id}  {answer.study.title}: {finished} of {answer.total} runs have finished; measured on {answer.split}; {_how(answer)}")
    emit(f"data (SHA-256): {', '.join(sorted({short_hash(each) for each in answer.data_hashes.values()})) or short_hash(None)}")
    for label in dict.fromkeys(line.label for line in answer.lines):
        emit(f"\n{label}")
        lines = [line for line in answer.lines if line.label == label]
        emit_table(("task", "metric", "baseline", "value", "better by", "95 % interval", "n", "p (Holm)", "verdict"), [_row(line) for line in lines])
    for cell, (beyond, seeds, of) in answer.front.beyond.items() if answer.front else ():
        emit(f"{cell}: {'no' if beyond else 'some'} fixed weights are better in every task (means over the seeds); none are in {seeds} of {of} seeds")
    for curve in label_curves(answer):
        metric = answer.metrics[curve.task]
        emit(f"twice the labels of {curve.labels} are worth to {metric.task} ({metric.name}): {worth_in_words(curve)}")
    for budget, grouping in answer.groupings.items():
        names = "; ".join(answer.group_names[place] for place in grouping.networks)
        emit(f"best with {budget} network{'' if budget == 1 else 's'}: {names} (mean gain of main metrics {grouping.mean_gain:+.2f} %)")
    for line in () if found is None else advised_lines(found):
        emit(line)
    for note in answer.notes:
        say(f"note: {note}")


@study.command("table")
@click.argument("study_id", metavar="STUDY")
@click.option("--format", "form", type=click.Choice(["latex", "csv", "html"]), default="csv", show_default=True, help="html: the whole report.")
@click.option("--test", "on_test", is_flag=True, help="Values on the test data, for a final table.")
@click.option("--cost", "with_cost", is_flag=True, help="html: measure the networks first, as 'study cost' does, for their costs and divisions.")
def table(study_id: str, form: str, on_test: bool, with_cost: bool) -> None:
    """Print the table of STUDY, tasks by cells with mean, interval and number of seeds."""
    from mtl_core.studies.paper_table import to_csv, to_latex
    from mtl_core.studies.study_report import study_report

    if with_cost and form != "html":
        raise ConfigError(Problem("--cost", f"only '--format html' has costs; found '--format {form}'"))
    answer = _answer(study_id, on_test, as_json=False)
    if form != "html":
        emit_data((to_latex if form == "latex" else to_csv)(answer))
        return
    receipt = None
    if with_cost:
        from mtl_core.studies.cost_receipt import measure_receipt

        receipt = measure_receipt(open_store(), answer, lambda share, text: say(text)).to_dict()
    emit_data(study_report(open_store(), answer, receipt=receipt))


def _options(axes: tuple[str, ...], methods: tuple[str, ...], options: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in axes:
        key, value = _assignment(text, "--axis", "optimizer.lr=0.001,0.01")
        found.setdefault("axes", {})[key] = read_yaml(f"[{value}]")
    if methods:
        found["methods"] = [read_yaml(text) for text in methods]
    for text in options:
        key, value = _assignment(text, "--option", "budget=compute")
        found[key] = read_yaml(value)
    return found


def _assignment(text: str, name: str, example: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(Problem(name, f"'{text}' is not of the form KEY=VALUE, e.g. {example}"))
    return key.strip(), value


def _answer(study_id: str, on_test: bool, as_json: bool) -> Answer:
    from mtl_core.studies import study_actions as studies
    from mtl_core.studies.answer import answer_of

    with json_refusals(as_json):
        store = open_store()
        return answer_of(store, studies.get(store, study_id), "test" if on_test else "val")


def _how(answer: Answer) -> str:
    settings = answer.study.settings
    interval = {"t": "Student's t", "bca": "BCa bootstrap"}[settings.interval]
    return f"{interval} intervals; a difference below {settings.band:.3g} of the baseline does not matter"


def _row(line: Line) -> tuple[str, ...]:
    from mtl_core.studies.verdict import Word

    name = line.task or "overall"
    metric = (
        f"{line.metric.name} {'↑' if line.metric.higher_is_better else '↓'}"
        if line.metric
        else "-"
        if line.task
        else "mean gain of main metrics in %"
    )
    if line.verdict is None:
        return name, metric, "-", "-", "-", "-", "0", "-", "no run of both sides has finished"
    said = line.verdict.difference
    interval = "-" if line.verdict.word == Word.NONE else f"{said.low:+.4g} to {said.high:+.4g}" if math.isfinite(said.low) else "not known"
    p = "-" if line.verdict.word == Word.NONE else line.verdict.p_number
    baseline, value = ("-", "-") if line.metric is None else (number(line.baseline), number(line.value))
    return name, metric, baseline, value, f"{said.mean:+.4g}", interval, str(said.n), p, line.verdict.text


def _runs_as_json(store: RunStore, found: Study) -> list[dict[str, Any]]:
    from mtl_core.studies.study_actions import runs_of

    return [{"cell": cell, "seed": seed, "run": each.id, "status": each.status.value} for (cell, seed), each in runs_of(store, found).items()]


def _estimate_as_json(expected: Estimate) -> dict[str, Any]:
    return {"runs": expected.runs, "existing": expected.existing, "seconds": expected.seconds, "basis": expected.basis}


def _estimate_text(expected: Estimate) -> str:
    left = expected.runs - expected.existing
    time_left = f"about {duration(expected.seconds)} (estimate {expected.basis})" if expected.seconds is not None else expected.basis
    return f"{expected.runs} runs, {left} of them still to be made" + (f": {time_left}" if left else "")
