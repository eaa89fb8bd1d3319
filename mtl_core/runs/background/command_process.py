"""A command of this program in a process of its own, and the JSON that it prints. The page that asked for it can cancel it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mtl_core.errors import ConfigError, MTLError, Problem
from mtl_core.machine import free_memory
from mtl_core.runs.store import RunStore
from mtl_core.settings import process_environment

POLL_SECONDS = 0.2


def run_command(
    store: RunStore, arguments: Sequence[str], work: str, cancelled: Callable[[], bool] = lambda: False, less_memory: str = ""
) -> dict[str, Any]:
    """The JSON object that a command prints.

    Args:
        arguments: of ``mtl``, with ``--json``.
        work: what the process does, for sentences: "tried a few steps".
        cancelled: asked every ``POLL_SECONDS``; True ends the process.
        less_memory: what to do where the memory was too small.

    Raises:
        ConfigError: the command refused its input. MTLError: the process ended in another way, or was cancelled.
    """
    killed_before = free_memory.kills()
    with tempfile.TemporaryDirectory(prefix="mtl-command-") as place:
        folder = Path(place)
        command = [sys.executable, "-m", "mtl_core", *arguments]
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                command, env=process_environment(store.home), stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
            try:
                while not _ended(process):
                    if cancelled():
                        raise MTLError(f"the process that {work} was cancelled")
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        said, wrong = ((folder / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err"))
    return report_of(process.returncode, said, wrong, work, killed_before, less_memory)


def report_of(code: int, said: str, wrong: str, work: str, killed_before: int | None = None, less_memory: str = "") -> dict[str, Any]:
    """What a process that has ended reports.

    Args:
        code: its exit code. said: its standard output. wrong: its standard error.
        killed_before: ``free_memory.kills()`` at its start.

    Raises:
        ConfigError: it refused its input. MTLError: it ended in another way.
    """
    try:
        report = json.loads(said)
    except ValueError:
        report = None
    if isinstance(report, dict) and report.get("status") == "refused":
        raise ConfigError(Problem(problem["field"], problem["message"]) for problem in report["problems"])
    if isinstance(report, dict) and code in (0, 1):
        return report
    if code == -9:
        raise MTLError(f"the process that {work} was ended by the system. {free_memory.why_killed(killed_before).strip()} {less_memory}".strip())
    last = next((line for line in reversed(wrong.splitlines()) if line.strip()), "it said nothing")
    raise MTLError(f"the process that {work} ended with code {code}: {last.strip()}")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
