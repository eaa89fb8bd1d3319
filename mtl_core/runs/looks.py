"""The log of looks at a run's test images: ``<run>/looks_at_test.jsonl``, one line per evaluation or prediction on the test split.

Every use of the test images writes a line: an evaluation, predictions of the split, a prediction for single images of it.
A line stays when the evaluation or the predictions are replaced or deleted, because the result was seen.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

NAME = "looks_at_test.jsonl"
_KEPT = "test_epoch_"  # prefix of the folders with predictions of the test split


@dataclass(frozen=True)
class Look:
    """``what``: 'evaluated' or 'predicted'. ``epoch``: of the checkpoint. ``at``: seconds since 1970."""

    what: str
    epoch: int
    at: float


def note_look(run_folder: Path, what: str, epoch: int) -> None:
    """Append one look at the test images to the log.

    Raises:
        OSError: the run's folder cannot be written.
    """
    line = json.dumps({"what": what, "epoch": epoch, "at": time.time()}) + "\n"
    handle = os.open(Path(run_folder) / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def looks(run_folder: Path) -> list[Look]:
    """All looks, oldest first. Runs of earlier versions have no log; their existing evaluations and predictions count. Damaged lines are skipped."""
    found = []
    try:
        lines = (Path(run_folder) / NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        try:
            entry = json.loads(line)
            found.append(Look(str(entry["what"]), int(entry["epoch"]), float(entry["at"])))
        except (ValueError, KeyError, TypeError):
            continue
    noted = {(look.what, look.epoch) for look in found}
    for what, pattern in (("predicted", f"predictions/{_KEPT}*/meta.json"), ("evaluated", "evaluations/*_test.json")):
        for path in Path(run_folder).glob(pattern):
            name = path.parent.name.removeprefix("test_") if what == "predicted" else path.name
            epoch = name.split("_")[1]
            if epoch.isdigit() and (what, int(epoch)) not in noted:
                found.append(Look(what, int(epoch), path.stat().st_mtime))
    return sorted(found, key=lambda look: look.at)
