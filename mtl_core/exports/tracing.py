"""Tracing a network for an export, kept away from runs that train in the same process.

While ``torch.export`` traces, ``torch.compiler.is_compiling()`` is true in every thread of the process. Optimizers of torch that are not
fused (Adam and AdamW on ``mps``) take their bias correction in float32 then (``torch/optim/optimizer.py``, ``_get_value``), so the weights
of a run beside it would differ in their last digits. The exporter also changes warning filters and log levels, which belong to the whole
process. So where something may train here, a process of its own traces.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from mtl_core.errors import MTLError
from mtl_core.exports.source import ExportSource
from mtl_core.runs.process import process_slot

_ROOT = Path(__file__).parents[2]


class ExportError(MTLError):
    """An exported network does not compute what the run's does; nothing was handed out."""


def may_disturb() -> bool:
    """Whether a run trains in this process, or may begin to before an export is done: anywhere but in the main thread of a program without runs."""
    return threading.current_thread() is not threading.main_thread() or bool(process_slot("executing"))


def write_apart(source: ExportSource, name: str, folder: Path) -> None:
    """Have ``python -m mtl_core export`` write a format into ``folder``.

    Raises:
        ExportError: it could not; says what the command said. What is wrong with the run or its checkpoint is raised as ``load`` raises it.
    """
    from mtl_core.inference.loading import described

    described(source.run.id, source.checkpoint, home=source.store.home)
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "MTL_HOME": str(source.store.home), "PYTHONPATH": path}
    command = [sys.executable, "-m", "mtl_core", "export", source.run.id, "--format", name, "--checkpoint", str(source.checkpoint)]
    done = subprocess.run([*command, "--out", str(folder)], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        said = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.startswith("error: ")]
        ended = f"the process that traces the network ended with code {done.returncode}: {done.stderr.strip()[-300:]}"
        raise ExportError(said[-1] if said else ended)
