"""The results of a race as a table: best values, rank, time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.runs.race import mean_ranks
from mtl_core.runs.store import RunStore
from ui import words
from ui.race_entries import Entry
from ui.runs_table import summary_of

BEST = "background-color: rgba(0, 158, 115, 0.25)"
METHOD_PIXELS, NUMBER_PIXELS = 150, 92  # wide; with its title in full, the last columns of a race of four tasks lay outside at 1280 pixels
AHEAD = 0.02  # of the best value: less than this before the second is told by no star, as another seed may turn it round
RANK, PACE, TIME = "mean rank ↓", "step time ↓", "total time ↓"


def results(store: RunStore, entries: list[Entry]) -> None:
    """The table, and how it is to be read."""
    reference = next((entry for entry in entries if entry.run.config.balancing.name == "fixed"), entries[0])
    table, better = results_of(entries, {entry.run.id: summary_of(store, entry.run) for entry in entries}, reference)
    st.subheader("Results", anchor=False)
    st.dataframe(_styled(table, better), hide_index=True, placeholder="–", height=36 * (len(table) + 1), column_config=_columns(table))
    st.caption(
        f"★ is the best of the finished runs in its column, where it is at least {AHEAD:.0%} better than the second. "
        "**val**: best epoch; **test**: measured once, at the end, with the best checkpoint. "
        "**Mean rank**: in each task the finished runs are ranked by best val (1 = best, equal values share a rank), and the ranks averaged over "
        "the tasks; how far apart they are does not count, so it has no star. **Step time**: training steps only, relative to "
        f"{words.plain(reference.method)}; whatever else the machine did counts, too."
    )


def results_of(entries: list[Entry], summaries: dict[str, dict[str, Any]], reference: Entry) -> tuple[pd.DataFrame, dict[str, bool]]:
    """One row per run, and which way each column is better. NaN where nothing is known yet."""
    tasks = next((entry.run.info["tasks"] for entry in entries if entry.run.info), {})
    rows = pd.DataFrame([{"method": entry.method, "status": str(entry.run.status), "run": f"run?run={entry.run.id}"} for entry in entries])
    better: dict[str, bool] = {}
    mains: dict[str, bool] = {}
    for task, info in tasks.items():
        main = info["main_metric"]
        higher = bool(info["metrics"][main]["higher_is_better"])
        title = f"{task} {main} {words.better(higher)}"
        for split, kind in (("val", "best"), ("test", "last")):
            found = [summaries[entry.run.id].get(f"{split}/{task}/{main}", {}).get(kind) for entry in entries]
            rows[f"{title} {split}"] = [math.nan if value is None else value for value in found]
            better[f"{title} {split}"] = higher
        mains[f"{title} val"] = higher
    rows[RANK] = _ranks(rows, mains)
    rows[PACE] = _paces(entries, reference)
    rows[TIME] = [entry.run.seconds or math.nan for entry in entries]
    order = ["method", "run", "status", *([RANK] if mains else []), PACE, TIME, *better]  # the metrics last: they are as many as there are tasks
    return rows[order], better | ({RANK: False} if mains else {}) | {PACE: False, TIME: False}


def _ranks(rows: pd.DataFrame, mains: dict[str, bool]) -> pd.Series:
    """Of the finished runs that have a value in every task, where there are two or more."""
    ranked = rows[(rows["status"] == "finished") & rows[list(mains)].notna().all(axis=1)]
    if not mains or len(ranked) < 2:
        return pd.Series(math.nan, index=rows.index)
    return pd.Series(mean_ranks(ranked[list(mains)].to_numpy().tolist(), list(mains.values())), index=ranked.index).reindex(rows.index)


def _paces(entries: list[Entry], reference: Entry) -> list[float]:
    plain = reference.run.steps_per_second
    return [plain / entry.run.steps_per_second if plain and entry.run.steps_per_second else math.nan for entry in entries]


def _styled(table: pd.DataFrame, better: dict[str, bool]) -> Any:
    """The best value of each column with a star and a shade: told apart by more than a colour."""
    finished = table["status"] == "finished"
    best = {column: math.nan if column == RANK else clear_best(table[column][finished], up) for column, up in better.items()}
    styled = table.style.format({column: _cell(column, best[column]) for column in better})
    for column in better:
        marked = finished & (table[column] == best[column])
        styled = styled.apply(lambda values, marked=marked: [BEST if mark else "" for mark in marked], subset=[column])
    return styled


def clear_best(values: pd.Series, higher: bool) -> float:
    """The best value where it is at least ``AHEAD`` of its size before the second; else NaN, also where there is no second."""
    known = values.dropna().sort_values(ascending=not higher)
    if len(known) < 2:
        return math.nan
    best, second = known.iloc[0], known.iloc[1]
    return float(best) if best != second and abs(best - second) >= AHEAD * abs(best) else math.nan


def _cell(column: str, best: float) -> Callable[[float], str]:
    shown = {RANK: lambda value: f"{value:.2f}", PACE: lambda value: f"{value:.2f}x", TIME: words.duration}.get(column, words.measured)

    def text(value: float) -> str:
        return "–" if math.isnan(value) else f"{shown(value)}{' ★' if value == best else ''}"

    return text


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    numbers = [column for column in table if column not in ("method", "run", "status")]
    return {
        "method": st.column_config.TextColumn("method", pinned=True, width=METHOD_PIXELS),
        "run": st.column_config.LinkColumn("run", display_text="open", width=58),
        "status": st.column_config.TextColumn("status", width=78),
        **{column: st.column_config.Column(column, help=column, width=NUMBER_PIXELS) for column in numbers},
    }
