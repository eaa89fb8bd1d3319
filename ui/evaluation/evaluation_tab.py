"""The Evaluation tab of a run: the choice of checkpoint and images, the gaps between splits, and the cost of one checkpoint for all tasks."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.analysis.regret import SCORE, chosen_epoch, course, regrets
from mtl_core.data.dataset import SHARE
from mtl_core.figures.evaluation_charts import regret_figure
from mtl_core.language import mark, tr
from mtl_core.runs.evaluations import SPLITS, Evaluation, evaluations
from mtl_core.runs.looks import Look, looks, looks_at_data
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import metric_words
from mtl_core.training.checkpoint_files import KeptCheckpoint, kept_checkpoints
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.run_charts import colours_of, panel_style, scalars_feed
from ui.evaluation.evaluation_beside import Beside, choose_beside, overview
from ui.evaluation.evaluation_request import job_controls
from ui.evaluation.evaluation_task import task_evaluation
from ui.shell import words
from ui.shell.element_keys import element_key
from ui.shell.page_address import set_address
from ui.shell.state import hold_first

TRAIN_PART = 128  # as in mtl_core.training.build, which imports torch
VIEW = "run.view"  # key in the session
USES = {"evaluated": mark("evaluated"), "predicted": mark("predicted")}  # of the test images
VIEWS = {"training": mark("Training"), "evaluation": mark("Evaluation")}


def asked_view() -> str:
    """The open tab of the run's page: the chosen one, at first the one in the address."""
    asked = st.session_state.get(VIEW) or st.query_params.get("view", "training")
    return asked if asked in VIEWS else "training"


def view_choice() -> str:
    """Draw the choice of the tab, which the address holds. Returns the chosen tab."""
    held = hold_first(VIEW, asked_view())
    view = st.segmented_control(
        tr("View"), list(VIEWS), default=held, format_func=words.translated(VIEWS), key=VIEW, required=True, label_visibility="collapsed"
    )
    view = view or "training"
    if view == "training":
        set_address(dict.fromkeys(("view", "images", "task", "checkpoint", "cell", "threshold", "beside")))
    else:
        set_address({"view": view})
    return view


def evaluation_tab(store: RunStore, run: Any) -> None:
    """Draw the tab. It reads stored results only and does not import torch."""
    folder = store.folder(run.id)
    kept = kept_checkpoints(folder)
    if not kept:
        coming = mark("No checkpoint has been saved yet. One is saved after each epoch and can then be evaluated here.")
        st.info(tr(mark("This run has ended and has no checkpoint, so there is nothing to evaluate.") if run.status.is_ended() else coming))
        return
    found = evaluations(folder)
    with st.container(key="evaluation_choices", horizontal=True, vertical_alignment="bottom", gap="medium"):
        checkpoint = _checkpoint_choice(run, kept)
        split = _split_choice(run)
        beside = choose_beside(store, run, split) if any(one.checkpoint == checkpoint.name and one.split == split for one in found) else None
    of_checkpoint = {one.split: one for one in found if one.checkpoint == checkpoint.name}
    job_controls(store, run, checkpoint, split, of_checkpoint.get(split))
    frame = scalars_feed(store, run.id)["rows"].frame
    _test_line(frame, looks(store.folder(run.id)), looks_at_data(store.home, run.config.data.model_dump(mode="json")), run.created_at)
    shown = of_checkpoint.get(split)
    if shown is not None:
        _tasks(store, run, shown, beside)
    st.subheader(tr("From train to val to test"), anchor=False)
    _gaps(run, frame, checkpoint, of_checkpoint)
    st.subheader(tr("What one checkpoint for all tasks costs"), anchor=False)
    _regret(run, frame)


def _checkpoint_choice(run: Any, kept: list[KeptCheckpoint]) -> KeptCheckpoint:
    by_name = {checkpoint.name: checkpoint for checkpoint in reversed(kept)}
    best = next((name for name, checkpoint in by_name.items() if checkpoint.is_best), next(iter(by_name)))

    def title(name: str) -> str:
        checkpoint = by_name[name]
        marks = [
            word for word, there in ((tr("best on val"), checkpoint.is_best and checkpoint.whole_epoch), (tr("last"), checkpoint.is_last)) if there
        ]
        marks += [tr("best of {task}", task=tr(", ").join(checkpoint.best_of))] if checkpoint.best_of else []
        where = (
            tr("epoch {epoch}", epoch=checkpoint.epoch)
            if checkpoint.whole_epoch
            else tr("step {step:,}, in epoch {epoch}", step=checkpoint.step, epoch=checkpoint.epoch + 1)
        )
        return tr("{where} ({marks})", where=where, marks=tr(", ").join(marks)) if marks else where

    key = f"evaluation.checkpoint.{run.id}"
    asked = st.query_params.get("checkpoint", "")
    held = hold_first(key, asked if asked in by_name else best, by_name)
    name = st.selectbox(tr("Checkpoint"), list(by_name), list(by_name).index(held), format_func=title, key=key, width=480)
    set_address({"checkpoint": None if name == best else name})
    return by_name[name]


