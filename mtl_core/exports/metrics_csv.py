"""Every recorded value as CSV, with all digits."""

from __future__ import annotations

from pathlib import Path

from mtl_core.csv_text import csv_of
from mtl_core.exports.export_source import ExportSource

TITLE = "Metrics, CSV"
SUMMARY = "One row per recorded value: step, epoch, key, value, seconds since the start."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-metrics.csv``."""
    (folder / f"{source.run.id}-metrics.csv").write_text(csv_of(source.scalars), encoding="utf-8", newline="")
