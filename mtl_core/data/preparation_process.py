"""A process of its own that prepares a composed source. Python computes its images, so within this process it would take turns with the pages, with
imports and with a run's first steps.

The process (``preparation_program.py``) is given the source as JSON and prints its progress, a JSON array per line. If it fails, whoever asked
prepares the data itself and meets the error, if there is one.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mtl_core import settings
from mtl_core.data.data_source import DataSource, Progress
from mtl_core.machine.processor_cores import cores

PROGRAM = "mtl_core.data.preparation_program"
FROM = 1000  # images; fewer are composed sooner than a process has started (a quarter of a second of a processor)


def is_worthwhile(source: DataSource) -> bool:
    """Whether a process of its own prepares this source sooner: its images are composed, they are many, and there is another core."""
    return source.is_composed and sum(source.split_sizes().values()) >= FROM and cores() > 1


def prepare_elsewhere(source: DataSource, cache: Path, progress: Progress) -> None:
    """Have a process prepare the source in ``cache``, and wait for its end, whatever that is.

    Args:
        progress: called with each line of the process. An exception in it ends the process.
    """
    with start(source, cache) as process:
        try:
            for line in process.stdout or ():
                progress(*json.loads(line))
        finally:
            process.kill()  # nothing happens to one that has ended


def start(source: DataSource, cache: Path) -> subprocess.Popen[str]:
    """The process, which prints its progress. It ends where nobody reads that any more."""
    process = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, str(cache)],
        env=settings.process_environment(settings.home()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C in the server's terminal ends it by the pipe that breaks
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended before it read what to do
        process.stdin.write(json.dumps(_description(source)))
        process.stdin.close()
    return process


def _description(source: DataSource) -> dict[str, Any]:
    cls = type(source)
    return {"module": cls.__module__, "class": cls.__qualname__, "options": source.options.model_dump(mode="json")}