def _split_choice(run: Any) -> str:
    key = f"evaluation.split.{run.id}"
    asked = st.query_params.get("images", "val")
    held = hold_first(key, asked if asked in SPLITS else "val")
    split = st.segmented_control(tr("Images"), list(SPLITS), default=held, required=True, format_func=tr, key=key) or "val"
    set_address({"images": split})
    return split


def _test_line(frame: pd.DataFrame, seen: list[Look], in_data: list[float], begun: float) -> None:
    """Say when the test images were used or seen. ``in_data`` has the times at which the Data page showed them."""
    said, at_the_end = [], frame["key"].str.startswith("test/").any()
    if at_the_end:
        said.append(tr("measured once when the run finished, with the best checkpoint on val"))
    said += [
        tr("{what} on {moment}, with epoch {epoch}", what=tr(USES.get(look.what, look.what)), moment=words.moment(look.at), epoch=look.epoch)
        for look in seen
    ]
    before, after = (
        mark("shown on the Data page on {moment}, before this run was made"),
        mark("shown on the Data page on {moment}, after this run was made"),
    )
    said += [tr(before if at < begun else after, moment=words.moment(at)) for at in in_data]
    text = tr("The test images were used: {said}.", said=tr("; ").join(said)) if said else tr("The test images have not been used.")
    beyond = mark(":material/lock: {words} Beyond that they are used only on your request. They never choose a checkpoint.")
    before_the_end = mark(":material/lock: {words} Before the run finishes they are used only on your request. They never choose a checkpoint.")
    st.caption(tr(beyond if at_the_end else before_the_end, words=text))


def _tasks(store: RunStore, run: Any, evaluation: Evaluation, beside: Beside | None) -> None:
    report = evaluation.report
    st.caption(
        tr(
            "Epoch {epoch} on {split}: {images:,} {images:image|images}, measured {moment} in {duration} ({device}, {precision}).",
            epoch=report["epoch"],
            split=tr(report["split"]),
            images=report["images"],
            moment=words.moment(report["created_at"]),
            duration=words.duration(report["seconds"]),
            device=report["device"],
            precision=report["precision"],
        )
    )
    if beside is not None:
        overview(run, evaluation, beside)
    names = list(report["tasks"])
    asked = st.query_params.get("task")
    key = f"evaluation.task.{run.id}"
    held = hold_first(key, asked if asked in names else names[0])
    chosen = st.pills(tr("Task"), names, default=held, key=key, required=True, label_visibility="collapsed") or names[0]
    set_address({"task": chosen})
    colours = colours_of(run.config)
    panel_style(names, colours, prefix="evaluation")
    with st.container(border=True, key=element_key("evaluation", chosen)):
        task_evaluation(store, run, evaluation, chosen, colours[chosen], beside)


def _gaps(run: Any, frame: pd.DataFrame, checkpoint: KeptCheckpoint, found: dict[str, Evaluation]) -> None:
    rows, parts = [], []
    chosen = chosen_epoch(frame)
    for task, info in run.info["tasks"].items():
        for name, metric in info["metrics"].items():
            if name == "loss":
                continue
            values = {split: found[split].value(task, name) if split in found else None for split in SPLITS}
            for split in SPLITS:
                if split not in found:
                    values[split] = _recorded(frame, split, f"{split}/{task}/{name}", checkpoint, chosen)
            if "train" not in found and values["train"] is not None:
                parts.append("train")
            title = f"{words.better(metric['higher_is_better'])} {tr(metric['title'])}"
            rows.append({tr("Task"): task, tr("Metric"): title, **_shown(values, metric)})
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height="content", key="evaluation.gaps", row_height=30)
    note = tr("Lost: how much worse val is than train, and test than val. A negative value means better. ")
    if parts and run.info["images"]["train"] > TRAIN_PART:
        note += tr("Train is measured on {train_part} fixed images until the whole split is evaluated. ", train_part=TRAIN_PART)
    st.caption(note + tr(words.ONE_SEED))


