"""The identity of a source's prepared arrays: everything that they depend on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mtl_core.data.data_source import DataSource

FORMAT = 1  # version of the prepared folder; raise it when the layout or the statistics change


def identity(source: DataSource) -> dict[str, Any]:
    """JSON-able. Two sources with the same identity have the same prepared arrays."""
    cls = type(source)
    tasks = [(task.name, task.kind, task.target, task.classes, task.unit) for task in source.tasks()]
    return {"class": f"{cls.__module__}:{cls.__qualname__}", "key": source.cache_key(), "tasks": tasks, "format": FORMAT}


def data_hash(source: DataSource) -> str:
    """SHA-256 of the identity, in hexadecimal. Call after the preparation: a source that downloads its files knows their identity only then.

    Equal for equal prepared arrays on any machine, except for a folder of files: their times of change are part of its identity, so a copy of the
    folder may have another hash.
    """
    return hashlib.sha256(json.dumps(identity(source), sort_keys=True).encode()).hexdigest()
