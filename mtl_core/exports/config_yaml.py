"""The run's config as YAML, every default written out."""

from __future__ import annotations

from pathlib import Path

from mtl_core.exports.export_source import ExportSource

TITLE = "Settings, YAML"
SUMMARY = "For python -m mtl_core train, or the Train page."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>.yaml``."""
    (folder / f"{source.run.id}.yaml").write_text(source.run.config.to_yaml(), encoding="utf-8")
