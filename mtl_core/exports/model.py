"""The network as a folder: safetensors and its config; ``mtl_core.load`` takes it anywhere, without the run or its data."""

from __future__ import annotations

from pathlib import Path

from mtl_core.exports.source import ExportSource

TITLE = "Network (safetensors + config)"
SUMMARY = "A folder for mtl_core.load: numbers, classes, normalisation. Runs no code when it is opened."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-model/`` with ``model.safetensors``, ``model.json`` and ``config.yaml``."""
    from mtl_core.inference.loading import described
    from mtl_core.inference.model_folder import model_files

    place = folder / f"{source.run.id}-model"
    place.mkdir()
    for name, content in model_files(*described(source.run.id, source.checkpoint, home=source.store.home)).items():
        (place / name).write_bytes(content)
