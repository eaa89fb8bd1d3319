"""The results of a race as a table: best values, rank, time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import pandas as pd
import streamlit as st

from mtl_core.balancing import PLAIN
from mtl_core.language import mark, tr
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import metric_words
from mtl_core.studies.aggregates import mean_ranks
from ui.compare.race_entries import Entry
from ui.drawing.table_sizes import head_width, whole_height
from ui.shell import words

BEST = "background-color: rgba(0, 158, 115, 0.25)"
METHOD_PIXELS = 150  # width
AHEAD = 0.02  # of the best value; a smaller lead gets no star, because another seed may reverse it
LEAST_SEEDS = 3  # per method; with fewer, the spread between seeds is unknown
CONSTANT = "○"
RANK, PACE, TIME = mark("mean rank ↓"), mark("step time ↓"), mark("total time ↓")


def results(entries: list[Entry], table: pd.DataFrame, better: dict[str, bool]) -> None:
    """Draw the results as two tables, so that none is wider than a small screen, and their explanation.

    Args:
        table, better: as from ``results_of``.
    """
    reference = reference_of(entries)
    st.subheader(tr("Results"), anchor=False)
    st.markdown(tr("**On val, with the chosen checkpoint**"))
    beside = [column for column in map(str, table) if column.endswith((" test", " best epoch"))]
    _draw(table.drop(columns=beside), better, entries)
    if beside:
        st.markdown(tr("**On test, and the best epochs**"))
        ordered = sorted(beside, key=lambda column: column.endswith(" best epoch"))
        _draw(table[["method", *ordered]], better, entries)
    st.caption(
        tr(
            "{about_stars} {about_constants}**val**: with the chosen checkpoint, which is the best on val over all tasks. **best epoch**: the "
            "epoch in which this task was best on val. **test**: measured once, at the end, with the chosen checkpoint; without stars, because "
            "test data select nothing. {about_ranks}**Step time**: training steps only, relative to {method}. Other load on the machine "
            "increases it.",
            about_stars=_about_stars(entries),
            about_constants=_about_constants(table, better, entries),
            about_ranks=_about_ranks(table),
            method=words.plain(reference.method),
        )
    )


def table_of(store: RunStore, entries: list[Entry]) -> tuple[pd.DataFrame, dict[str, bool]]:
    """``results_of`` for the values in the store."""
    summaries = store.summaries([entry.run.id for entry in entries])
    return results_of(entries, summaries, reference_of(entries), {run: at_chosen(summary) for run, summary in summaries.items()})


def reference_of(entries: list[Entry]) -> Entry:
    """The run whose step time the others are compared with: of those that finished, one with plain loss weights, else the first."""
    compared = [entry for entry in entries if str(entry.run.status) == "finished"] or entries
    return next((entry for entry in compared if entry.run.config.balancing.name == PLAIN), compared[0])


def _draw(table: pd.DataFrame, better: dict[str, bool], entries: list[Entry]) -> None:
    shown = {column: up for column, up in better.items() if column in table}
    said = table.assign(status=[tr(status) for status in table["status"]]) if "status" in table else table
    styled = _styled(said, shown, entries)
    st.dataframe(styled, hide_index=True, placeholder="–", height=whole_height(len(table)), column_config=_columns(table, entries))


def _about_stars(entries: list[Entry]) -> str:
    if seeds_of(entries) < LEAST_SEEDS:
        return tr(
            "No stars and no ranks: fewer than {least_seeds} seeds of each method have finished, and another seed may reverse the order.",
            least_seeds=LEAST_SEEDS,
        )
    return tr(
        "★ marks the best method of a val column: its mean over the seeds is at least {ahead:.0%} better than the second's, "
        "and by more than twice the standard error of the difference.",
        ahead=AHEAD,
    )


def _about_constants(table: pd.DataFrame, better: dict[str, bool], entries: list[Entry]) -> str:
    known = {column: constant for column, constant in constants_of(entries).items() if column in table}
    if not any(no_better(value, constant, better[column]) for column, constant in known.items() for value in table[column]):
        return ""
    said = tr("{constant} marks a value no better than a constant prediction (the mean or the most frequent class) on val. ", constant=CONSTANT)
    on_test = any(column.endswith(" test") for column in known)  # what a constant prediction reaches is recorded for val alone
    return said + (tr("Values on test are compared with that on val, too. ") if on_test else "")


def _about_ranks(table: pd.DataFrame) -> str:
    if RANK not in table:
        return ""
    return tr(
        "**Mean rank**: in each task the finished runs are ranked by val with the chosen checkpoint (1 = best, equal values share a rank), and the "
        "ranks are averaged over the tasks; the size of the differences does not count. "
    )


def seeds_of(entries: list[Entry]) -> int:
    """The smallest number of finished seeds of any method."""
    seeds: dict[str, set[int]] = {entry.run.config.balancing.name: set() for entry in entries}
    for entry in entries:
        if str(entry.run.status) == "finished":
            seeds[entry.run.config.balancing.name].add(entry.run.config.seed)
    return min(map(len, seeds.values()), default=0)


def at_chosen(summary: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Scalars of val in the epoch of the chosen checkpoint; empty before the first epoch."""
    return {key: about["chosen"] for key, about in summary.items() if key.startswith("val/") and about["chosen"] is not None}


