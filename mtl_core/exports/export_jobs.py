"""Background exports for the pages: one at a time in a thread of this process; the files stay in the run's folder.

``<run>/exports/<format>/about.json`` names the export's network, its time and its file, which is in a folder beside it. A new export is written to
a new folder; the previous export is removed when the new one is ready.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import uuid
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mtl_core.atomic_files import write_text
from mtl_core.data.data_source import Progress
from mtl_core.errors import StoreError
from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.writing import export, format_of
from mtl_core.language import language
from mtl_core.runs.background.background_jobs import BackgroundJobs
from mtl_core.runs.store import RunStore

ABOUT = "about.json"
_JOBS = BackgroundJobs("export", in_turn=True, needs_engine=True)


@dataclass(frozen=True)
class Made:
    """A finished export: format, file, requested checkpoint, the run's step at the time, and the time (seconds since 1970)."""

    name: str
    file: Path
    checkpoint: str
    step: int
    made_at: float


def start(store: RunStore, run_id: str, name: str, checkpoint: str = "best") -> None:
    """Start an export in the background; does nothing if the same export is in progress. A report is in the language of the caller.

    Raises:
        ConfigError: an unknown format.
    """
    if name != "zip":
        format_of(name)
    run = store.get(run_id)
    work = partial(_make_alone, store, run.id, name, checkpoint, language())
    _JOBS.start(_key(store, run.id, name), lambda progress, cancelled: work(progress), "waiting for another export", label=f"{run.id}-{name}")


def under_way(store: RunStore, run_id: str) -> dict[str, dict[str, Any]]:
    """Exports of a run that are being made, or could not be: by format, ``state`` (working, failed), ``share``, ``what``, ``problem``."""
    start = _key(store, run_id, "")
    states = {key.removeprefix(start): job for key, job in _JOBS.all().items() if key.startswith(start) and (not job["done"] or job["error"])}
    return {
        name: {"state": "failed" if job["error"] else "working", "share": job["share"], "what": job["text"], "problem": job["error"]}
        for name, job in states.items()
    }


def ready(store: RunStore, run_id: str) -> list[Made]:
    """Finished exports of a run, newest first."""
    found = []
    with contextlib.suppress(StoreError):  # those that are here can be had
        store.artifacts.bring(run_id, lambda path: path.startswith("exports/"))
    for path in (store.folder(run_id) / "exports").glob(f"*/{ABOUT}"):
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            file = path.parent / Path(about.get("folder", "")).name / Path(about["file"]).name  # exports of earlier versions have no folder
            if file.is_file():
                found.append(Made(path.parent.name, file, str(about["checkpoint"]), int(about["step"]), float(about["made_at"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # half written by a killed process; the next export replaces it
    return sorted(found, key=lambda made: -made.made_at)


def _key(store: RunStore, run_id: str, name: str) -> str:
    return f"{store.home}/{run_id}/{name}"


def _make_alone(store: RunStore, run_id: str, name: str, checkpoint: str, spoken: str, progress: Progress) -> None:
    source = ExportSource(store, store.get(run_id), checkpoint, progress, spoken)
    place = source.folder / "exports" / name
    folder = place / uuid.uuid4().hex
    try:
        file = _one_file(source, name, folder)
        about = {"folder": folder.name, "file": file.name, "checkpoint": str(checkpoint), "step": source.run.step, "made_at": time.time()}
        write_text(place / ABOUT, json.dumps(about))
        store.artifacts.keep(run_id)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for path in place.iterdir():  # the previous export, and leftovers of a killed process
        if path.is_dir() and path != folder:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and path.name != ABOUT:
            path.unlink(missing_ok=True)


def _one_file(source: ExportSource, name: str, folder: Path) -> Path:
    """Write the export as one file in ``folder``; several files are zipped. Returns its path."""
    parts = folder / "parts"
    written, _ = export(source, [name], parts)
    if len(written) == 1 and written[0].is_file():
        file = folder / written[0].name
        written[0].rename(file)
    else:
        file = folder / f"{source.run.id}-{name}.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
            for path in sorted(parts.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(parts).as_posix())
    shutil.rmtree(parts, ignore_errors=True)
    return file
