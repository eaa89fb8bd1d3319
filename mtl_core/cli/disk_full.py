"""Retries for recording a run's end on a full disk: the command line's messages and its time limit."""

from __future__ import annotations

import math
import time

from mtl_core.cli.output import complain
from mtl_core.events import Control


class Unwritten:
    """Callback after each failed attempt to record a run's end. Returns whether to try again.

    Args:
        control: after a request to stop, there is no further attempt.
        seconds: time limit; default none.
    """

    def __init__(self, run_id: str, control: Control, seconds: float = math.inf):
        self.run_id, self.control, self.seconds = run_id, control, seconds
        self._until: float | None = None

    def __call__(self, line: str, error: Exception) -> bool:
        if self._until is None:
            self._until = time.monotonic() + self.seconds
            self._say(line, str(error))
        if not self.control.stop_requested and time.monotonic() < self._until:
            return True
        complain(f"given up: the end of run {self.run_id} is not recorded. Its status will be 'interrupted'; 'resume {self.run_id}' continues it")
        return False

    def _say(self, line: str, reason: str) -> None:
        what = f"run {self.run_id} {line}"
        cannot = "This cannot be recorded" + ("" if reason in line else f": {reason}")
        until = "until it works" if math.isinf(self.seconds) else f"for {self.seconds:.0f} s"
        complain(f"{what}\n{cannot}. The program tries again {until}: free some space on the disk that holds MTL_HOME, or give up with Ctrl-C")
