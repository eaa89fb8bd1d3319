"""What is asked before a run: ``preflight``, real batches of a config through the real step; ``backbones``, its network with each backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mtl_core.cli.foreground import check_config
from mtl_core.cli.output import JSON, SET, emit, emit_json, json_refusals
from mtl_core.cli.train_commands import check_one_given, read_config
from mtl_core.runs.store import open_store

if TYPE_CHECKING:
    from mtl_core.training.before_training.backbone_table import BackboneRow


@click.command()
@click.argument("config_file", metavar="[CONFIG.yaml]", required=False)
@click.option("--preset", metavar="NAME", help="Use a preset instead of a file; 'presets' lists them.")
@SET
@JSON
def preflight(config_file: str | None, preset: str | None, assignments: tuple[str, ...], as_json: bool) -> int:
    """Run a few real steps of CONFIG.yaml, or of a preset, and say what they cost and show.

    Seconds per step, the time of the whole run, memory, and for each task the labels found, loss, gradient norm and a proposed loss weight. No run
    is made.

    Exit code: 0 nothing is wrong, 1 a loss or the network is not finite or a task has no labels in the batch, 2 the config or the data cannot be
    used.
    """
    from mtl_core.training.before_training.preflight import preflight as measure

    check_one_given(config_file, preset)
    with json_refusals(as_json):
        config = check_config(read_config(config_file, preset, assignments))
        store = open_store()
        found = measure(config, store.cache, store.home / "runs")
    if as_json:
        emit_json(found.to_dict())
    else:
        emit("\n".join(_lines(found)))
    return 1 if found.problems else 0


def _lines(found) -> list[str]:
    minutes, seconds = divmod(round(found.eta_seconds), 60)
    lines = [
        f"{found.device}, {found.precision}, {found.layout}",
        f"{found.seconds_per_step:.3g} s a step of {found.batch_size} images, {found.seconds_per_evaluation:.3g} s an evaluation",
        f"about {minutes} min {seconds} s for {found.steps:,} steps with their evaluations, as fast as this machine is now",
        f"memory: {found.peak_bytes / 1e6:,.0f} MB at most in this process so far; estimated need {found.estimated_bytes / 1e6:,.0f} MB",
        f"parameters trained: {found.parameters['shared']:,} shared, {sum(found.parameters['tasks'].values()):,} of single tasks; "
        f"frozen: {found.parameters.get('frozen', 0):,}",
        "",
        f"{'task':20} {'labels':>8} {'loss':>10} {'gradient':>10} {'proposed weight':>16}",
    ]
    for name, task in found.tasks.items():
        weight = "-" if task.suggested_weight is None else f"{task.suggested_weight:.3g}"
        lines.append(f"{name:20.20} {task.labelled:>8} {task.loss:>10.4g} {task.gradient_norm:>10.4g} {weight:>16}")
    return [*lines, *([found.reason] if found.reason else []), *(f"wrong: {problem}" for problem in found.problems)]


@click.command()
@click.argument("config_file", metavar="[CONFIG.yaml]", required=False)
@click.option("--preset", metavar="NAME", help="Use a preset instead of a file; 'presets' lists them.")
@click.option("--time", "timed", is_flag=True, help="Also measure seconds per step on this machine: a second or two for each backbone.")
@SET
@JSON
def backbones(config_file: str | None, preset: str | None, timed: bool, assignments: tuple[str, ...], as_json: bool) -> None:
    """Put each backbone in the place of that of CONFIG.yaml, or of a preset, and say what it costs. No run is made.

    Parameters and multiply-adds (of one image of the run's size, forward) are those of the backbone alone. Seconds per step are of the run's whole
    network, forward and backward, on random images. Licences are those of published weights. A backbone that does not fit says why.
    """
    from mtl_core.training.before_training.backbone_table import backbone_rows

    check_one_given(config_file, preset)
    with json_refusals(as_json):
        config = read_config(config_file, preset, assignments)
        rows = list(backbone_rows(config, timed=timed))
    if as_json:
        emit_json({"batch_size": config.batch_size, "backbones": [row.to_dict() for row in rows]})
    else:
        emit("\n".join(_rows_in_words(rows, config.batch_size)))


def _rows_in_words(rows: Sequence[BackboneRow], batch_size: int) -> list[str]:
    lines = [f"{'backbone':20} {'parameters':>12} {'multiply-adds':>14} {'s a step':>10}  weights"]
    for row in rows:
        seconds = "-" if row.seconds_per_step is None else f"{row.seconds_per_step:.3g}" + ("*" if row.timed_images < batch_size else "")
        counts = [f"{count:,}" if count is not None else "-" for count in (row.parameters, row.multiply_adds)]
        weights = f"{row.megabytes:.0f} MB, {row.licence}" if row.licence else "none published"
        lines.append(f"{row.name:20.20} {counts[0]:>12} {counts[1]:>14} {seconds:>10}  {weights}")
        lines += [f"    {said}" for said in (row.weights_need, row.problem) if said]
    if any(row.timed_images < batch_size for row in rows if row.timed_images):
        lines.append(f"*: estimated from a step of fewer than {batch_size} images")
    return lines
