"""A preflight in a process of its own: it cannot take the server down, and its memory and random numbers are not those of a run that trains here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtl_core import free_memory
from mtl_core.atomic_files import write_text
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, MTLError, Problem
from mtl_core.runs.jobs import why_killed
from mtl_core.runs.store import RunStore

POLL_SECONDS = 0.2
_ROOT = Path(__file__).parents[3]

# A rough expectation from the benchmarks of the presets on 2 CPU cores. It only decides whether a preflight is offered.
MULTIPLY_ADDS_PER_SECOND = 2e10
SECONDS_PER_STEP = 0.005  # beside the multiply-adds
PASSES = 3  # forward, and backward, which costs about two


def expected_seconds(multiply_adds: int, images: int, config: RunConfig) -> float:
    """A rough guess of how long a run trains on a CPU.

    Args:
        multiply_adds: of the network, for one image. images: of train.
    """
    steps = config.epochs * (images // config.batch_size)
    return steps * (SECONDS_PER_STEP + PASSES * config.batch_size * multiply_adds / MULTIPLY_ADDS_PER_SECOND)


def measure(store: RunStore, config: RunConfig, cancelled: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """The report of ``mtl preflight --json`` on a config.

    Args:
        cancelled: asked every ``POLL_SECONDS``; True ends the process.

    Raises:
        ConfigError: the config or its data cannot be used, or a step does not fit in memory.
        MTLError: the process ended in another way, or was cancelled.
    """
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "MTL_HOME": str(store.home), "PYTHONPATH": path}
    killed_before = free_memory.kills()
    with tempfile.TemporaryDirectory(prefix="mtl-preflight-") as place:
        folder = Path(place)
        write_text(folder / "config.yaml", config.to_yaml())
        command = [sys.executable, "-m", "mtl_core", "preflight", str(folder / "config.yaml"), "--json"]
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
            try:
                while not _ended(process):
                    if cancelled():
                        raise MTLError("the preflight was cancelled")
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        said, wrong = ((folder / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err"))
    return report_of(process.returncode, said, wrong, killed_before)


def report_of(code: int, said: str, wrong: str, killed_before: int | None = None) -> dict[str, Any]:
    """What a process that has ended reports.

    Args:
        code: its exit code. said: its standard output. wrong: its standard error.
        killed_before: ``free_memory.kills()`` at its start.

    Raises:
        ConfigError: it refused the config. MTLError: it ended in another way.
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
        less = "Lower batch_size, take smaller images (data.preprocessing.resize) or a smaller backbone."
        raise MTLError(f"the process that tried a few steps was ended by the system. {why_killed(killed_before).strip()} {less}")
    last = next((line for line in reversed(wrong.splitlines()) if line.strip()), "it said nothing")
    raise MTLError(f"the process that tried a few steps ended with code {code}: {last.strip()}")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
