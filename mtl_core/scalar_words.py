"""Scalars and metrics in words of the reader's language, for log lines, lists and the heads of tables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from mtl_core.language import SOURCE, HalfUp, language, mark, speaking, tr

_SPLITS = ("val", "train", "test")
_OTHERS = {
    "optimizer/loss": mark("Combined loss of all tasks"),
    "optimizer/lr": mark("Learning rate"),
    "selection/score": mark("Score that chooses the checkpoint"),
}
_ABBREVIATIONS = {"Mean absolute error": "MAE", "Root mean squared error": "RMSE", "Peak signal-to-noise ratio": "PSNR"}
LEAST_WRITTEN_OUT = 1e-4  # of a measured value; a smaller one has a power of ten


def percent(share: float, sign: str = "+") -> str:
    """A share in percent, such as ``+20.00%``; below 0.01 % with two digits, such as ``-0.0012%``, so that a small share does not read as none.

    Args:
        sign: "+" to write it before positive shares too, "" for the amount alone.
    """
    value = 100 * (share if sign else abs(share))
    if value == 0 or abs(value) >= 0.01:
        return f"{value:{sign}.2f}%"
    return f"{value:{sign}.2g}%" if abs(value) >= 1e-4 else "<0.0001%"


def measured(value: float) -> str:
    """A measured value to three digits, the same in tables, charts and sentences; a dash for NaN and infinity."""
    if not math.isfinite(value):
        return "–"
    return f"{HalfUp(value):.3f}" if 0.1 <= abs(value) < 10 else to_digits(value, 3)


def to_digits(value: float, digits: int) -> str:
    """A measured value to so many significant digits; with a power of ten where its zeros would have to be counted: ``2.72e-6``."""
    if not 0 < abs(value) < LEAST_WRITTEN_OUT:
        return f"{HalfUp(value):.{digits}g}"
    number, power = f"{HalfUp(value):.{digits - 1}e}".split("e")
    return f"{number}e{int(power)}"


class Measured(HalfUp):
    """A value for ``str.format``: a place without a format, such as ``{before}``, shows it as ``measured`` does."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else measured(self)


def share_in_words(share: float) -> str:
    """A share of what was counted, in whole percent; a dash for NaN.

    100% is all and 0% is none. What is nearly so is ``over 99%`` or ``under 1%``.
    """
    if not math.isfinite(share):
        return "–"
    if share == 1 or share == 0:
        return f"{share:.0%}"
    if share > 0.99:
        return tr("over 99%")
    return tr("under 1%") if share < 0.01 else f"{HalfUp(share):.0%}"


def metric_words(name: str, metrics: Mapping[str, Any]) -> str:
    """A metric's title as short as it is clear among the task's: ``F1``, ``mAP at IoU 0.50``, ``MAE``.

    Args:
        metrics: metric -> its facts, with its ``title``, as in ``RunStarted.info``.
    """
    titles = {other: about.get("title") or _from_key(other) for other, about in metrics.items()}
    title = titles.get(name) or _from_key(name)
    short = _shortened(title)
    return tr(short if [_shortened(other) for other in titles.values()].count(short) < 2 else title)


def scalar_words(key: str, tasks: Mapping[str, Any]) -> str:
    """``val/digit/f1`` -> ``F1 of digit (val)``; a key that no task explains stays readable.

    Args:
        tasks: task -> its facts as in ``RunStarted.info``.
    """
    if key in _OTHERS:
        return tr(_OTHERS[key])
    split, _, rest = key.partition("/")
    task, _, name = rest.rpartition("/")
    if split in _SPLITS and task:
        metric = metric_words(name, tasks.get(task, {}).get("metrics", {}))
        return tr("{metric} of {task} ({split})", metric=metric, task=task, split=tr(split))
    return tr("{scalar} of {tasks}", scalar=tr(_from_key(split)), tasks=rest.replace("/", tr(" and "))) if rest else key


def told(text: str, tasks: Mapping[str, Any]) -> str:
    """A recorded sentence in the reader's language. One on a scalar begins with its English words, as an alert does."""
    if language() == SOURCE:
        return text
    for key in (*_OTHERS, *(f"{split}/{task}/{name}" for split in _SPLITS for task, about in tasks.items() for name in about["metrics"])):
        with speaking(SOURCE):
            english = scalar_words(key, tasks)
        if text.startswith(english + " is "):
            return tr(scalar_words(key, tasks) + text.removeprefix(english))
    return tr(text)


def _shortened(title: str) -> str:
    head = re.split(r", | \(", title, maxsplit=1)[0]
    return _ABBREVIATIONS.get(head, head)


def _from_key(name: str) -> str:
    return name.replace("_", " ").capitalize()
