"""What the Compare page draws as one line: a run, or the runs that differ only in their seed."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from mtl_core.analysis.metric_ranges import UNBOUNDED, cut_band, range_of_scalar
from mtl_core.analysis.seed_groups import Line, difference, grouped, settings_key, spread
from mtl_core.config import RunConfig
from mtl_core.figures.colours import style_at
from mtl_core.figures.curves import Curve
from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.run_names import run_name
from ui.compare.race_entries import STROKES, stripes
from ui.drawing.run_charts import one_curve
from ui.shell import words


@dataclass(frozen=True)
class Group:
    """One line in each chart. ``runs`` has one run, or several that differ only in their seed; ``colour`` and ``dash`` are those of the first."""

    name: str
    runs: tuple[Any, ...]
    colour: str
    dash: str


def groups_of(chosen: list[Any], places: Mapping[str, int], by_seed: bool) -> list[Group]:
    """The groups of the selected runs, in their order.

    Args:
        places: how many older runs there are before each run, by id; a run's colour follows from its age.
        by_seed: whether runs that differ only in their seed are joined.
    """
    styles = {run.id: style_at(places.get(run.id, 0)) for run in chosen}
    parts = grouped(chosen, _keys(chosen)) if by_seed else [[run] for run in chosen]
    names = [_name(part) for part in parts]
    often = Counter(names)
    return [
        Group(name if often[name] == 1 else f"{name} ({part[0].id[-4:]})", tuple(part), *styles[part[0].id])
        for part, name in zip(parts, names, strict=True)
    ]


def _keys(chosen: list[Any]) -> list[tuple[str, int]]:
    """Equal for runs that differ only in their seed. A second run of a seed is no further seed, so it has a key of its own."""
    before: Counter[tuple[str, int]] = Counter()
    keys = []
    for run in chosen:
        settings = settings_key(run.config)
        keys.append((settings, before[settings, run.config.seed]))
        before[settings, run.config.seed] += 1
    return keys


def _name(runs: list[Any]) -> str:
    name = shown_name(runs[0])
    if len(runs) == 1:
        return name
    return tr("{name} · {seeds} seeds", name=_without_seed(runs[0].config, runs[0].tags, name) or name, seeds=len(runs))


def _without_seed(config: RunConfig, tags: tuple[str, ...], name: str) -> str:
    """The run's name without its seed. A typed name is kept, without a part that only names the seed."""
    made = run_name(config, tags).title
    if made == name:
        return " · ".join(part for part in made.split(" · ") if part != f"seed {config.seed:,}" and not part.startswith("race "))
    return " · ".join(part for part in name.split(" · ") if part != f"seed {config.seed}")


def legend(groups: list[Group]) -> None:
    """Draw a sample of each line with its name. It is the legend of all charts of the page."""
    look = "display:inline-block;width:30px;height:3px;vertical-align:middle;margin-right:.35rem"
    items = "".join(
        f'<span><span style="{look};background:{stripes(group.colour, STROKES[group.dash])}"></span>{html.escape(group.name)}</span>'
        for group in groups
    )
    st.html(f'<div class="legend">{items}</div>')


def curve_of(group: Group, frames: dict[str, pd.DataFrame], key: str, axis: str, baseline: Group | None = None) -> Curve:
    """One scalar of a group: the run's values, or the mean over the seeds with a band of one standard deviation, cut at the ends of a metric's
    range.

    Args:
        frames: run id -> its scalars.
        axis: ``step``, ``epoch`` or ``minutes``.
        baseline: the group whose values are subtracted: from each run those of the baseline's run with the same seed, else the baseline's mean.
    """
    one = one_curve(frames[group.runs[0].id], key, group.name, group.colour, axis, group.dash)
    if len(group.runs) == 1 and baseline is None:
        return one
    lines = [_line(run, frames, key, axis) for run in group.runs]
    if baseline is not None:
        lines = [difference(line, _base_line(run, baseline, frames, key, axis)) for run, line in zip(group.runs, lines, strict=True)]
    if len(lines) == 1:
        known = np.isfinite(lines[0][1])
        return Curve(group.name, lines[0][0][known], lines[0][1][known], group.colour, group.dash, smooth=one.smooth)
    found, bounds = spread(lines), range_of_scalar(key) if baseline is None else UNBOUNDED
    return Curve(group.name, found.x, found.mean, group.colour, group.dash, smooth=one.smooth, band=cut_band(found.mean, found.sd, bounds))


def _line(run: Any, frames: dict[str, pd.DataFrame], key: str, axis: str) -> Line:
    curve = one_curve(frames[run.id], key, "", "", axis)
    return curve.x, curve.y


def _base_line(run: Any, baseline: Group, frames: dict[str, pd.DataFrame], key: str, axis: str) -> Line:
    same_seed = [other for other in baseline.runs if other.config.seed == run.config.seed]
    if same_seed:
        return _line(same_seed[0], frames, key, axis)
    found = spread([_line(other, frames, key, axis) for other in baseline.runs])
    return found.x, found.mean


def about_groups(groups: list[Group], baseline: Group | None) -> str:
    """What the lines and bands mean, and how much they prove."""
    several = [group for group in groups if len(group.runs) > 1]
    said = (
        [tr("Bands: one standard deviation over the seeds, on the part of the axis that all of them cover, within the metric's range.")]
        if several
        else []
    )
    if baseline is not None:
        said.append(tr("Values minus those of {name}, from the run with the same seed where there is one.", name=words.plain(baseline.name)))
    if any(len(group.runs) == 1 for group in groups):
        said.append(tr("A line of one seed proves little: another seed gives other values."))
    return " ".join(said)
