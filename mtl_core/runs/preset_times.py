"""How long a preset takes: as its own last run in this store took, else a range from what other presets' runs took here, else a wide range."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from mtl_core.config_fingerprint import fingerprint
from mtl_core.presets import Preset
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore

UNKNOWN = (0.5, 4.0)  # times of the published seconds on a machine of which nothing is known; a busy one took four times as long
START = 10.0  # seconds more at most, whatever the preset: PyTorch's first steps, data that are not prepared yet
SHORTEST = 10.0  # stated seconds; what runs of shorter presets take is mostly their start and says little about longer ones
SCALED = (0.7, 1.5)  # times of the estimate from other presets: their parts do not all scale alike


@dataclass(frozen=True)
class PresetTime:
    """Seconds of a preset's run. ``low`` and ``high`` are equal where this very config was measured.

    Attributes:
        source: ``measured``: the last run of this config; ``scaled``: from runs of other presets in this store; ``published``: from elsewhere.
    """

    low: float
    high: float
    source: str


def published_seconds(preset: Preset) -> float | None:
    """The seconds that the preset's file states; None if it states none."""
    found = re.match(r"(\d+) s\b", preset.measured)
    return float(found[1]) if found else None


def time_in_store(store: RunStore, preset: Preset, presets: Mapping[str, Preset]) -> PresetTime | None:
    """``preset_time`` from the runs of a store; only those of presets are read."""
    return preset_time(preset, presets, store.of_fingerprints({fingerprint(each.config) for each in presets.values()}))


def preset_time(preset: Preset, presets: Mapping[str, Preset], runs: Iterable[Any]) -> PresetTime | None:
    """What a run of the preset takes, from the runs of a store, newest first; None if nothing is known.

    Runs that did not finish, were resumed or are forks do not count: their seconds are not those of a whole run.
    """
    prints = {fingerprint(each.config): name for name, each in presets.items()}
    factors = []
    for run in runs:
        if run.status != RunStatus.FINISHED or run.parent or run.resumed_step or run.seconds_before or run.config.changes:
            continue
        name = prints.get(fingerprint(run.config))
        if name == preset.name:
            return PresetTime(run.seconds, run.seconds, "measured")
        if name is not None and (stated := published_seconds(presets[name])) and stated >= SHORTEST:
            factors.append(run.seconds / stated)
    stated = published_seconds(preset)
    if stated is None:
        return None
    if factors:
        factor = median(factors)
        return PresetTime(SCALED[0] * factor * stated, SCALED[1] * factor * stated + START, "scaled")
    return PresetTime(UNKNOWN[0] * stated, UNKNOWN[1] * stated + START, "published")
