"""A scalar's key in words, for log lines and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SPLITS = {"val": "val", "train": "train", "test": "test"}
_OTHERS = {
    "optimizer/loss": "the combined loss of all tasks",
    "optimizer/lr": "the learning rate",
    "selection/score": "the score that chooses a checkpoint",
}


def scalar_words(key: str, tasks: Mapping[str, Any]) -> str:
    """``val/digit/accuracy`` -> ``Accuracy of digit (val)``; a key that no task explains stays readable.

    Args:
        tasks: task -> its facts as in ``RunStarted.info``.
    """
    if key in _OTHERS:
        return _OTHERS[key]
    split, _, rest = key.partition("/")
    task, _, name = rest.rpartition("/")
    if split in _SPLITS and task:
        title = tasks.get(task, {}).get("metrics", {}).get(name, {}).get("title") or name.replace("_", " ").capitalize()
        return f"{title} of {task} ({_SPLITS[split]})"
    return f"{split.replace('_', ' ').capitalize()} of {rest.replace('/', ' and ')}" if rest else key
