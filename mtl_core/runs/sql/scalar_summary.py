"""Best, last, chosen and mean value of every scalar of a run, kept up to date value by value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mtl_core.runs.sql.scalar_points import Point

# First parts of keys for which neither higher nor lower is better: settings and gradient statistics.
_NO_BEST = (
    "sharing",
    "optimizer",
    "loss_weight",
    "gradient_norm",
    "gradient_share",
    "conflict",
    "conflict_share",
    "affinity",
    "task_vector_norm",
    "task_vector_cosine",
)
_WITH_MEAN = ("affinity", "conflict")  # first parts of keys whose mean over the run is read
SCORE = "selection/score"
_BIGGEST = 1.7e308


@dataclass
class _Extremes:
    """Lowest, highest and last value of a key, with the first epochs of the extremes. None if no value is finite.

    Attributes:
        total, count: sum and number of the finite values.
    """

    low: float | None = None
    low_epoch: float | None = None
    high: float | None = None
    high_epoch: float | None = None
    last: float | None = None
    last_step: int = -1
    total: float = 0.0
    count: int = 0


@dataclass
class RunningSummary:
    """What a run reached so far. NaN and infinite values are never best; a last value that is not finite is None.

    Attributes:
        changed: keys whose line has changed since ``taken`` was called.
    """

    changed: set[str] = field(default_factory=set)
    _keys: dict[str, _Extremes] = field(default_factory=dict)
    _score: float | None = None  # the best
    _chosen_epoch: float | None = None
    _chosen: dict[str, float] = field(default_factory=dict)  # val/ keys in the chosen epoch
    _epoch: float | None = None  # of the latest values on val
    _now: dict[str, float] = field(default_factory=dict)  # val/ keys in that epoch

    def take(self, point: Point) -> None:
        """Add the values of a point that follows those before."""
        for key, value in zip(point.keys, point.values, strict=True):
            known = self._keys.get(key)
            if known is None:
                known = self._keys[key] = _Extremes()
            is_finite = -_BIGGEST <= value <= _BIGGEST
            if is_finite:
                known.total, known.count = known.total + value, known.count + 1
                if known.low is None or value < known.low:
                    known.low, known.low_epoch = value, point.epoch
                if known.high is None or value > known.high:
                    known.high, known.high_epoch = value, point.epoch
            if point.step >= known.last_step:
                known.last, known.last_step = (value if is_finite else None), point.step
        self.changed.update(point.keys)
        if any(key.startswith(("val/", "selection/")) for key in point.keys):
            self._take_val(point)

    def _take_val(self, point: Point) -> None:
        values = dict(zip(point.keys, point.values, strict=True))
        if self._epoch is None or abs(point.epoch - self._epoch) >= 1e-9:
            self._epoch, self._now = point.epoch, {}
        self._now |= {key: value for key, value in values.items() if key.startswith("val/")}
        score = values.get(SCORE)
        if score is not None and score == score and (self._score is None or score > self._score):
            self._score, self._chosen_epoch = score, point.epoch
            self.changed |= {key for key in self._keys if key.startswith(("val/", "test/"))}
        if self._epoch == self._chosen_epoch:
            self._chosen = dict(self._now)

    def line(self, key: str, info: dict[str, Any]) -> dict[str, Any]:
        """``best``, ``last``, ``chosen``, ``best_epoch``, ``chosen_epoch`` and ``higher_is_better`` of a key; None where unknown.

        Args:
            info: ``RunStarted.info``, which says which way a metric is better.
        """
        known, higher, split = self._keys[key], direction(key, info)[0], key.partition("/")[0]
        best, best_epoch = (None, None) if higher is None else (known.high, known.high_epoch) if higher else (known.low, known.low_epoch)
        chosen = known.last if split == "test" else self._chosen.get(key)
        return {
            "best": best,
            "last": known.last,
            "chosen": None if chosen is None or chosen != chosen else chosen,
            "best_epoch": best_epoch,
            "chosen_epoch": self._chosen_epoch if split in ("val", "test") else None,
            "higher_is_better": None if higher is None else int(higher),
        }

    def mean(self, key: str) -> dict[str, Any]:
        """``mean`` of a key's finite values and their number, ``points``; None for keys whose mean nobody reads."""
        known = self._keys[key]
        if key.partition("/")[0] not in _WITH_MEAN:
            return {"mean": None, "points": None}
        return {"mean": known.total / known.count if known.count else None, "points": known.count}

    def taken(self) -> list[str]:
        """The keys that have changed since the last call, sorted."""
        changed, self.changed = sorted(self.changed), set()
        return changed


def summary_of(points: Iterable[Point]) -> RunningSummary:
    """The summary of a run's points, in any order."""
    found = RunningSummary()
    for point in sorted(points, key=lambda point: point.step):
        found.take(point)
    return found


def direction(key: str, info: dict[str, Any]) -> tuple[bool | None, str, str]:
    """(higher_is_better or None, title, unit) of a scalar key."""
    split, _, rest = key.partition("/")
    name = key.rsplit("/", 1)[-1]
    if split in _NO_BEST:
        return None, name, ""
    if key == SCORE:
        return True, "Score that chooses the best checkpoint", ""
    known = info.get("tasks", {}).get(rest.rpartition("/")[0], {}).get("metrics", {}).get(name)
    if known:
        return known.get("higher_is_better"), known.get("title") or name, known.get("unit") or ""
    return (False, "Loss", "") if name == "loss" else (None, name, "")
