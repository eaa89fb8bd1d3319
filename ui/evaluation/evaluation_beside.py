"""A second run beside an evaluation: the metrics of both on the same split, their classes, and the images on which they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from mtl_core.analysis.paired_errors import paired_errors
from mtl_core.data.dataset import SHARE
from mtl_core.figures.colours import PALETTE
from mtl_core.figures.evaluation_charts import class_pairs_figure
from mtl_core.language import HalfUp, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs.evaluations import Evaluation, evaluations
from mtl_core.runs.looks import same_data_set
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import kept_checkpoints
from ui.drawing.plotly_chart import plot, prepared
from ui.evaluation.evaluation_samples import Second, sample_row
from ui.run.baseline_run import comparable
from ui.shell import words
from ui.shell.page_address import set_address
from ui.shell.run_picker import box_texts
from ui.shell.state import hold_first, listing

NONE = ""
SHOWN = 6  # images on which the two differ most
COLUMN_ORDER = {"ap": 0, "iou": 0, "support": 2}  # of a class's values: the main one, the rest (1), how many there are
ADDRESS = "beside"


@dataclass(frozen=True)
class Beside:
    """The second run. ``has_same_images``: whether row by row the two were evaluated on the same images."""

    run: Any
    name: str
    evaluation: Evaluation
    has_same_images: bool

    def errors(self, task: str, own: np.ndarray) -> np.ndarray | None:
        """Its errors of a task, image by image as ``own``; None if they are of other images."""
        if not self.has_same_images or task not in self.evaluation.report["tasks"]:
            return None
        found = self.evaluation.arrays(task).get("errors")
        return found if found is not None and found.shape == own.shape else None


def choose_beside(store: RunStore, run: Any, split: str) -> Beside | None:
    """Draw the choice of a second run among those that were evaluated on this split. Nothing is drawn where no other run fits."""
    others = comparable(run, listing(store.home.as_posix()))
    found = {other.id: shown for other in others if (shown := _shown(store, other.id, split)) is not None}
    if not found:
        if others:
            st.caption(tr("Another run stands beside this one here once it has been evaluated on {split}, too.", split=tr(split)))
        return None
    names = {NONE: tr("no other run")} | box_texts(other for other in others if other.id in found)
    key = f"evaluation.beside.{run.id}"
    asked = st.query_params.get(ADDRESS, NONE)
    held = hold_first(key, asked if asked in names else NONE, list(names))
    about = tr("Runs on the same data that share a task and have been evaluated on these images.")
    kept: dict[str, Any] = {"format_func": words.text_of(names), "help": about, "width": 340}
    chosen = st.selectbox(tr("Beside"), list(names), list(names).index(held), key=key, **kept)
    set_address({ADDRESS: chosen or None})
    if not chosen:
        return None
    other = store.get(chosen)
    same = same_data_set(run.config.data.model_dump(mode="json"), other.config.data.model_dump(mode="json"))
    return Beside(other, next(shown_name(each) for each in others if each.id == chosen), found[chosen], same)


def _shown(store: RunStore, run_id: str, split: str) -> Evaluation | None:
    """The evaluation of the run's best checkpoint on a split, else the newest one."""
    folder = store.folder(run_id)
    found = [one for one in evaluations(folder) if one.split == split]
    best = {checkpoint.name for checkpoint in kept_checkpoints(folder) if checkpoint.is_best} if found else set()
    return next((one for one in found if one.checkpoint in best), found[0] if found else None)


def overview(run: Any, evaluation: Evaluation, beside: Beside) -> None:
    """Draw the main metric of every task of both runs."""
    mine, theirs = evaluation.report["tasks"], beside.evaluation.report["tasks"]
    rows = [
        {tr("Task"): task, **_row(mine[task]["values"][0], beside.evaluation.value(task, mine[task]["values"][0]["name"]))}
        for task in mine
        if task in theirs and mine[task]["values"]
    ]
    st.markdown(_who(run, evaluation, beside))
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height="content", row_height=30, key="evaluation.beside.tasks")
    st.caption(_caution(beside))


def task_beside(store: RunStore, run: Any, evaluation: Evaluation, task: str, arrays: dict[str, np.ndarray], beside: Beside) -> None:
    """Draw one task of both runs: all metrics, each class, and the images on which they differ most."""
    theirs = beside.evaluation.report["tasks"].get(task)
    about = evaluation.report["tasks"][task]
    if theirs is None or theirs["kind"] != about["kind"]:
        st.caption(tr("B, {name}, has no task like {task}.", name=words.plain(beside.name), task=words.plain(task)))
        return
    st.markdown(tr("**A and B** :gray[A is this run, B the other one]"))
    left, right = st.columns([2, 1], gap="large")  # the last column of the table lies outside a narrower place
    rows = [_row(entry, beside.evaluation.value(task, entry["name"])) for entry in about["values"]]
    with left:
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height="content", row_height=30, key=f"evaluation.beside.values.{task}")
    with right:
        _classes(about, theirs, task)
    _images(store, run, evaluation, task, arrays, beside, about)


