"""``export``: a run in other forms: network, numbers, pictures, report."""

from __future__ import annotations

from pathlib import Path

import click

from mtl_core.cli.output import JSON, emit, emit_json, json_refusals, say
from mtl_core.exports import EXPORTS
from mtl_core.runs.store import open_store

FORMATS = [*EXPORTS, "zip"]


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--format",
    "formats",
    metavar="NAME",
    multiple=True,
    required=True,
    help=f"One of {', '.join(FORMATS)} (all in one file). Repeatable, or with commas.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("exported"), show_default=True, help="Folder to write into.")
@click.option("--checkpoint", default="best", show_default=True, metavar="best|last|EPOCH", help="Which network.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@JSON
def export(run_id: str, formats: tuple[str, ...], out: Path, checkpoint: str, force: bool, as_json: bool) -> None:
    """Write RUN (its id, or how that begins) in other forms into a folder.

    ONNX and PyTorch programs are checked against the network to 1e-4 before they are handed out.
    Exit code: 0 written, 1 an exported network did not agree, 2 it cannot be made.
    """
    from mtl_core.exports.source import ExportSource
    from mtl_core.exports.writing import export as write

    with json_refusals(as_json):
        store = open_store()
        source = ExportSource(store, store.get(run_id), checkpoint)
        names = [name for group in formats for name in group.replace(",", " ").split()]
        written, skipped = write(source, names, out, force=force)
    if as_json:
        emit_json({"run": source.run.id, "written": [str(path) for path in written], "left_out": skipped})
        return
    emit("\n".join(str(path) for path in written))
    for name, why in skipped.items():
        say(f"left out: {name}: {why}")