def _recorded(frame: pd.DataFrame, split: str, key: str, checkpoint: KeptCheckpoint, chosen: int | None) -> float | None:
    """The value that the run recorded for this checkpoint. Its test values belong to the best checkpoint."""
    epochs, values = course(frame, key)
    if split == "test":
        return float(values[-1]) if len(values) and checkpoint.epoch == chosen and checkpoint.whole_epoch else None
    there = values[epochs == checkpoint.epoch] if checkpoint.whole_epoch else values[:0]
    return float(there[-1]) if len(there) else None


def _decimals(text: str) -> int:
    """Digits after the point of a number as it is shown, which a unit may follow; at least 2, for whole numbers and very small ones."""
    number = text.partition(" ")[0]
    return max(2, len(number.partition(".")[2])) if "e" not in number else max(2, -int(number.partition("e")[2]) + 2)


def _shown(values: dict[str, float | None], metric: dict[str, Any]) -> dict[str, str]:
    sign = 1 if metric["higher_is_better"] else -1

    def lost(before: str, after: str) -> str:
        one, other = values[before], values[after]
        if one is None or other is None or not math.isfinite(one - other):
            return "–"
        last = min(_decimals(text) for text in (texts[before], texts[after]))  # digits beyond those of the two values say nothing
        gap = round(sign * (one - other), last) + 0.0  # no -0
        return f"{gap:+.{last}f}{shown_unit}" if gap else f"0{shown_unit}"

    unit = metric.get("unit", "")
    shown_unit = f" {tr(unit)}" if unit and unit != SHARE else ""
    texts = {split: words.measured(value, unit) for split, value in values.items()}
    return {
        **{tr(split): text for split, text in texts.items()},
        tr("lost train to val"): lost("train", "val"),
        tr("lost val to test"): lost("val", "test"),
    }


def _why_chosen(run: Any, frame: pd.DataFrame, chosen: int) -> str:
    """What chose the epoch, and where the networks of the tasks' own best epochs are."""
    tasks, names = run.config.tasks, run.info.get("selecting_tasks") or run.config.select_by
    weights = [tasks[name].selection_weight for name in names]
    among = words.plain(tr(", ").join(names)) if names else tr("the tasks")
    floors = words.plain(tr(", ").join(f"{name} {task.selection_floor:g}" for name, task in tasks.items() if task.selection_floor is not None))
    where = tr(" The network of a task's own best epoch is among the checkpoints above where it was kept.")
    if floors and course(frame, SCORE)[1].max() < 0:
        return tr("No epoch keeps every floor ({floors}); epoch {chosen} misses them least.", floors=floors, chosen=chosen) + where
    text = tr("Epoch {chosen} has the highest mean score of {tasks} on val.", chosen=chosen, tasks=among)
    if len(set(weights)) > 1:
        shown = words.plain(tr(", ").join(f"{name} {weight:g}" for name, weight in zip(names, weights, strict=True)))
        text += tr(" Weights in the mean: {weights}.", weights=shown)
    if floors:
        text += tr(" Only epochs that keep the floors count ({floors}).", floors=floors)
    return text + where


def _short(run: Any, task: str) -> str:
    """A task's main metric in few letters, such as ``MAE``."""
    info = run.info["tasks"][task]
    return metric_words(info["main_metric"], info["metrics"])


def _cost(one: Any) -> str:
    """What the chosen epoch costs a task, in its metric's unit, and in percent of its best value where that is not 0."""
    cost = words.measured(one.cost, one.metric.get("unit", ""))
    return tr("{cost} ({share:.1f} %)", cost=cost, share=one.share) if math.isfinite(one.share) else cost


def _regret(run: Any, frame: pd.DataFrame) -> None:
    chosen, found = chosen_epoch(frame), regrets(frame, run.info["tasks"])
    if chosen is None or not found:
        coming = mark("The best epoch of each task appears here after the first epoch.")
        st.caption(tr(mark("The run ended before its first evaluation, so no task has a best epoch.") if run.status.is_ended() else coming))
        return
    left, right = st.columns([6, 5], gap="medium")
    rows = [
        {
            tr("Task"): one.task,
            tr("Cost"): _cost(one),
            tr("Its best epoch"): one.best_epoch,
            tr("Best"): words.measured(one.best, one.metric.get("unit", "")),
            tr("Epoch {chosen}", chosen=chosen): words.measured(one.chosen, one.metric.get("unit", "")),
            tr("Metric on val"): f"{words.better(one.metric['higher_is_better'])} {_short(run, one.task)}",
        }
        for one in found
    ]
    left.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height="content", key="evaluation.regret", row_height=30)
    left.caption(_why_chosen(run, frame, chosen))
    with right:
        plot(prepared(regret_figure(found, colours_of(run.config), chosen), tr("What each epoch costs each task")), key="chart.evaluation.regret")
