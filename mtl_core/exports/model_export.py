"""The network as a folder of safetensors and config. ``mtl_core.load`` opens it without the run or its data."""

from __future__ import annotations

from pathlib import Path

from mtl_core.exports.export_source import ExportSource

TITLE = "Network (safetensors + config)"
SUMMARY = "A folder for mtl_core.load: weights, classes, normalisation. Opening it runs no code."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-model/`` with ``model.safetensors``, ``model.json`` and ``config.yaml``."""
    from mtl_core.inference.loading import find_model
    from mtl_core.inference.model_folder import model_files

    place = folder / f"{source.run.id}-model"
    place.mkdir()
    for name, content in model_files(*find_model(source.run.id, source.checkpoint, home=source.store.home)).items():
        (place / name).write_bytes(content)
