"""The identity of a source's prepared arrays: everything that they depend on."""

from __future__ import annotations

from typing import Any

from mtl_core.data.data_source import DataSource

FORMAT = 1  # version of the prepared folder; raise it when the layout or the statistics change


def identity(source: DataSource) -> dict[str, Any]:
    """JSON-able. Two sources with the same identity have the same prepared arrays."""
    cls = type(source)
    tasks = [(task.name, task.kind, task.target, task.classes, task.unit) for task in source.tasks()]
    return {"class": f"{cls.__module__}:{cls.__qualname__}", "key": source.cache_key(), "tasks": tasks, "format": FORMAT}
