"""``backbones``: every backbone in the place of a config's own, with its size, its cost and the licence of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mtl_core.cli.output import JSON, SET, emit, emit_json, json_refusals
from mtl_core.cli.train_commands import check_one_given, read_config

if TYPE_CHECKING:
    from mtl_core.training.before_training.backbone_table import BackboneRow


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
        emit("\n".join(_lines(rows, config.batch_size)))


def _lines(rows: Sequence[BackboneRow], batch_size: int) -> list[str]:
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
