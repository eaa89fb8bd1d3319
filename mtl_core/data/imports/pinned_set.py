"""The version of an imported set that a run was made for. ``data.json`` in the run's folder holds it, and nothing of the run is trained, measured or
predicted on any other version (``mtl_core.data.open_source_of_run``)."""

from __future__ import annotations

import json
from pathlib import Path

from mtl_core.atomic_files import write_text
from mtl_core.data.imports.import_library import get_imported
from mtl_core.errors import DataError

PIN = "data.json"


def pin_set(folder: Path, name: str, home: Path) -> None:
    """Note the version of the set that is in the store in ``home``. Without such a set nothing is noted: training says that it is missing."""
    try:
        digest = get_imported(name, home).digest
    except DataError:
        return
    write_text(folder / PIN, json.dumps({"set": name, "digest": digest}))


def check_pin(folder: Path, name: str, home: Path | None = None) -> None:
    """Compare the set that is in the store in ``home`` with what was noted. Runs of earlier versions have no note and are not checked.

    Args:
        home: None for MTL_HOME, where ``mtl_core.data.open_source`` looks.

    Raises:
        DataError: it is another version, or there is no such set.
    """
    if not (folder / PIN).is_file():
        return
    try:
        noted = json.loads((folder / PIN).read_text(encoding="utf-8"))
        pinned = (noted["set"], noted["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{folder / PIN}', which says what data the run was made for, is damaged ({error}). Make the run again.") from None
    try:
        here = get_imported(name, home).digest
    except DataError as error:
        raise DataError(f"{error}. The run was made for that set: import its files again under this name") from None
    if pinned != (name, here):
        raise DataError(
            f"the data set '{name}' is not the one that this run was made for: other files were imported under this name since, or on this machine. "
            "Make the run again to train on the set that is there now, or delete that set and import the earlier files under this name."
        )
