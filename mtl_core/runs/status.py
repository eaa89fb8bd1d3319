"""RunStatus: where a run is in its life."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """Compare by value: after a reload of this module the members are new objects, equal to the old ones and to plain text."""

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
        """True when nothing will happen any more unless someone asks."""
        return not self.is_active() and self != RunStatus.QUEUED


ACTIVE = tuple(status.value for status in RunStatus if status.is_active())
