"""Predictions of classes, numbers and boxes as CSV: one row per validation image, or per box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mtl_core.csv_text import csv_of
from mtl_core.data.dataset import Task
from mtl_core.exports.source import ExportSource

TITLE = "Predictions, CSV"
SUMMARY = "A file per task: each validation image with its target, prediction, and probabilities; boxes one a row."
KINDS = ("classification", "multi_label", "regression", "detection")


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-<task>-predictions.csv``; a missing target is empty. ``file``: the original picture, for an imported set.

    Text that a spreadsheet would run as a formula begins with ' (see ``mtl_core.csv_text``).
    """
    for name in source.tasks_of(*KINDS):
        data, predictions = source.val
        task = source.predictor.kinds[name].task
        table = _TABLES[task.kind](task, predictions[name], data.targets[task.target], data.labelled[task.target])
        if source.val_files:
            table.insert(1, "file", [source.val_files[image] for image in table["image"]])
        (folder / f"{source.run.id}-{name}-predictions.csv").write_text(csv_of(table), encoding="utf-8", newline="")


def _classification(task: Task, predicted: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> pd.DataFrame:
    known = [task.classes[int(target)] if there else None for target, there in zip(targets, labelled, strict=True)]
    frame = pd.DataFrame({"image": np.arange(len(predicted)), "target": known, "predicted": [task.classes[i] for i in predicted.argmax(1)]})
    return pd.concat([frame, _probabilities(task, predicted)], axis=1)


def _multi_label(task: Task, predicted: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> pd.DataFrame:
    known = {f"target {name}": np.where(labelled, targets[:, i].astype(float), np.nan) for i, name in enumerate(task.classes)}
    frame = pd.DataFrame({"image": np.arange(len(predicted)), **known})
    return pd.concat([frame, _probabilities(task, predicted)], axis=1)


def _regression(task: Task, predicted: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> pd.DataFrame:
    known = np.where(labelled, targets, np.nan)
    return pd.DataFrame({"image": np.arange(len(predicted)), "target": known, "predicted": predicted, "unit": task.unit})


def _detection(task: Task, predicted: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> pd.DataFrame:
    images, places = np.nonzero(predicted[:, :, 4] >= 0)
    rows = predicted[images, places]
    frame = pd.DataFrame(rows[:, :4], columns=["x1", "y1", "x2", "y2"])
    frame.insert(0, "image", images)
    return frame.assign(**{"class": [task.classes[int(index)] for index in rows[:, 4]], "score": rows[:, 5]})


def _probabilities(task: Task, predicted: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(predicted, columns=[f"probability {name}" for name in task.classes])


_TABLES = {"classification": _classification, "multi_label": _multi_label, "regression": _regression, "detection": _detection}
