"""One task's evaluation: metrics, classes, confusion whose cells open their images, curves, worst images."""

from __future__ import annotations

import html
from typing import Any, cast

import numpy as np
import pandas as pd
import streamlit as st

from mtl_core.analysis.box_matching import SHOWN_SCORE
from mtl_core.analysis.evaluation.decisions import stored_decisions
from mtl_core.analysis.evaluation.findings import MADE_UP, MISSED, OUTCOMES, Cells
from mtl_core.analysis.sample_errors import worst_first
from mtl_core.figures import evaluation_charts as figures
from mtl_core.figures.explained_results import explain_confusion
from mtl_core.language import mark, tr
from mtl_core.runs.evaluations import Evaluation
from mtl_core.runs.store import RunStore
from mtl_core.tasks import kind_of
from ui.drawing.plotly_chart import plot, prepared
from ui.evaluation.evaluation_beside import COLUMN_ORDER, Beside, task_beside
from ui.evaluation.evaluation_samples import sample_row
from ui.evaluation.threshold_panel import ADDRESS, threshold_panel
from ui.run.explain_popover import explain_popover
from ui.shell import words
from ui.shell.page_address import set_address

SHORT = {  # English title of a column -> what fits over numbers
    "Average precision": "AP",
    "Precision": mark("Prec."),
    "Recall": "Recall",
    "Specificity": mark("Spec."),
    "Sensitivity": mark("Sens."),
    "Images with it": mark("Images"),
    "ROC area": "ROC",
    "AP at 0.50": "AP 0.50",
    "AP, under 32² pixels": "< 32²",
    "AP, 32² to 96² pixels": "32²–96²",
    "AP, over 96² pixels": "> 96²",
    "Intersection over union": "IoU",
}
COUNTED = {  # plural noun of counted items -> one of them, several
    mark("images"): (mark("1 image"), mark("{count:,} images")),
    mark("pixels"): (mark("1 pixel"), mark("{count:,} pixels")),
    mark("boxes"): (mark("1 box"), mark("{count:,} boxes")),
}
LETTER_PIXELS = 7
NUMBER_PIXELS = 62  # wide is a column of the class table
SHOWN = 6  # images of a cell or of the worst


def task_evaluation(store: RunStore, run: Any, evaluation: Evaluation, task: str, colour: str, beside: Beside | None = None) -> None:
    """All that is stored of one task on one split, and what it is beside a second run."""
    about = evaluation.report["tasks"][task]
    st.markdown(
        tr(
            "**{task}** :gray[{value} · {labelled:,} labelled {labelled:image|images}]",
            task=words.plain(task),
            value=words.plain(tr(about["title"] or about["kind"])),
            labelled=about["labelled"],
        )
    )
    if not about["values"]:
        st.caption(tr("Nothing is known about how to evaluate this kind of task."))
        return
    _values(about)
    arrays = _arrays(evaluation, task)
    key = f"{run.id}.{evaluation.split}.{task}"
    if beside is not None:
        task_beside(store, run, evaluation, task, arrays, beside)
    _threshold(about, arrays, run.id, task, evaluation.split, colour)
    cells = evaluation.cells(task, arrays)
    if cells is not None:
        left, right = st.columns([5, 6], gap="large")
        with left:
            row_title, column_title = kind_of(about["kind"]).confusion_titles
            chosen = _confusion(cells, (tr(row_title), tr(column_title)), colour, key, task)
        set_address({"cell": f"{task}.{chosen[0]}.{chosen[1]}"})
        with right:
            shown = _class_table(about, key, curves="pr" in arrays or "roc" in arrays)
        _cell_images(store, run, evaluation, task, arrays, cells, chosen)
    else:
        shown = None
        set_address({"cell": None})
    _charts(about, arrays, shown, colour, key)
    _worst(store, run, evaluation, task, arrays, about)


def _threshold(about: dict[str, Any], arrays: dict[str, np.ndarray], run_id: str, task: str, split: str, colour: str) -> None:
    decisions = stored_decisions(arrays)
    if decisions is not None:
        threshold_panel(decisions, about, run_id, task, split, colour)
        return
    set_address({ADDRESS: None})
    cells = about["cells"]
    if cells and (tuple(cells["columns"]) == OUTCOMES or cells["counted"] == "boxes"):
        st.caption(
            tr("This evaluation is of an earlier version and did not count decisions at other thresholds. Evaluate again to move the threshold.")
        )


def _arrays(evaluation: Evaluation, task: str) -> dict[str, np.ndarray]:
    return _read(evaluation.folder.as_posix(), evaluation.report["arrays"], task, evaluation)


@st.cache_resource(max_entries=24, show_spinner=False)
def _read(folder: str, name: str, task: str, _evaluation: Evaluation) -> dict[str, np.ndarray]:
    return _evaluation.arrays(task)


