"""Images of an evaluation with target and prediction, each with a link to the Predictions page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from mtl_core.data import open_source_of_run
from mtl_core.data.dataset import Task
from mtl_core.figures.gallery import Tile, contact_sheet, png
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.picture_font import picture_language
from mtl_core.language import speaking, tr
from mtl_core.runs.evaluations import Evaluation
from mtl_core.runs.store import RunStore
from ui.drawing.contact_sheets import ink, task_of
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.state import torch_is_ready
from ui.train.sample_preview import prepared_data

COLUMNS, PIXELS = 6, 230


@dataclass(frozen=True)
class Second:
    """A second run's predictions of the same images: its id, and its evaluation's arrays of the task."""

    run_id: str
    arrays: dict[str, np.ndarray]


def sample_row(
    store: RunStore,
    run: Any,
    evaluation: Evaluation,
    task: str,
    arrays: dict[str, np.ndarray],
    rows: list[int],
    notes: list[str],
    second: Second | None = None,
) -> None:
    """Draw the images, ``COLUMNS`` a row: target above prediction, below it that of a second run, a note, and a link."""
    if not rows or not torch_is_ready():
        return
    try:
        open_source_of_run(run.config, store.folder(run.id))
    except Exception as error:
        if not is_ours(error):
            raise
        st.caption(tr(":material/error: No images: {error}", error=words.plain(tr(str(error)))))
        return
    data = prepared_data(store, run.config.data.model_dump(mode="json", exclude={"partition"}))
    if data is None:
        return
    own = task_of(task, run.info["tasks"][task])
    split = data.split(evaluation.split)
    st.caption(
        tr("Above: the target. Below: the prediction.") if second is None else tr("Above: the target. Below: the prediction of A, then that of B.")
    )
    predictions = [("", arrays)] if second is None else [("A", arrays), ("B", second.arrays)]
    for start in range(0, len(rows), COLUMNS):
        for place, row, note in zip(st.columns(COLUMNS), rows[start : start + COLUMNS], notes[start : start + COLUMNS], strict=False):
            with place:
                st.image(
                    _drawn(split, own, row, predictions),
                    width="stretch",
                    alt=tr("Image {row} of {split}: target and prediction of {task}", row=row, split=tr(evaluation.split), task=task),
                )
                query = {"run": run.id, "epoch": str(evaluation.report["epoch"]), "images": evaluation.split, "sample": str(row)}
                if second is not None:
                    query["beside"] = second.run_id
                st.page_link("pages/predictions.py", label=tr("image {row} · {note}", row=row, note=note), query_params=query)


def _drawn(split: Any, task: Task, row: int, predictions: list[tuple[str, dict[str, np.ndarray]]]) -> bytes:
    """PNG of the target and of the predictions, each by the letter of its run, which is empty for a single one."""
    with speaking(picture_language()):
        tiles, text_height = _tiles(split, task, row, predictions)
        return png(contact_sheet([("", [tile]) for tile in tiles], ink=ink(), text_height=text_height))


def _tiles(split: Any, task: Task, row: int, predictions: list[tuple[str, dict[str, np.ndarray]]]) -> tuple[list[Tile], int]:
    from mtl_core.tasks import TASK_KINDS

    kind = TASK_KINDS.load(task.kind)
    image = np.ascontiguousarray(np.repeat(split.images[row], 3 // split.images.shape[1], axis=0).transpose(1, 2, 0))
    scale = max(1, PIXELS // image.shape[1])
    target = kind.draw_target(image, split.targets[task.target][row], task, scale)
    tiles = [Tile(target.image, target.caption or tr("target"))]
    for name, arrays in predictions:
        place = np.flatnonzero(arrays["kept"] == row)
        letter = f"{name}: " if name else ""
        if len(place):
            prediction = arrays["predictions"][place[0]]
            drawing = kind.draw_prediction(image, prediction.astype(np.float32) if prediction.dtype == np.float16 else prediction, task, scale)
            tiles.append(Tile(drawing.image, f"{letter}{drawing.caption}" if drawing.caption else name or tr("predicted")))
        else:
            tiles.append(Tile(enlarge(image, scale), tr("{letter}prediction not saved", letter=letter)))
    return tiles, max(14, scale * image.shape[1] // 14)
