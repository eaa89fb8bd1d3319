"""The evaluation tab on stored results: shown, asked for, and honest about the test images."""

import numpy as np
import pytest

from mtl_core.runs.background import evaluation_job
from mtl_core.runs.evaluations import write_evaluation
from mtl_core.runs.looks import note_look_at_data
from ui.evaluation import evaluation_task
from ui.evaluation.evaluation_tab import _shown
from ui.evaluation.evaluation_task import _most_wrong, _narrow

CHECKPOINT = "epoch_0002_step_00000004"
NAMES = [str(number) for number in range(10)]


def stored(store, run, split="val"):
    """An evaluation of four images, two of them wrong."""
    entries = np.array([[0, 0, 0, 1], [1, 1, 1, 1], [2, 2, 7, 1], [3, 3, 7, 1]])
    values = [{"name": "accuracy", "title": "Accuracy", "unit": "", "higher_is_better": True, "value": 0.5}]
    recall = {"name": "recall", "title": "Recall", "unit": "", "higher_is_better": True, "values": [1, 1, 0, 0, *[None] * 6]}
    support = {"name": "support", "title": "Images", "unit": "", "higher_is_better": True, "values": [1] * 4 + [0] * 6}
    ap = {"name": "ap", "title": "Average precision", "unit": "", "higher_is_better": True, "values": [1, 1, 0, 0, *[None] * 6]}
    cells = {"rows": NAMES, "columns": NAMES, "counted": "images"}
    about = {"kind": "classification", "title": "Which digit", "classes": NAMES, "unit": "", "labelled": 4, "values": values}
    about |= {"class_values": [recall, support, ap], "cells": cells, "errors": {"title": "1 - probability of the right class", "unit": ""}}
    report = {"split": split, "checkpoint": CHECKPOINT, "epoch": 2, "step": 4, "images": 4, "created_at": 1.7e9, "seconds": 2.0}
    report |= {"device": "cpu", "precision": "fp32", "layout": "contiguous", "tasks": {"digit": about}}
    arrays = {"cells": entries, "errors": np.array([0.1, 0.2, 0.9, 0.8], np.float32), "kept": np.arange(4)}
    arrays |= {"predictions": np.eye(10, dtype=np.float32)[[0, 1, 7, 7]], "reliability": np.array([[4, 0.5, 0.5]] * 15)}
    return write_evaluation(store.folder(run.id), run.id, report, {f"digit/{name}": values for name, values in arrays.items()})


@pytest.fixture
def kept(finished, keep):
    return keep(finished, 1, 2, best=2)


def buttons(app):
    return [button.label for button in app.button]


def test_nothing_stored_says_what_there_is_to_do(open_page, kept, texts):
    app = open_page("run", run=kept.id, view="evaluation")
    assert "This checkpoint has not been evaluated on val" in texts(app)
    assert "Evaluate on val" in buttons(app)
    assert "measured once when the run finished" in texts(app)


def test_without_a_checkpoint(open_page, finished):
    assert "This run has ended and has no checkpoint" in open_page("run", run=finished.id, view="evaluation").info[0].value


def test_stored_results_are_shown_and_the_cell_opens(open_page, store, kept, texts, monkeypatch):
    stored(store, kept)
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    app = open_page("run", run=kept.id, view="evaluation")
    assert "4 labelled images" in texts(app)
    assert "**2 → 7**: 1 image" in texts(app), "the largest confusion is open"
    app.selectbox(key=f"evaluation.row.{kept.id}.val.digit").set_value(3).run()
    assert "**3 → 7**: 1 image" in texts(app)
    app.selectbox(key=f"evaluation.column.{kept.id}.val.digit").set_value(4).run()
    assert "3 → 4: no image." in texts(app)
    table = next(frame.value for frame in app.dataframe if "↑ Recall" in frame.value)
    assert list(table.columns) == ["Class", "↑ Average precision", "↑ Recall", "Images"], "what matters most stands beside the name"
    assert table["↑ Recall"].iloc[:4].tolist() == [1, 1, 0, 0]
    assert "Not in these images: 4, 5, 6, 7, 8, 9. Without a case to find" in texts(app)
    assert not app.error


def test_a_kind_with_nothing_but_its_numbers_is_shown(open_page, store, kept, texts, monkeypatch):
    """Self-supervised kinds, and those of packages without an evaluation: no matrix, no errors of single images, no arrays."""
    values = [{"name": "accuracy", "title": "Accuracy", "unit": "", "higher_is_better": True, "value": 0.25}]
    about = {"kind": "rotation", "title": "Rotation", "classes": [], "unit": "", "labelled": 4, "values": values}
    report = stored(store, kept).report
    tasks = {"digit": about | {"class_values": [], "cells": None, "errors": None}}
    write_evaluation(store.folder(kept.id), kept.id, report | {"tasks": tasks}, {})
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    app = open_page("run", run=kept.id, view="evaluation")
    assert not app.exception
    assert not app.error
    assert any("Accuracy</div><div>0.250</div>" in element.proto.body for element in app.get("html"))
    assert "Nothing is known" not in texts(app)