def _values(about: dict[str, Any]) -> None:
    cells = "".join(
        f'<div><div class="fact-name">{words.better(entry["higher_is_better"])} {html.escape(tr(entry["title"]))}</div>'
        f"<div>{html.escape(words.measured(entry['value'], entry['unit']))}</div></div>"
        for entry in about["values"]
    )
    st.html(f'<div class="facts">{cells}</div>')


def _confusion(cells: Cells, titles: tuple[str, str], colour: str, key: str, task: str) -> tuple[int, int]:
    """The matrix; which cell is open: clicked, chosen below it, or named in the address."""
    without = tr(" without its true negatives") if cells.columns == OUTCOMES else ""
    which = tr(" with a score of {shown_score:g} or more", shown_score=SHOWN_SCORE) if cells.counted == "boxes" else ""
    st.markdown(
        tr(
            ":small[:gray[Confusion: {counted}{which}; colour: root of the share of a row{without}. Click a cell to see its images.]]",
            counted=tr(cells.counted),
            which=which,
            without=without,
        )
    )
    matrix, rows, columns = cells.matrix(), _names(cells.rows), _names(cells.columns)
    explain_popover(f"confusion.{key}", lambda: explain_confusion(matrix, rows, columns, tr(cells.counted)))
    quiet = tr(OUTCOMES[-1]) if cells.columns == OUTCOMES else ""
    figure = figures.confusion_figure(matrix, rows, columns, tr(cells.counted), colour, titles, uncoloured=quiet)
    clicked = plot(prepared(figure, tr("Confusion matrix")), key=f"chart.confusion.{key}", clicks=True)
    row_key, column_key = f"evaluation.row.{key}", f"evaluation.column.{key}"
    if clicked:
        st.session_state[row_key], st.session_state[column_key] = int(clicked["y"]), int(clicked["x"])
    if row_key not in st.session_state:
        opened = _asked_cell(task, matrix.shape) or _most_wrong(matrix, cells.columns == OUTCOMES)
        st.session_state[row_key], st.session_state[column_key] = opened
    with st.container(horizontal=True):
        row = _cell_choice(titles[0], rows, row_key)
        column = _cell_choice(titles[1], columns, column_key)
    return row, column


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the rows or the columns. Classes keep theirs; outcomes are said in the reader's language."""
    if names == OUTCOMES:
        return tuple(map(tr, names))
    return (*names[:-1], tr(names[-1])) if names[-1:] in ((MISSED,), (MADE_UP,)) else names


def _cell_choice(title: str, names: Any, key: str) -> int:
    return st.selectbox(words.capitalised(title), range(len(names)), st.session_state[key], format_func=lambda place: names[place], key=key)


def _asked_cell(task: str, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The cell that the address names, where it is one of this task's."""
    name, _, place = st.query_params.get("cell", "").partition(f"{task}.")
    row, _, column = place.partition(".")
    if name or len(place) > 20 or not (row.isdecimal() and column.isdecimal()):
        return None
    return (int(row), int(column)) if int(row) < shape[0] and int(column) < shape[1] else None


def _most_wrong(matrix: np.ndarray, of_outcomes: bool) -> tuple[int, int]:
    """The largest cell that holds mistakes."""
    wrong = matrix.copy()
    if of_outcomes:
        wrong[:, [0, 3]] = 0  # what was found, and what is absent and was not predicted
    else:
        np.fill_diagonal(wrong, 0)
    row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return int(row), int(column)


def _cell_images(
    store: RunStore, run: Any, evaluation: Evaluation, task: str, arrays: dict[str, np.ndarray], cells: Cells, chosen: tuple[int, int]
) -> None:
    images, counts = cells.images(*chosen)
    what = f"{words.plain(_names(cells.rows)[chosen[0]])} → {words.plain(_names(cells.columns)[chosen[1]])}"
    if not len(images):
        st.caption(tr("{what}: no image.", what=what))
        return
    total = _counted(int(counts.sum()), cells.counted) + (
        "" if cells.counted == "images" else tr(" in {counted}", counted=_counted(len(images), "images"))
    )
    st.markdown(tr("**{what}**: {total}", what=what, total=total) + (tr(" :gray[· the first {shown}]", shown=SHOWN) if len(images) > SHOWN else ""))
    notes = [_counted(int(count), cells.counted) if cells.counted != "images" else "" for count in counts[:SHOWN]]
    notes = [note or tr("error {errors:.2g}", errors=arrays["errors"][image]) for note, image in zip(notes, images, strict=False)]
    sample_row(store, run, evaluation, task, arrays, [int(image) for image in images[:SHOWN]], notes)


def _counted(count: int, plural: str) -> str:
    one, several = COUNTED.get(plural, (f"1 {plural}", "{count:,} " + plural))
    return tr(one) if count == 1 else tr(several, count=count)


def _class_table(about: dict[str, Any], key: str, curves: bool) -> int | None:
    """Every class; where there are curves, the one that is chosen has its own in colour."""
    st.markdown(
        tr(":small[:gray[Each class; a dash where it is not defined. Choose a row to colour its curves.]]")
        if curves
        else tr(":small[:gray[Each class; a dash where it is not defined.]]")
    )
    columns = {tr("Class"): about["classes"]}
    for entry in sorted(about["class_values"], key=lambda entry: COLUMN_ORDER.get(entry["name"], 1)):
        whole = entry["name"] == "support"
        title = (
            tr(entry["title"]) if whole else f"{words.better(entry['higher_is_better'])} {tr(entry['title'])}"
        )  # the arrow first: a long title is cut
        columns[title] = [None if value is None else int(value) if whole else round(value, 3) for value in entry["values"]]
    picked = st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        width="stretch",
        height=min(430, 38 + 32 * len(about["classes"])),
        row_height=32,
        placeholder="–",
        on_select="rerun" if curves else "ignore",
        selection_mode="single-row",
        column_config=_narrow(columns),
        key=f"evaluation.classes.{key}",
    )
    _absent(about)
    rows = cast("Any", picked).selection.rows if curves and picked else []
    return rows[0] if rows else None


