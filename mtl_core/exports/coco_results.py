"""Predicted boxes and points of the validation images in COCO's results layout, beside the images and targets they belong to.

Layout: https://cocodataset.org/#format-results and #format-data; a box is x, y, width, height in pixels of the prepared images.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mtl_core.exports.export_source import ExportSource

TITLE = "Boxes and points, COCO JSON"
SUMMARY = "Predicted boxes and points of the validation images, and their targets, as COCO's tools read them."


def write(source: ExportSource, folder: Path) -> None:
    """Per task of boxes or points ``<run>-<task>-results.json`` (predictions) and ``<run>-<task>-targets.json`` (images, categories, annotations)."""
    for name in source.tasks_with("coco_annotations", "boxes or points"):
        data, predictions = source.val
        kind = source.predictor.kinds[name]
        task = kind.task
        height, width = data.images.shape[2:]
        known = np.flatnonzero(data.labelled[task.target])
        results = [entry for row in known for entry in kind.coco_annotations(task, int(row), predictions[name][row], (height, width), True) or ()]
        targets = [
            entry for row in known for entry in kind.coco_annotations(task, int(row), data.targets[task.target][row], (height, width), False) or ()
        ]
        annotations = [_annotation(number, entry) for number, entry in enumerate(targets, 1)]
        whole = {
            "images": [
                {"id": int(row), "file_name": f"val-{row:06d}.png", "height": height, "width": width, **_made_of(source, int(row))} for row in known
            ],
            "categories": kind.coco_categories(task),
            "annotations": annotations,
        }
        for what, value in (("results", results), ("targets", whole)):
            (folder / f"{source.run.id}-{name}-{what}.json").write_text(json.dumps(value), encoding="utf-8")


def _made_of(source: ExportSource, row: int) -> dict[str, str]:
    """The user's picture under its own key, because boxes are in pixels of the prepared image, which may have another size."""
    return {"source_file": source.val_files[row]} if source.val_files else {}


def _annotation(number: int, entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "id": number, "area": entry.get("area", entry["bbox"][2] * entry["bbox"][3]), "iscrowd": 0}
