"""Evaluations in a run's folder: ``evaluations/<checkpoint>_<split>.json`` and the arrays file that it names. Read without torch.

A newer evaluation of the same checkpoint and split replaces the older one: its arrays are written first, then the JSON that names them is
replaced atomically, so a reader sees one or the other.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from mtl_core.analysis.evaluation.findings import Cells
from mtl_core.atomic_files import atomic_write, write_text
from mtl_core.errors import StoreError
from mtl_core.runs.looks import note_look

FORMAT = 1
SPLITS = ("train", "val", "test")
_NAME = re.compile(r"epoch_\d{4,}_step_\d{8,}_(train|val|test)\.json")


@dataclass(frozen=True)
class Evaluation:
    """One checkpoint on one split. ``report``: the report of ``mtl_core.training.checkpoint_evaluation`` plus run id and format."""

    report: dict[str, Any]
    folder: Path

    @property
    def split(self) -> str:
        return self.report["split"]

    @property
    def checkpoint(self) -> str:
        return self.report["checkpoint"]

    def value(self, task: str, name: str) -> float | None:
        """A task's metric; None if it is undefined or was not measured."""
        found = self.report["tasks"].get(task, {}).get("values", [])
        return next((entry["value"] for entry in found if entry["name"] == name), None)

    def arrays(self, task: str) -> dict[str, np.ndarray]:
        """Arrays of one task; the task's name is cut from their keys.

        Raises:
            StoreError: the file is missing or damaged.
        """
        path = self.folder / self.report["arrays"]
        try:
            with np.load(path, allow_pickle=False) as file:
                return {key.removeprefix(f"{task}/"): file[key] for key in file.files if key.startswith(f"{task}/")}
        except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise StoreError(f"'{path}' cannot be read ({error}). Evaluate the checkpoint again to write it again.") from None

    def cells(self, task: str, arrays: dict[str, np.ndarray]) -> Cells | None:
        """The task's confusion matrix, from its arrays; None for a task without one."""
        about = self.report["tasks"][task]["cells"]
        return Cells(tuple(about["rows"]), tuple(about["columns"]), about["counted"], arrays["cells"].astype(np.int64)) if about else None


def write_evaluation(folder: Path, run_id: str, report: dict[str, Any], arrays: dict[str, np.ndarray]) -> Evaluation:
    """Save an evaluation in the run's folder.

    Raises:
        StoreError: it cannot be written; the earlier evaluation stays.
    """
    if report["split"] == "test":
        with contextlib.suppress(OSError):  # the write below raises for a folder that cannot be written
            note_look(folder, "evaluated", report["epoch"])
    parent = folder / "evaluations"
    name = f"{report['checkpoint']}_{report['split']}"
    path = parent / f"{name}.{secrets.token_hex(4)}.npz"
    report = {"format": FORMAT, "run": run_id, **report, "arrays": path.name}
    try:
        parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            np.savez_compressed(file, **cast("dict[str, Any]", arrays))
        write_text(parent / f"{name}.json", json.dumps(report, allow_nan=False))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreError(f"cannot save the evaluation in '{parent}': {error.strerror or error}. Free some space and evaluate again.") from error
    for old in parent.glob(f"{name}.*.npz"):
        if old != path:
            with contextlib.suppress(OSError):
                old.unlink()
    return Evaluation(report, parent)


def evaluations(folder: Path) -> list[Evaluation]:
    """All readable evaluations of a run, newest first."""
    parent, found = folder / "evaluations", []
    for path in parent.iterdir() if parent.is_dir() else ():
        if _NAME.fullmatch(path.name):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                report = json.loads(path.read_text(encoding="utf-8"))
                if report["format"] <= FORMAT and isinstance(report["tasks"], dict):
                    found.append(Evaluation(report, parent))
    return sorted(found, key=lambda evaluation: -evaluation.report["created_at"])