def _narrow(columns: dict[str, Any]) -> dict[str, Any]:
    """Columns as wide as numbers need: with titles in full, the last ones lay outside the table. They are read on hover."""
    return {
        title: st.column_config.NumberColumn(label, width=max(NUMBER_PIXELS, 22 + LETTER_PIXELS * len(label)), help=title)
        for title, label in ((title, _short(title)) for title in columns if title != tr("Class"))
    }


def _short(title: str) -> str:
    """A column's head that is not cut: long titles in a word or two, in full on hover."""
    for long, short in SHORT.items():
        title = title.replace(tr(long), tr(short))
    return title


def _absent(about: dict[str, Any]) -> None:
    """Which classes these images do not hold, and what becomes of them in the means."""
    support = next((entry["values"] for entry in about["class_values"] if entry["name"] == "support"), [])
    names = [words.plain(name) for name, count in zip(about["classes"], support, strict=False) if count == 0]
    if not names:
        return
    shown = tr(", ").join(names[:12]) + (tr(" and {more} more", more=len(names) - 12) if len(names) > 12 else "")
    has_curves = any(entry["name"] == "ap" for entry in about["class_values"])
    left_out = tr(" Without a case to find there is no average precision: its mean leaves them out.") if has_curves else ""
    st.caption(tr("Not in these images: {shown}.{left_out}", shown=shown, left_out=left_out))


def _charts(about: dict[str, Any], arrays: dict[str, np.ndarray], shown: int | None, colour: str, key: str) -> None:
    unit, charts = about["unit"], []
    if "pr" in arrays:
        title = tr("Precision over recall") + tr(kind_of(about["kind"]).curve_note)
        charts.append((title, "pr", figures.class_curves_figure(arrays["pr"], about["classes"], shown, "pr", colour)))
    if "roc" in arrays:
        charts.append(("ROC", "roc", figures.class_curves_figure(arrays["roc"], about["classes"], shown, "roc", colour)))
    if "reliability" in arrays:
        charts.append((tr("Calibration: honest bars end on the line"), "reliability", figures.reliability_figure(arrays["reliability"], colour)))
    if "scatter" in arrays:
        charts.append((tr("Predicted against target"), "scatter", figures.scatter_figure(arrays["scatter"], unit, colour, height=260)))
    if "by_depth" in arrays:
        charts.append((tr("Error by depth"), "by_depth", figures.by_depth_figure(arrays["by_depth"], unit, colour)))
    if "by_angle" in arrays:
        charts.append((tr("Angles of the pixels"), "by_angle", figures.by_angle_figure(arrays["by_angle"], colour)))
    if about["errors"]:
        errors = about["errors"]
        title = tr(", ").join(filter(None, (tr(errors["title"]), tr(errors["unit"]))))
        charts.append((tr("Errors of single images"), "errors", figures.errors_figure(arrays["errors"], title, colour)))
    for start in range(0, len(charts), 4):
        row = charts[start : start + 4]
        for place, (title, name, figure) in zip(st.columns(max(2, len(row))), row, strict=False):
            with place:
                st.markdown(f":small[:gray[{title}]]")
                plot(prepared(figure, title), key=f"chart.evaluation.{name}.{key}")


def _worst(store: RunStore, run: Any, evaluation: Evaluation, task: str, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    if not about["errors"]:
        return
    errors = arrays["errors"]
    rows = [int(row) for row in worst_first(errors)[:SHOWN]]
    st.markdown(tr("**Worst images** :gray[by {title} ↓]", title=words.plain(tr(about["errors"]["title"]))))
    sample_row(store, run, evaluation, task, arrays, rows, [words.measured(float(errors[row]), about["errors"]["unit"]) for row in rows])
