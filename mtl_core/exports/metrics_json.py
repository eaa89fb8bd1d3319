"""Run, config, best and last values, and every recorded value as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from mtl_core.exports.export_source import ExportSource
from mtl_core.runs.sql.schema import finite

TITLE = "Metrics, JSON"
SUMMARY = "Settings, best and last of each metric, and each curve as lists; numbers that are not finite are null."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-metrics.json``."""
    run = source.run
    columns = ["step", "epoch", "value", "wall_time"]
    curves = {key: {column: rows[column].tolist() for column in columns} for key, rows in source.scalars.groupby("key", sort=True)}
    whole = {"run": run.id, "name": run.name, "status": run.status.value, "created_at": run.created_at, "seconds": run.seconds}
    whole |= {"config": run.config.to_dict(), "info": run.info, "summary": source.summary, "curves": curves}
    text = json.dumps(finite(whole), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / f"{run.id}-metrics.json").write_text(text, encoding="utf-8")
