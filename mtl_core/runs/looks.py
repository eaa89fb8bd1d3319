"""The log of looks at a run's test images: ``<run>/looks_at_test.jsonl``, one line per evaluation or prediction on the test split.

Every way to learn something of a run from its test images writes a line: an evaluation, predictions of the split, a model's answer to a question.
A line stays when the evaluation or the predictions are made anew or deleted: what was seen was seen.

Who looks through the test images of a data set looks at those of every run on it, earlier and later ones: ``<home>/looks_at_test.jsonl``, one line
for each data set and day.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "looks_at_test.jsonl"
A_DAY = 24 * 3600.0
_NOT_THE_IMAGES = ("preprocessing", "partition", "download")  # what is done to the images, or how they come here: the data set is the same
_KEPT = "test_epoch_"  # begin of the folder of the predictions of the test split


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
    _append(Path(run_folder) / NAME, {"what": what, "epoch": epoch, "at": time.time()})


def note_look_at_data(home: Path, data: Mapping[str, Any]) -> None:
    """Write down that somebody looked through the test images of a data set. A further look within a day is not written again.

    Args:
        data: the data section of a config, or the part of it that names the data set: ``{"name": ..., option: value}``.

    Raises:
        OSError: ``home`` cannot be written.
    """
    before = looks_at_data(home, data)
    if not before or time.time() - before[-1] > A_DAY:
        _append(Path(home) / NAME, {"data": _data_set(data), "at": time.time()})


def looks_at_data(home: Path, data: Mapping[str, Any]) -> list[float]:
    """When (seconds since 1970) the test images of this data set were looked through, the oldest first. Damaged lines are left out."""
    found, asked = [], _data_set(data)
    for line in _lines(Path(home) / NAME):
        try:
            entry = json.loads(line)
            if _data_set(entry["data"]) == asked:
                found.append(float(entry["at"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return sorted(found)


def same_data_set(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two ``data`` sections have the same images in the same order, whatever their preprocessing and partition."""
    return _data_set(one) == _data_set(other)


def _data_set(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data set's name and its options as JSON has them, with the defaults, so that an option that is left out means the same as its default."""
    from mtl_core.config_sections import PartConfig
    from mtl_core.data import open_source
    from mtl_core.errors import MTLError

    own = dict(data)
    try:
        named = {key: value for key, value in own.items() if key not in ("preprocessing", "partition")}
        own = {"name": own["name"], **open_source(PartConfig(**named)).options.model_dump(mode="json")}
    except (MTLError, OSError, ValueError):  # a data set that is gone is known by what was written
        pass
    own = {key: value for key, value in own.items() if key not in _NOT_THE_IMAGES}
    return json.loads(json.dumps(own, sort_keys=True))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _append(path: Path, entry: dict[str, Any]) -> None:
    line = json.dumps(entry) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def looks(run_folder: Path) -> list[Look]:
    """All looks, oldest first. Runs of earlier versions have no log; their existing evaluations and predictions count. Damaged lines are skipped."""
    found = []
    for line in _lines(Path(run_folder) / NAME):
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
