"""Predicting a split behind a page: it takes longer than a click should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mtl_core.data.data_source import Progress
from mtl_core.runs.background.background_jobs import BackgroundJobs

_JOBS = BackgroundJobs("predict", needs_engine=True)


def start(key: str, work: Callable[[Progress], None]) -> dict[str, Any]:
    """Begin ``work`` unless it is under way; one that has ended is begun anew. Returns its state, see ``BackgroundJobs``."""
    return _JOBS.start(key, lambda progress, cancelled: work(progress), "loading the network", label=key[-40:])


def state_of(key: str) -> dict[str, Any] | None:
    """How far a piece of work is; None where it was never begun in this process."""
    return _JOBS.state_of(key)
