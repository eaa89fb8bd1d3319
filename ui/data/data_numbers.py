"""A data set in numbers: who has which targets, how classes, values and boxes are spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from mtl_core.analysis.dataset_report import SPLITS, DatasetReport, TaskCounts, coverage_bands, labelled_matrix, warnings
from mtl_core.data.dataset import PreparedData, Task
from mtl_core.figures.colours import task_colours
from mtl_core.figures.data_set_charts import MOST_CLASSES, box_figure, class_figure, counts_figure, coverage_figure, histogram_figure
from mtl_core.figures.primitives import Boxes
from mtl_core.language import tr
from mtl_core.tasks import kind_of
from ui.data.data_sets import DataSet
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.table_sizes import whole_height
from ui.shell import words

TINY_PIXELS, WORTH_SAYING = 4, 0.01  # side of a box that is hard to find, and the share of such boxes from which it is said
BANDS = 240  # columns of the coverage picture
FEW_SETS = 8  # combinations of targets in words
WIDE = 2  # charts from which a task takes the whole width


def numbers(entry: DataSet, data: PreparedData, report: DatasetReport) -> None:
    """Coverage first, then each task."""
    colours = task_colours(data.tasks)
    for sentence in warnings(report):
        st.warning(words.plain(sentence), icon=":material/warning:")
    with st.container(border=True):
        st.markdown(tr("**Which images have which targets** :gray[images from left to right; coloured where there is a target]"))
        _coverage(entry, data, report, {name: colours[name] for name in report.tasks})
    charts = {name: _charts(task, report.counts[name], colours[name], tuple(data.train.images.shape[2:])) for name, task in report.tasks.items()}
    order = list(report.tasks)
    for row in rows_of({name: len(found) for name, found in charts.items()}):
        is_narrow = len(charts[row[0]]) < WIDE
        for place, name in zip(st.columns(2) if is_narrow else [st.container()], row, strict=False):
            with place.container(border=True, key=f"data_task_{order.index(name)}", height="stretch" if is_narrow else "content"):
                _task(entry, data, report.tasks[name], report.counts[name], charts[name])
    mean, std = (", ".join(f"{value:.3f}" for value in data.statistics[key]) for key in ("mean", "std"))
    st.caption(tr("Images of train, per channel on a scale of 0 to 1: mean {mean}; standard deviation {std}.", mean=mean, std=std))


def rows_of(charts: dict[str, int]) -> list[list[str]]:
    """The tasks in rows: two beside each other that have a single chart or none, and each other one alone.

    Args:
        charts: task -> how many it has, in the order on screen.
    """
    rows: list[list[str]] = []
    for name, count in charts.items():
        if count < WIDE and rows and len(rows[-1]) == 1 and charts[rows[-1][0]] < WIDE:
            rows[-1].append(name)
        else:
            rows.append([name])
    return rows


def _coverage(entry: DataSet, data: PreparedData, report: DatasetReport, colours: dict[str, str]) -> None:
    most = {split: max(1, round(BANDS * size / max(1, sum(report.sizes.values())))) for split, size in report.sizes.items()}
    bands = {split: coverage_bands(labelled_matrix(data.split(split), report.tasks)[0], most[split]) for split in SPLITS}
    figure = coverage_figure(bands, report.sizes, colours)
    plot(prepared(figure, tr("Label coverage: images against tasks")), key=f"data.coverage.{entry.name}")
    rows = {
        name: {tr(split): f"{counts[split].labelled:,} ({_percent(counts[split])})" if counts[split].images else tr("no images") for split in SPLITS}
        for name, counts in report.counts.items()
    }
    left, right = st.columns([3, 2], gap="large")
    left.dataframe(pd.DataFrame.from_dict(rows, orient="index").rename_axis(tr("Labelled images")), height=whole_height(len(rows), 300))
    with right:
        _label_sets(report)


def _percent(counts: TaskCounts) -> str:
    """Rounded, but 100 % for all images only, and 0 % for none only."""
    if 0 < counts.labelled < counts.images:
        return f"{min(99, max(1, round(100 * counts.coverage)))}%"
    return f"{counts.coverage:.0%}"


def _label_sets(report: DatasetReport) -> None:
    found: dict[tuple[str, ...], int] = {}
    for split in SPLITS:
        for names, count in report.label_sets[split]:
            found[names] = found.get(names, 0) + count
    if len(found) == 1 and len(next(iter(found))) == len(report.tasks):
        st.caption(tr("Every image has every target."))
        return
    ordered = sorted(found.items(), key=lambda item: -item[1])
    lines = [tr("Targets that come together:"), *(_label_set(names, count) for names, count in ordered[:FEW_SETS])]
    if len(ordered) > FEW_SETS:
        lines.append(tr("- and {count} more {count:combination|combinations}", count=len(ordered) - FEW_SETS))
    st.markdown("\n".join(lines))


def _label_set(names: tuple[str, ...], count: int) -> str:
    tasks = words.plain(", ".join(names)) or tr("no target at all")
    if count == 1:
        return tr("- **{count:,}** image: {tasks}", count=count, tasks=tasks)
    return tr("- **{count:,}** images: {tasks}", count=count, tasks=tasks)


def _task(entry: DataSet, data: PreparedData, task: Task, counts: Any, charts: list[tuple[str, Any]]) -> None:
    kind = tr(task.kind.replace("_", " "))
    st.markdown(f"**{words.plain(task.name)}** :gray[{words.plain(tr(task.title) or task.name)} · {kind}]")
    for places in [charts[start : start + 3] for start in range(0, len(charts), 3)]:
        for column, (title, figure) in zip(st.columns(len(places), gap="medium"), places, strict=False):
            with column:
                st.caption(title)
                plot(prepared(figure, f"{task.name}: {title}"), key=f"data.{entry.name}.{task.name}.{title}")
    sizes = [part.boxes for part in counts.values() if len(part.boxes)]
    if sizes:
        height, width = data.train.images.shape[2:]
        st.caption(about_small_boxes(np.concatenate(sizes), (width, height)))
    table = _table(task, counts)
    if table is not None:
        with st.expander(tr("As a table"), icon=":material/table:", key=f"data.table.{task.name}"):
            st.dataframe(table, height=whole_height(len(table), 420))
    if not charts:
        st.caption(
            tr("Nothing to count: it has no target in any split.") if not _labelled(counts) else tr("This kind of target is only counted, above.")
        )


def _labelled(counts: dict[str, TaskCounts]) -> int:
    return sum(part.labelled for part in counts.values())


def _charts(task: Task, counts: Mapping[str, TaskCounts], colour: str, image_size: tuple[int, int]) -> list[tuple[str, Any]]:
    """(title, figure) of what this kind of task has; splits without a target are left out."""
    there = {split: part for split, part in counts.items() if part.labelled}
    if not there:
        return []
    charts: list[tuple[str, Any]] = []
    if task.classes:
        title = (
            tr("Labelled images, the {most} most frequent of {classes} classes", most=MOST_CLASSES, classes=len(task.classes))
            if len(task.classes) > MOST_CLASSES
            else tr("Labelled images, per class")
        )
        images = {split: part.images_per_class for split, part in there.items()}
        charts.append(
            (
                title,
                class_figure(task.classes, images, {split: part.labelled for split, part in there.items()}, colour),
            )
        )
    amounts = {split: part.amount_per_class for split, part in there.items() if len(part.amount_per_class)}
    noun = kind_of(task.kind).counted
    if amounts:
        totals = {split: int(numbers.sum()) for split, numbers in amounts.items()}
        charts.append((tr("{noun} per class", noun=tr(noun).capitalize()), class_figure(task.classes, amounts, totals, colour, noun)))
    if kind_of(task.kind).layer == Boxes.type:
        boxes = np.concatenate([part.boxes for part in there.values()])
        charts = [
            charts[1],
            (tr("Boxes per image"), counts_figure({split: part.boxes_per_image for split, part in there.items()}, colour, tr("boxes"))),
        ]
        charts.append((tr("Sizes of {count:,} {count:box|boxes}; dotted: the image", count=len(boxes)), box_figure(boxes, image_size, colour)))
    values = {split: part.values for split, part in there.items() if part.values is not None}
    if values:
        edges = next(iter(values.values())).edges
        noun = kind_of(task.kind).valued
        histograms = {split: part.counts for split, part in values.items()}
        charts.append(
            (
                tr("Spread of the values ({unit})", unit=tr(task.unit)) if task.unit else tr("Spread of the values"),
                histogram_figure(edges, histograms, colour, tr(task.unit), noun),
            )
        )
    return charts


def about_small_boxes(boxes: np.ndarray, image_size: tuple[int, int]) -> str:
    """How small the smallest boxes are after resizing, in a sentence; empty without boxes.

    Args:
        boxes: (B, 2) width and height in pixels of the prepared images. image_size: their width and height.
    """
    if not len(boxes):
        return ""
    shorter = boxes.min(axis=1)
    tiny = float((shorter < TINY_PIXELS).mean())
    width, height = image_size
    said = tr(
        "After resizing to {width} x {height} the smallest boxes are {pixels:.3g} {pixels:pixel|pixels}.",
        width=width,
        height=height,
        pixels=float(shorter.min()),
    )
    if tiny < WORTH_SAYING:
        return said
    few = tr("{share:.0%} are narrower or lower than {pixels} pixels; larger images help a network to find them.", share=tiny, pixels=TINY_PIXELS)
    return f"{said} {few}"


def _table(task: Task, counts: dict[str, TaskCounts]) -> pd.DataFrame | None:
    """The same numbers, exact."""
    if task.classes:
        columns = {tr("{split} images", split=tr(split)): counts[split].images_per_class for split in SPLITS}
        noun = kind_of(task.kind).counted
        if noun:
            columns |= {
                tr("{split} {noun}", split=tr(split), noun=tr(noun)): counts[split].amount_per_class
                for split in SPLITS
                if len(counts[split].amount_per_class)
            }
        return pd.DataFrame(columns, index=pd.Index(task.classes, name=tr("class")))
    values = {split: part.values for split, part in counts.items() if part.values is not None}
    if not values:
        return None
    noun = tr("unknown pixels") if kind_of(task.kind).valued == "pixels" else tr("unknown values")
    rows = {
        tr(split): {
            tr("lowest"): part.low,
            tr("mean"): part.mean,
            tr("highest"): part.high,
            tr("unit"): tr(task.unit),
            noun: counts[split].unknown,
        }
        for split, part in values.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")
