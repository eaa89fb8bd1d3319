"""Predictions of classes, numbers and boxes as CSV: one row per validation image, or per box."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mtl_core.csv_text import csv_of
from mtl_core.exports.export_source import ExportSource

TITLE = "Predictions, CSV"
SUMMARY = "A file per task: each validation image with its target, prediction, and probabilities; boxes and points one a row."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-<task>-predictions.csv``; a missing target is empty. ``file``: the original picture, for an imported set.

    Text that a spreadsheet would run as a formula begins with ' (see ``mtl_core.csv_text``).
    """
    for name in source.tasks_with("export_rows", "a table"):
        data, predictions = source.val
        task = source.predictor.kinds[name].task
        kind = source.predictor.kinds[name]
        table = pd.DataFrame(kind.export_rows(task, predictions[name], data.targets[task.target], data.labelled[task.target]))
        if source.val_files:
            table.insert(1, "file", [source.val_files[image] for image in table["image"]])
        (folder / f"{source.run.id}-{name}-predictions.csv").write_text(csv_of(table), encoding="utf-8", newline="")