def test_the_opened_cell_and_the_checkpoint_stand_in_the_address(open_page, store, kept, texts, monkeypatch):
    stored(store, kept)
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    app = open_page("run", run=kept.id, view="evaluation", cell="digit.1.1")
    assert "**1 → 1**: 1 image" in texts(app)
    app.selectbox(key=f"evaluation.row.{kept.id}.val.digit").set_value(3).run()
    assert app.query_params["cell"] == "digit.3.1"
    assert "checkpoint" not in app.query_params, "the best one goes without saying"
    older = "epoch_0001_step_00000002"
    app.selectbox(key=f"evaluation.checkpoint.{kept.id}").set_value(older).run()
    assert app.query_params["checkpoint"] == older
    app = open_page("run", run=kept.id, view="evaluation", checkpoint=older)
    assert app.selectbox(key=f"evaluation.checkpoint.{kept.id}").value == older


def test_a_cell_that_is_none_opens_the_largest_confusion(open_page, store, kept, texts, monkeypatch):
    stored(store, kept)
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    app = open_page("run", run=kept.id, view="evaluation", cell="digit.10.0")
    assert "**2 → 7**: 1 image" in texts(app)


def test_only_a_cell_of_this_matrix_is_read_from_the_address(monkeypatch):
    found = {}
    for cell in ("digit.3.1", "digit.10.0", "digit.-1.0", "digit.1", "other.1.1", "digit.².1", "digit.1.1.1"):
        monkeypatch.setattr(evaluation_task.st, "query_params", {"cell": cell})
        found[cell] = evaluation_task._asked_cell("digit", (10, 10))
    assert {cell: place for cell, place in found.items() if place} == {"digit.3.1": (3, 1)}


def test_the_gap_comes_from_what_was_measured(open_page, store, kept):
    stored(store, kept)
    app = open_page("run", run=kept.id, view="evaluation")
    gaps = next(frame.value for frame in app.dataframe if "lost val to test" in frame.value)
    row = gaps[gaps["Task"] == "digit"].iloc[0]
    assert (row["val"], row["test"], row["lost val to test"]) == ("0.500", "–", "–"), "no score chose this checkpoint, so test is not its own"


def test_test_is_asked_for_by_name(open_page, store, kept, texts, monkeypatch):
    asked = []
    monkeypatch.setattr(evaluation_job, "start", lambda store, run_id, splits, checkpoint: asked.append((run_id, splits, checkpoint)))
    app = open_page("run", run=kept.id, view="evaluation")
    app.button_group(key=f"evaluation.split.{kept.id}").set_value("test").run()
    app.button(key=f"evaluate.{kept.id}.test").click().run()
    assert asked == [(kept.id, ["test"], "best")]
    stored(store, kept, "test")
    assert "with epoch 2" in texts(app.run())


def test_one_that_goes_on_and_one_that_died(open_page, store, kept, texts, monkeypatch):
    note = {"state": "running", "share": 0.25, "text": "val", "splits": ["val"], "error": "", "pid": 1}
    monkeypatch.setattr(evaluation_job, "state", lambda folder: note)
    app = open_page("run", run=kept.id, view="evaluation")
    assert app.get("progress")[-1].proto.text == "Evaluating: val"
    assert "Evaluate on val" not in buttons(app)
    note |= {"state": "gone", "error": "its process ended before it was done"}
    assert "its process ended" in open_page("run", run=kept.id, view="evaluation").warning[-1].value


def test_a_multi_label_task_opens_what_was_missed():
    matrix = np.array([[3, 1, 2, 90], [1, 5, 0, 80]])
    assert _most_wrong(matrix, of_outcomes=True) == (1, 1)
    assert _most_wrong(np.array([[9, 2], [3, 9]]), of_outcomes=False) == (1, 0)


def test_the_numbers_of_each_class_stand_beside_the_matrix_on_a_screen_of_1280():
    titles = ["Average precision", "Precision", "Recall", "F1", "ROC area"]  # of a multi-label task, which has the most
    columns = _narrow({"Class": [], **{f"↑ {title}": [] for title in titles}, "Images with it": []})
    room = (1120 - 32 - 64) // 2 - 34 - 50  # half of a bordered box, without the gap, the ticks and the classes
    assert sum(column["width"] for column in columns.values()) <= room


def test_test_images_shown_on_the_data_page_were_looked_at(open_page, store, kept, texts):
    assert "shown on the Data page" not in texts(open_page("run", run=kept.id, view="evaluation"))
    note_look_at_data(store.home, {"name": kept.config.data.name})
    assert "shown on the Data page on" in texts(open_page("run", run=kept.id, view="evaluation"))
    assert "after this run was made" in texts(open_page("run", run=kept.id, view="evaluation"))


@pytest.mark.parametrize(
    ("val", "test", "better", "unit", "lost"),
    [
        (0.98138, 0.98145, True, "", "0"),
        (0.98138, 0.97, True, "", "+0.011"),
        (0.691, 0.6953, False, "degrees", "+0.004 degrees"),
        (0.00189, 0.00184, False, "", "-0.00005"),
        (12.34, 12.0, True, "", "+0.34"),
    ],
)
def test_what_is_lost_has_no_more_digits_than_the_values(val, test, better, unit, lost):
    shown = _shown({"train": None, "val": val, "test": test}, {"higher_is_better": better, "unit": unit})
    assert (shown["lost train to val"], shown["lost val to test"]) == ("–", lost)
