"""Tracing of a network for an export in a separate process, so that it does not affect runs that train in this one.

While ``torch.export`` traces, ``torch.compiler.is_compiling()`` is true in every thread of the process. Optimizers of torch that are not
fused (Adam and AdamW on ``mps``) then compute their bias correction in float32 (``torch/optim/optimizer.py``, ``_get_value``), so the weights
of a concurrent run would differ in their last digits. The exporter also changes warning filters and log levels, which belong to the whole
process. Therefore a separate process traces whenever a run may train in this one.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from mtl_core.errors import MTLError
from mtl_core.exports.export_source import ExportSource
from mtl_core.runs.process_singletons import process_slot
from mtl_core.settings import process_environment


class ExportError(MTLError):
    """An exported network's outputs differ from the run's network, or the export failed; no file was published."""


def may_disturb_runs() -> bool:
    """Whether a run trains in this process or may start during an export: True except in the main thread of a program without runs."""
    return threading.current_thread() is not threading.main_thread() or bool(process_slot("executing"))


def write_in_process(source: ExportSource, name: str, folder: Path) -> None:
    """Write a format into ``folder`` in a separate process, ``python -m mtl_core export``.

    Raises:
        ExportError: the command failed; has the command's error message. A faulty run or checkpoint raises the errors of ``load``.
    """
    from mtl_core.inference.loading import find_model

    find_model(source.run.id, source.checkpoint, home=source.store.home)
    environment = process_environment(source.store.home)
    command = [sys.executable, "-m", "mtl_core", "export", source.run.id, "--format", name, "--checkpoint", str(source.checkpoint)]
    done = subprocess.run([*command, "--out", str(folder)], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        said = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.startswith("error: ")]
        ended = f"the process that traces the network ended with code {done.returncode}: {done.stderr.strip()[-300:]}"
        raise ExportError(said[-1] if said else ended)
