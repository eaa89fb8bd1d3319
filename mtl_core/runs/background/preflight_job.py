"""A preflight in a process of its own: it cannot take the server down, and its memory and random numbers are not those of a run that trains here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtl_core.atomic_files import write_text
from mtl_core.config import RunConfig
from mtl_core.runs.background.command_process import run_command
from mtl_core.runs.store import RunStore


def measure(store: RunStore, config: RunConfig, cancelled: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """The report of ``mtl preflight --json`` on a config.

    Args:
        cancelled: asked several times a second; True ends the process.

    Raises:
        ConfigError: the config or its data cannot be used, or a step does not fit in memory.
        MTLError: the process ended in another way, or was cancelled.
    """
    less = "Lower batch_size, take smaller images (data.preprocessing.resize) or a smaller backbone."
    with tempfile.TemporaryDirectory(prefix="mtl-preflight-") as folder:
        write_text(Path(folder) / "config.yaml", config.to_yaml())
        command = ["preflight", str(Path(folder) / "config.yaml"), "--json"]
        return run_command(store, command, "tried a few steps", cancelled, less)
