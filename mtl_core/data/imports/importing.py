"""Adding an imported set to the store, atomically, and deleting it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from mtl_core.atomic_files import sync_folder, write_synced
from mtl_core.data.imports.checking.check_report import Report
from mtl_core.data.imports.checking.scan import Examined, examine, preparation_of
from mtl_core.data.imports.import_library import FILES_NAME, ImportedSet, get_imported, home_folder, name_problem, sets_here, shared_library
from mtl_core.data.imports.imported_source import PreparedSource, cache_name
from mtl_core.data.imports.reading_progress import Cancelled
from mtl_core.data.imports.spec import SPEC_NAME, ImportSpec
from mtl_core.data.prepare import SPLITS, prepare, remove_prepared
from mtl_core.errors import DataError, StoreError

_TEMPORARY = ".importing-"


def import_dataset(
    path: str | Path,
    spec: ImportSpec,
    name: str,
    home: str | Path | None = None,
    checked: Examined | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    sends: bool = True,
) -> ImportedSet:
    """Prepare the data and add the set to the store. On an error nothing is added.

    Args:
        checked: the result of ``examine`` for the same path and spec, so that nothing is read twice; None runs ``examine`` here.
        sends: the set is sent to the object store, if there is one, before this returns; else that is left to others of this machine.

    Raises:
        DataError: the name is taken, or the report has problems.
        Cancelled: ``cancelled`` returned True; nothing is kept.
    """
    problem = name_problem(name, home)
    if problem:
        raise DataError(problem)
    progress, cancelled = progress or (lambda share, what: None), cancelled or (lambda: False)
    examined = checked or examine(path, spec, lambda share, what: progress(0.5 * share, what), cancelled)
    if examined.report.problems:
        raise DataError(" ".join(examined.report.problems))

    def report_progress(share: float, what: str) -> None:

        if cancelled():
            raise Cancelled("cancelled; nothing was kept")
        progress(0.5 + 0.5 * share, what)

    prepare(PreparedSource(examined), home_folder(home) / "data", report_progress)
    made = _publish(examined, Path(path), name, home)
    if shared := shared_library(home):
        if sends:
            shared.added(name, progress)
        else:
            shared.to_be_sent(name)
    return made


def delete(name: str, home: str | Path | None = None) -> None:
    """Delete a set from the store, and its prepared arrays unless another set uses them. The user's own files stay.

    From an object store it is deleted for all machines.

    Raises:
        DataError: there is no such set. StoreError: it cannot be removed.
    """

    found = get_imported(name, home)
    if shared := shared_library(home):
        shared.removed(name)
    remove_set(found, home_folder(home))


def remove_set(found: ImportedSet, home: Path) -> None:
    """Remove a set from this machine, and its prepared arrays unless another set here uses them. Raises StoreError."""
    aside = found.folder.parent / f"{_TEMPORARY}{uuid.uuid4().hex}"
    try:
        with contextlib.suppress(FileNotFoundError):  # another process has removed it just now
            found.folder.rename(aside)
            shutil.rmtree(aside)
        if all(other.digest != found.digest for other in sets_here(home)):
            remove_prepared(home / "data" / cache_name(found.digest))
    except OSError as error:
        raise StoreError(f"the data set '{found.name}' cannot be removed: {error}. Check the permissions of '{found.folder.parent}'.") from None


def _publish(examined: Examined, path: Path, name: str, home: str | Path | None) -> ImportedSet:
    report: Report = examined.report
    parent = home_folder(home) / "imports"
    temporary = parent / f"{_TEMPORARY}{uuid.uuid4().hex}"
    meta = {
        "format": 1,
        "path": str(path.expanduser().absolute()),
        "tasks": [asdict(task) for task in examined.tasks],
        "image_shape": list(report.image_shape),
        "split_sizes": report.split_sizes,
        "digest": report.digest,
        "preparation": preparation_of(examined.facts),
        "created_at": time.time(),
        "counts": report.counts,
    }
    spec = examined.spec.model_copy(update={"path": meta["path"]})
    try:
        temporary.mkdir(parents=True)
        write_synced(temporary / SPEC_NAME, spec.to_yaml().encode())
        write_synced(temporary / "report.csv", report.to_csv().encode())
        write_synced(temporary / FILES_NAME, _files(examined).encode())
        write_synced(temporary / "set.json", json.dumps(meta, indent=1).encode())
        sync_folder(temporary)
        temporary.rename(parent / name)
        sync_folder(parent)
    except OSError as error:
        if problem := name_problem(name, home):  # another import was sooner with the name while this one was prepared
            raise DataError(problem) from None
        raise StoreError(f"the data set '{name}' cannot be kept in '{parent}': {error}. Set MTL_HOME to a folder that can be written.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return get_imported(name, home)


def _files(examined: Examined) -> str:
    """The picture of each row of the arrays as CSV, in the order of ``PreparedSource.portions``."""
    rows: dict[str, int] = dict.fromkeys(SPLITS, 0)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("split", "row", "file"))
    for key in examined.facts:
        split = examined.split[key]
        writer.writerow((split, rows[split], key))
        rows[split] += 1
    return text.getvalue()
