"""``export``: a run's network, metrics, predictions and report as files."""

from __future__ import annotations

from pathlib import Path

import click

from mtl_core.cli.output import JSON, emit, emit_json, json_refusals, say
from mtl_core.exports import EXPORTS
from mtl_core.language import LANGUAGES, SOURCE
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
    help=f"One of {', '.join(FORMATS)} (all in one file). Repeatable, or separated by commas.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("exported"), show_default=True, help="Folder to write into.")
@click.option("--checkpoint", default="best", show_default=True, metavar="best|best:TASK|last|EPOCH", help="The checkpoint to export.")
@click.option("--language", type=click.Choice(list(LANGUAGES)), default=SOURCE, show_default=True, help="Language of the report.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@JSON
def export(run_id: str, formats: tuple[str, ...], out: Path, checkpoint: str, language: str, force: bool, as_json: bool) -> None:
    """Export RUN (its id, or the beginning of the id) to files in a folder.

    The outputs of ONNX and PyTorch programs are compared with the network's before the files are published.
    Exit code: 0 written, 1 an exported program's outputs differ, 2 the export is not possible.
    """
    from mtl_core.exports.export_source import ExportSource
    from mtl_core.exports.writing import export as write

    with json_refusals(as_json):
        store = open_store()
        source = ExportSource(store, store.get(run_id), checkpoint, language=language)
        names = [name for group in formats for name in group.replace(",", " ").split()]
        written, skipped = write(source, names, out, force=force)
    if as_json:
        emit_json({"run": source.run.id, "written": [str(path) for path in written], "left_out": skipped})
        return
    emit("\n".join(str(path) for path in written))
    for name, why in skipped.items():
        say(f"left out: {name}: {why}")
