"""Every recorded value as CSV, every digit of it."""

from __future__ import annotations

from pathlib import Path

from mtl_core.exports.source import ExportSource

TITLE = "Metrics, CSV"
SUMMARY = "One row per recorded value: step, epoch, key, value, seconds since the start."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-metrics.csv``."""
    source.scalars.to_csv(folder / f"{source.run.id}-metrics.csv", index=False, lineterminator="\n")
