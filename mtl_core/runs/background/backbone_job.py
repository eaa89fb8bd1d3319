"""The table of all backbones for a config, in a process of its own: it cannot take the server down, whatever a large network needs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtl_core.atomic_files import write_text
from mtl_core.config import RunConfig
from mtl_core.runs.background.command_process import run_command
from mtl_core.runs.store import RunStore


def compare(store: RunStore, config: RunConfig, cancelled: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """The report of ``mtl backbones --time --json`` on a config.

    Args:
        cancelled: asked several times a second; True ends the process.

    Raises:
        ConfigError: the data set cannot be opened. MTLError: the process ended in another way, or was cancelled.
    """
    less = "Lower batch_size, or take smaller images (data.preprocessing.resize)."
    with tempfile.TemporaryDirectory(prefix="mtl-backbones-") as folder:
        write_text(Path(folder) / "config.yaml", config.to_yaml())
        return run_command(store, ["backbones", str(Path(folder) / "config.yaml"), "--time", "--json"], "compared the backbones", cancelled, less)
