"""Predicted boxes of the validation images in COCO's results layout, with a file of their images and targets.

Layout: https://cocodataset.org/#format-results and #format-data; a box is x, y, width, height in pixels of the prepared images.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mtl_core.exports.source import ExportSource

TITLE = "Boxes, COCO JSON"
SUMMARY = "Predicted boxes of the validation images, and their targets, as COCO's tools read them."


def write(source: ExportSource, folder: Path) -> None:
    """Per detection task ``<run>-<task>-results.json`` (predictions) and ``<run>-<task>-targets.json`` (images, categories, annotations)."""
    for name in source.tasks_of("detection"):
        data, predictions = source.val
        task = source.predictor.kinds[name].task
        height, width = data.images.shape[2:]
        known = np.flatnonzero(data.labelled[task.target])
        results = [entry for row in known for entry in _rows(int(row), predictions[name][row])]
        targets = [entry for row in known for entry in _rows(int(row), data.targets[task.target][row])]
        annotations = [{**entry, "id": number, "area": entry["bbox"][2] * entry["bbox"][3], "iscrowd": 0} for number, entry in enumerate(targets, 1)]
        whole = {
            "images": [
                {"id": int(row), "file_name": f"val-{row:06d}.png", "height": height, "width": width, **_made_of(source, row)} for row in known
            ],
            "categories": [{"id": index, "name": text} for index, text in enumerate(task.classes)],
            "annotations": annotations,
        }
        for what, value in (("results", results), ("targets", whole)):
            (folder / f"{source.run.id}-{name}-{what}.json").write_text(json.dumps(value), encoding="utf-8")


def _made_of(source: ExportSource, row: int) -> dict[str, str]:
    """The user's picture under its own key, because boxes are in pixels of the prepared image, which may have another size."""
    return {"source_file": source.val_files[row]} if source.val_files else {}


def _rows(image: int, boxes: np.ndarray) -> list[dict[str, Any]]:
    """COCO's entries for rows x1, y1, x2, y2, class and, of predictions, score."""
    entries = []
    for x1, y1, x2, y2, index, *score in boxes[boxes[:, 4] >= 0].astype(float).tolist():
        entry = {"image_id": image, "category_id": int(index), "bbox": [x1, y1, x2 - x1, y2 - y1]}
        entries.append({**entry, "score": score[0]} if score else entry)
    return entries
