"""How long a preset or a race takes: as the same runs took in this store, else a range from what other presets' runs took here, else a wide range."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mtl_core.config import RunConfig
from mtl_core.config_fingerprint import fingerprint
from mtl_core.presets import Preset
from mtl_core.runs.method_race import relative_cost
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore

UNKNOWN = (0.5, 4.0)  # times of the published seconds on a machine of which nothing is known; a busy one took four times as long
START = 10.0  # seconds more at most, whatever the preset: PyTorch's first steps, data that are not prepared yet
SHORTEST = 10.0  # stated seconds; what runs of shorter presets take is mostly their start and says little about longer ones
SCALED = (0.7, 1.5)  # times of the estimate from other presets: their parts do not all scale alike


@dataclass(frozen=True)
class PresetTime:
    """Seconds of a preset's run, or of all runs of a race. ``low`` and ``high`` are equal where these settings were measured.

    Attributes:
        source: ``measured``: the last run of each config; ``own``: from runs of the same settings with another method or another number of epochs;
            ``scaled``: from runs of other presets in this store; ``published``: from elsewhere.
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
        if not _is_whole(run):
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


def race_time(configs: Sequence[RunConfig], preset: Preset, presets: Mapping[str, Preset], store: RunStore) -> PresetTime | None:
    """What runs of these configs take one after the other; None if nothing is known.

    Args:
        configs: the settings of the form, once per balancing method.
        preset: what the settings started from. Its time counts only if nothing but method, epochs, seed and name differs.
    """
    lengths = {configs[0].epochs, preset.config.epochs}
    wanted = {fingerprint(_with_epochs(config, epochs)): (place, epochs) for place, config in enumerate(configs) for epochs in lengths}
    return _own_time(configs, wanted, store.of_fingerprints(wanted.keys())) or _time_by_preset(configs, preset, time_in_store(store, preset, presets))


def _own_time(configs: Sequence[RunConfig], wanted: Mapping[str, tuple[int, int]], runs: Iterable[Any]) -> PresetTime | None:
    """From runs of the same settings, newest first. A method without a run takes the others' time by its published cost of a step."""
    costs = [relative_cost(config.balancing) for config in configs]
    measured: dict[int, float] = {}
    plain: list[float] = []  # seconds of all epochs with fixed weights, as each run lets expect
    for run in filter(_is_whole, runs):
        place, epochs = wanted[fingerprint(run.config)]
        plain.append(run.seconds * configs[place].epochs / epochs / costs[place])
        if epochs == configs[place].epochs:
            measured.setdefault(place, run.seconds)
    if not plain:
        return None
    typical = median(plain)
    seconds = sum(measured[place] if place in measured else typical * cost for place, cost in enumerate(costs))
    return PresetTime(seconds, seconds, "measured" if len(measured) == len(configs) else "own")


def _time_by_preset(configs: Sequence[RunConfig], preset: Preset, known: PresetTime | None) -> PresetTime | None:
    same = {"name": "", "seed": 0, "epochs": 1, "balancing": preset.config.balancing}
    if known is None or any(config.model_copy(update=same) != preset.config.model_copy(update=same) for config in configs):
        return None
    factor = sum(relative_cost(config.balancing) for config in configs) / relative_cost(preset.config.balancing)
    factor *= configs[0].epochs / preset.config.epochs
    return PresetTime(factor * known.low, factor * known.high, "own" if known.source == "measured" else known.source)


def _with_epochs(config: RunConfig, epochs: int) -> RunConfig:
    return config.model_copy(update={"epochs": epochs})


def _is_whole(run: Any) -> bool:
    """Whether the run's seconds are those of a whole run with the settings that it began with."""
    return run.status == RunStatus.FINISHED and not (run.parent or run.resumed_step or run.seconds_before or run.config.changes)
