"""Predicted masks and depth maps of the validation images as PNG files."""

from __future__ import annotations

import json
from pathlib import Path

from mtl_core.exports.export_source import ExportSource

TITLE = "Masks and depth, PNG"
SUMMARY = "One file per validation image: class index with a palette; depth as 16-bit grey, whose scale is in a JSON file beside it."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-masks/<task>/val-000000.png`` and ``<task>/about.json``."""
    for name in source.tasks_with("map_files", "masks or maps"):
        _, predictions = source.val
        kind = source.predictor.kinds[name]
        place = folder / f"{source.run.id}-masks" / name
        place.mkdir(parents=True)
        files = kind.map_files
        assert files is not None  # as ``tasks_with`` asked for it
        scale = files.scale(predictions[name])
        for row, values in enumerate(predictions[name]):
            files.picture(kind.task, values, **scale).save(place / f"val-{row:06d}.png")
        about = {"kind": kind.task.kind, **files.about(kind.task), **scale}
        (place / "about.json").write_text(json.dumps(about), encoding="utf-8")