def results_of(
    entries: list[Entry], summaries: dict[str, dict[str, Any]], reference: Entry, chosen: dict[str, dict[str, float]]
) -> tuple[pd.DataFrame, dict[str, bool]]:
    """One row per run, and column -> whether higher is better. Unknown values are NaN.

    Args:
        chosen: run id -> val scalars with its chosen checkpoint.
    """
    tasks = next((entry.run.info["tasks"] for entry in entries if entry.run.info), {})
    rows = pd.DataFrame([{"method": entry.method, "status": str(entry.run.status), "run": f"run?run={entry.run.id}"} for entry in entries])
    # A run without a recorded score has no chosen checkpoint: its best values are used.
    best = {entry.run.id: {key: about.get("best") for key, about in summaries[entry.run.id].items()} for entry in entries}
    better: dict[str, bool] = {}
    mains: dict[str, bool] = {}
    for task, info in tasks.items():
        main = info["main_metric"]
        higher = bool(info["metrics"][main]["higher_is_better"])
        title = f"{task} {main} {words.better(higher)}"
        columns = {
            "val": [(chosen[entry.run.id] or best[entry.run.id]).get(f"val/{task}/{main}") for entry in entries],
            "best epoch": [summaries[entry.run.id].get(f"val/{task}/{main}", {}).get("best_epoch") for entry in entries],
            "test": [summaries[entry.run.id].get(f"test/{task}/{main}", {}).get("last") for entry in entries],
        }
        for column, found in columns.items():
            rows[f"{title} {column}"] = [math.nan if value is None else value for value in found]
            better[f"{title} {column}"] = higher
        mains[f"{title} val"] = higher
    ranked = bool(mains) and seeds_of(entries) >= LEAST_SEEDS  # with fewer seeds, another seed may reverse the order
    if ranked:
        rows[RANK] = _ranks(rows, mains)
    rows[PACE] = _paces(entries, reference)
    rows[TIME] = [entry.run.seconds or math.nan for entry in entries]
    order = [
        "method",
        "run",
        "status",
        *([RANK] if ranked else []),
        PACE,
        TIME,
        *better,
    ]  # the metrics last, because their number grows with the tasks
    return rows[order], better | ({RANK: False} if ranked else {}) | {PACE: False, TIME: False}


def _ranks(rows: pd.DataFrame, mains: dict[str, bool]) -> pd.Series:
    """Mean ranks of the finished runs with a value in every task; NaN for all where there are fewer than two."""
    ranked = rows[(rows["status"] == "finished") & rows[list(mains)].notna().all(axis=1)]
    if not mains or len(ranked) < 2:
        return pd.Series(math.nan, index=rows.index)
    return pd.Series(mean_ranks(ranked[list(mains)].to_numpy().tolist(), list(mains.values())), index=ranked.index).reindex(rows.index)


def _paces(entries: list[Entry], reference: Entry) -> list[float]:
    """Step times relative to the reference; NaN for runs that have not finished, whose first steps would count too much."""
    paces = [entry.run.steps_per_second if str(entry.run.status) == "finished" else None for entry in (reference, *entries)]
    return [paces[0] / pace if paces[0] and pace else math.nan for pace in paces[1:]]


def _styled(table: pd.DataFrame, better: dict[str, bool], entries: list[Entry]) -> Any:
    """Mark the values of the best method of a val column with a star and a shade, so that colour is not the only mark."""
    constants, styled = constants_of(entries), table.style
    for column, up in better.items():
        starred, text, constant = stars(table, column, up, entries, constants.get(column)), _cell(column), constants.get(column)
        for row, star in zip(table.index, starred, strict=True):
            behind = constant is not None and no_better(cast("float", table.at[row, column]), constant, up)
            mark = " ★" if star else f" {CONSTANT}" if behind else ""
            styled = styled.format(lambda value, text=text, mark=mark: f"{text(value)}{mark}", subset=([row], [column]))
        styled = styled.apply(lambda values, starred=starred: [BEST if star else "" for star in starred], subset=[column])
    return styled


