"""Every recorded value as Parquet."""

from __future__ import annotations

from pathlib import Path

from mtl_core.exports.export_source import ExportSource

TITLE = "Metrics, Parquet"
SUMMARY = "The same rows as in the CSV, for pandas, DuckDB, Spark."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-metrics.parquet``."""
    source.scalars.to_parquet(folder / f"{source.run.id}-metrics.parquet", engine="pyarrow", index=False)
