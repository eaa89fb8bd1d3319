"""The states of runs that tests go through: those that have ended, and those that a trainer holds."""

ENDED = ("stopped", "finished", "failed", "interrupted")
HELD = ("running", "pausing", "paused", "stopping")
