"""Groups of runs that differ only in their seed: their mean curve with its spread, and differences from a baseline. Pure functions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mtl_core.config import RunConfig
from mtl_core.config_fingerprint import fingerprint

Member = TypeVar("Member")
Line = tuple[np.ndarray, np.ndarray]  # x and y, each (n,)


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of several curves. All arrays are (n,); ``sd`` is NaN for a single curve."""

    x: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def settings_key(config: RunConfig) -> str:
    """Equal for runs that differ only in their seed, their name, and in how they are computed and recorded."""
    return fingerprint(config.model_copy(update={"device": "auto"}))


def grouped(members: Sequence[Member], keys: Sequence[Hashable]) -> list[list[Member]]:
    """The members by their keys, in order of appearance."""
    found: dict[Hashable, list[Member]] = {}
    for member, key in zip(members, keys, strict=True):
        found.setdefault(key, []).append(member)
    return list(found.values())


def spread(lines: Sequence[Line]) -> Spread:
    """Mean and spread over the part of the x axis that all curves cover, at every position of any of them; linear between a curve's points.

    Points that are not finite are left out. Empty if a curve has no points.
    """
    known = [_finite(x, y) for x, y in lines]
    if not known or any(not len(x) for x, _ in known):
        return Spread(np.zeros(0), np.zeros(0), np.zeros(0))
    first, last = max(x[0] for x, _ in known), min(x[-1] for x, _ in known)
    x = np.unique(np.concatenate([x for x, _ in known]))
    x = x[(x >= first) & (x <= last)]
    values = np.stack([np.interp(x, *line) for line in known]) if len(x) else np.zeros((len(known), 0))
    return Spread(x, values.mean(axis=0), values.std(axis=0, ddof=1) if len(known) > 1 else np.full(len(x), np.nan))


def difference(line: Line, baseline: Line) -> Line:
    """``line`` minus ``baseline`` at the positions of ``line``; NaN outside the baseline's."""
    x, y = np.asarray(line[0], dtype=float), np.asarray(line[1], dtype=float)
    base_x, base_y = _finite(*baseline)
    if not len(base_x):
        return x, np.full(len(x), np.nan)
    return x, y - np.interp(x, base_x, base_y, left=np.nan, right=np.nan)


def _finite(x: np.ndarray, y: np.ndarray) -> Line:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    kept = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[kept], kind="stable")
    return x[kept][order], y[kept][order]