def constants_of(entries: list[Entry]) -> dict[str, float]:
    """Column -> value of a constant prediction on val, for the tasks whose runs recorded it. Nothing is recorded for test."""
    found: dict[str, float] = {}
    for task, info in (named for entry in reversed(entries) for named in entry.run.info.get("tasks", {}).items()):
        if info.get("constant") is not None:  # a run that has just begun does not know it yet
            title = f"{task} {info['main_metric']} {words.better(bool(info['metrics'][info['main_metric']]['higher_is_better']))}"
            found |= {f"{title} val": info["constant"], f"{title} test": info["constant"]}
    return found


def no_better(value: float, constant: float, higher: bool) -> bool:
    """Whether a value is no better than that of a constant prediction."""
    return value <= constant if higher else value >= constant


def stars(table: pd.DataFrame, column: str, higher: bool, entries: list[Entry], constant: float | None) -> list[bool]:
    """Which rows of a column have a star: those of the best method of a val column, where its lead exceeds the noise. None with fewer than
    ``LEAST_SEEDS`` seeds of each method, and none for a method no better than a constant prediction."""
    nothing = [False] * len(table)
    if not column.endswith(" val") or seeds_of(entries) < LEAST_SEEDS:
        return nothing
    statuses = [str(entry.run.status) for entry in entries]
    methods = pd.Series([entry.run.config.balancing.name for entry in entries], index=table.index)
    finished = (pd.Series(statuses, index=table.index) == "finished") & table[column].notna()
    groups = table[column][finished].groupby(methods[finished])
    means, errors, counts = groups.mean(), groups.sem(), groups.count()
    best = clear_best(means, higher)
    if math.isnan(best) or (counts < LEAST_SEEDS).any() or (constant is not None and no_better(best, constant, higher)):
        return nothing
    first, second = means.sort_values(ascending=not higher).index[:2]
    if abs(means[first] - means[second]) <= 2 * math.hypot(errors[first], errors[second]):
        return nothing
    return list(finished & (methods == first))


def clear_best(values: pd.Series, higher: bool) -> float:
    """The best value where its lead over the second is at least ``AHEAD`` of its size; else NaN, also without a second value."""
    known = values.dropna().sort_values(ascending=not higher)
    if len(known) < 2:
        return math.nan
    best, second = known.iloc[0], known.iloc[1]
    return float(best) if best != second and abs(best - second) >= AHEAD * abs(best) else math.nan


def _cell(column: str) -> Callable[[Any], str]:
    shown = {RANK: lambda value: f"{value:.2f}", PACE: lambda value: f"{value:.2f}x", TIME: words.duration}.get(column, words.measured)
    if column.endswith(" best epoch"):
        shown = "{:.0f}".format

    def text(value: float) -> str:
        return "–" if math.isnan(value) else shown(value)

    return text


def _columns(table: pd.DataFrame, entries: list[Entry]) -> dict[str, Any]:
    """Column settings. Heads are words that fit into their column."""
    numbers = {column: (tr(column), tr(column)) for column in map(str, table) if column not in ("method", "run", "status")}
    for task, info in next((entry.run.info["tasks"] for entry in entries if entry.run.info), {}).items():
        main = info["main_metric"]
        metric = info["metrics"][main]
        arrow = words.better(bool(metric["higher_is_better"]))
        about = words.with_unit(f"{task}: {tr(metric['title'])}", metric.get("unit", ""))
        better = tr("higher is better") if metric["higher_is_better"] else tr("lower is better")
        words_of_it = tr("{metric} of {task} {arrow}", metric=tr(metric_words(main, info["metrics"])), task=task, arrow=arrow).rstrip()
        for split, head in (("val", words_of_it), ("test", tr("test {metric}", metric=words_of_it))):
            numbers[f"{task} {main} {arrow} {split}"] = (head, tr("{about}, on {split}; {better}", about=about, split=tr(split), better=better))
        numbers[f"{task} {main} {arrow} best epoch"] = (tr("epoch of {task}", task=task), tr("The epoch in which {task} was best on val", task=task))
    return {
        "method": st.column_config.TextColumn(tr("method"), width=METHOD_PIXELS),
        "run": st.column_config.LinkColumn(tr("run"), display_text=tr("open"), width=58),
        "status": st.column_config.TextColumn(tr("status"), width=92),
        **{
            column: st.column_config.Column(label, help=words.plain(about), width=head_width(label))
            for column, (label, about) in numbers.items()
            if column in table
        },
    }
