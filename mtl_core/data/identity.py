"""What the prepared arrays of a source depend on."""

from __future__ import annotations

from typing import Any

from mtl_core.data.source import DataSource

FORMAT = 1  # of the prepared folder; raise it when the layout or the statistics change


def identity(source: DataSource) -> dict[str, Any]:
    """JSON-able; another answer means other arrays."""
    cls = type(source)
    tasks = [(task.name, task.kind, task.target, task.classes, task.unit) for task in source.tasks()]
    return {"class": f"{cls.__module__}:{cls.__qualname__}", "key": source.cache_key(), "tasks": tasks, "format": FORMAT}
