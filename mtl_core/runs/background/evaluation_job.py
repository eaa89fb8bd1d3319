"""An evaluation in a background process, which writes its progress to ``evaluations/job.json`` of the run's folder.

A process instead of a thread: decoding and COCO's matching are long Python work that would slow training and pages in the server, and
the process returns its memory when it ends. It does not pass through the queue or the executor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mtl_core import settings
from mtl_core.atomic_files import write_text
from mtl_core.errors import NotPossibleError
from mtl_core.runs.process_identity import Owner, process_lives, this_process
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.store import RunStore

LEAST_SECONDS = 0.3  # between two progress writes
NICENESS = 10  # training and pages come first


class JobNote:
    """The state file that the evaluating process writes."""

    def __init__(self, folder: Path, splits: list[str]):
        self.path = folder / "evaluations" / "job.json"
        owner = this_process()
        self.note = {"host": owner.host, "pid": owner.pid, "process_started": owner.started, "splits": splits}
        self.note |= {"share": 0.0, "text": "starting", "state": "running", "error": ""}
        self.written = 0.0
        self.path.parent.mkdir(exist_ok=True)
        self.write()

    def progress(self, share: float, text: str) -> None:
        """Write the progress, at most every ``LEAST_SECONDS``. ``share``: 0..1."""
        if time.monotonic() - self.written >= LEAST_SECONDS:
            self.write(share=share, text=text)

    def write(self, **changes: Any) -> None:
        self.note |= changes
        self.written = time.monotonic()
        write_text(self.path, json.dumps(self.note))


def start(store: RunStore, run_id: str, splits: list[str], checkpoint: str = "best") -> None:
    """Start a process that evaluates a run. Returns at once.

    Raises:
        NotPossibleError: an evaluation of the run is in progress.
        ConfigError: an environment variable is invalid, so the process would end at once.
    """
    settings.check()
    folder = store.folder(run_id)
    if (running := state(folder)) and running["state"] == "running":
        raise NotPossibleError(f"run {run_id} is being evaluated already ({running['text']}); wait for it, or end it first")
    environment = settings.process_environment(store.home)
    command = [sys.executable, "-m", "mtl_core", "evaluate", run_id, "--checkpoint", checkpoint, "--background", "--json"]
    command += [argument for split in splits for argument in ("--split", split)]
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, start_new_session=True, stdin=nothing, stdout=nothing, stderr=nothing)
    started = this_process()
    note = {"host": started.host, "pid": process.pid, "process_started": time.time(), "splits": splits}
    (folder / "evaluations").mkdir(exist_ok=True)
    # The process replaces this note with its own. Its start time here is exact to the tolerance of process_lives.
    write_text(folder / "evaluations" / "job.json", json.dumps({**note, "share": 0.0, "text": "loading PyTorch", "state": "running", "error": ""}))
    process_slot("evaluations")[process.pid] = process  # kept so that ``poll`` reaps it after it ends


def state(folder: Path) -> dict[str, Any] | None:
    """State of the last evaluation of a run: ``state`` (running, done, failed, gone), ``share``, ``text``, ``error``, ``splits``."""
    for pid, process in list(process_slot("evaluations").items()):
        if process.poll() is not None:
            process_slot("evaluations").pop(pid, None)
    try:
        note = json.loads((folder / "evaluations" / "job.json").read_text(encoding="utf-8"))
        owner = Owner(note["host"], int(note["pid"]), float(note["process_started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if note["state"] == "running" and owner.host == this_process().host and not process_lives(owner):
        return {**note, "state": "gone", "error": "its process ended before it was done"}
    return note


def end(folder: Path) -> None:
    """Terminate the running evaluation, if this process started one. Earlier results stay."""
    note = state(folder)
    if note and note["state"] == "running" and (process := process_slot("evaluations").get(note["pid"])) is not None:
        process.terminate()