def _row(entry: dict[str, Any], other: float | None) -> dict[str, str]:
    """A metric of both, with the difference and which is better."""
    one, unit, higher = entry["value"], entry["unit"], entry["higher_is_better"]
    better, title = tr("Better"), f"{words.better(higher)} {tr(entry['title'])}"
    cells = {tr("Metric"): title, better: "–", "A": words.measured(one, unit), "B": words.measured(other, unit)}
    if one is None or other is None:
        return {**cells, "B - A": "–"}
    shown_unit = f" {tr(unit)}" if unit and unit != SHARE else ""
    if one == other:
        return {**cells, "B - A": f"0{shown_unit}", better: tr("equal")}
    is_better = "B" if (other > one) == bool(higher) else "A"
    return {**cells, "B - A": f"{other - one:+.3g}{shown_unit}", better: is_better}


def _who(run: Any, evaluation: Evaluation, beside: Beside) -> str:
    sides = ((shown_name(run), evaluation, PALETTE[0], "A"), (beside.name, beside.evaluation, PALETTE[1], "B"))
    said = [
        tr("**{letter}** {name}, epoch {epoch}", letter=letter, name=words.plain(words.shortened_inside(name, 50)), epoch=found.report["epoch"])
        for name, found, _, letter in sides
    ]
    return tr("{said} :gray[on {split}]", said=" · ".join(said), split=tr(evaluation.split))


def _caution(beside: Beside) -> str:
    images = "" if beside.has_same_images else tr(" The settings of the data differ, so the two were not measured on the same images.")
    return tr(
        "One run each: another seed gives other values, so a small difference proves nothing; a study with several seeds can.{images}", images=images
    )


def _classes(about: dict[str, Any], theirs: dict[str, Any], task: str) -> None:
    """Draw the first metric of each class, where both have the same classes."""
    entries = [entry for entry in about["class_values"] if entry["name"] != "support"]
    entry = min(entries, key=lambda entry: COLUMN_ORDER.get(entry["name"], 1), default=None)
    other = next((each for each in theirs["class_values"] if entry and each["name"] == entry["name"]), None)
    if entry is None or other is None or about["classes"] != theirs["classes"]:
        return
    values = [np.array([np.nan if value is None else value for value in each["values"]], dtype=float) for each in (entry, other)]
    title = f"{words.better(entry['higher_is_better'])} {tr(entry['title'])}"
    st.markdown(tr(":small[:gray[{title} of each class, the largest differences first]]", title=words.plain(title)))
    figure = class_pairs_figure(about["classes"], values[0], values[1], (PALETTE[0], PALETTE[1]))
    plot(prepared(figure, tr("{title} of each class of {task}, A and B", title=tr(entry["title"]), task=task)), key=f"chart.evaluation.beside.{task}")


def _images(
    store: RunStore, run: Any, evaluation: Evaluation, task: str, arrays: dict[str, np.ndarray], beside: Beside, about: dict[str, Any]
) -> None:
    """Draw on how many images which is better, and those on which they differ most."""
    other = beside.errors(task, arrays["errors"]) if about["errors"] else None
    if other is None:
        return
    found, unit = paired_errors(arrays["errors"], other), tr(about["errors"]["unit"])
    title = words.plain(tr(about["errors"]["title"]))
    interval = tr(", 95 % interval over images {low:+.3g} to {high:+.3g}", low=found.low, high=found.high) if np.isfinite(found.low) else ""
    st.markdown(
        tr(
            "**Image by image** :gray[by {title} ↓]: A is better on {first:,}, B on {second:,}, equal on {equal:,}. Mean of B - A: "
            "{mean:+.3g}{unit}{interval}.",
            title=title,
            first=found.first,
            second=found.second,
            equal=found.equal,
            mean=found.mean,
            unit=f" {words.plain(unit)}" if unit else "",
            interval=interval,
        )
    )
    rows = [int(row) for row in found.order[:SHOWN]]
    notes = [f"A {HalfUp(arrays['errors'][row]):.2g}, B {HalfUp(other[row]):.2g}" for row in rows]
    if rows:
        second = Second(beside.run.id, beside.evaluation.arrays(task))
        st.caption(tr("Where they differ most. The interval covers the choice of images, not other seeds."))
        sample_row(store, run, evaluation, task, arrays, rows, notes, second)
