"""RunStatus: the states of a run."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """State of a run. Compare with ``==``: after a reload of this module the members are new objects, equal to the old ones and to plain text."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    def is_active(self) -> bool:
        """True while a process holds the run."""
        return self in (RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.PAUSED, RunStatus.STOPPING)

    def is_ended(self) -> bool:
        """True if the run is neither queued nor held by a process."""
        return not self.is_active() and self != RunStatus.QUEUED


ACTIVE = tuple(status.value for status in RunStatus if status.is_active())
