"""A run's end that the disk will not take: what the command line says meanwhile, and when it gives up."""

from __future__ import annotations

import math
import time

from mtl_core.cli.output import complain
from mtl_core.events import Control


class Unwritten:
    """Called after each attempt to record how a run ended that failed; answers whether to try again.

    Args:
        control: once it was asked to stop, nothing is tried again.
        seconds: for how long it is tried; for as long as it takes where left out.
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
        complain(f"given up: how run {self.run_id} ended is not recorded. It will read 'interrupted'; 'resume {self.run_id}' goes on with it")
        return False

    def _say(self, line: str, reason: str) -> None:
        what = f"run {self.run_id} {line}"
        cannot = "This cannot be recorded" + ("" if reason in line else f": {reason}")
        until = "until it can" if math.isinf(self.seconds) else f"for {self.seconds:.0f} s"
        complain(f"{what}\n{cannot}. It is tried again {until}: free some space on the disk that holds MTL_HOME, or give up with Ctrl-C")
