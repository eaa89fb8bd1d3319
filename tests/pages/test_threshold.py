"""The threshold of a task moves on val and nowhere else, and the page says what that means."""

import numpy as np
import pytest

from mtl_core.analysis.evaluation.decisions import decisions_of
from mtl_core.runs.evaluations import write_evaluation

CHECKPOINT = "epoch_0002_step_00000004"
PROBABILITIES = np.array([[0.9, 0.2], [0.45, 0.1], [0.3, 0.8], [0.2, 0.6]])
TRUTH = np.array([[True, False], [True, False], [False, True], [False, False]])


def stored(store, run, split, counted=True):
    value = {"name": "f1", "title": "F1", "unit": "", "higher_is_better": True, "value": 0.6}
    cells = {"rows": ["a", "b"], "columns": ["found", "missed", "false positive", "true negative"], "counted": "images"}
    about = {"kind": "multi_label", "title": "Which are there", "classes": ["a", "b"], "unit": "", "labelled": 4, "values": [value]}
    about |= {"class_values": [], "cells": cells, "errors": None}
    report = {"split": split, "checkpoint": CHECKPOINT, "epoch": 2, "step": 4, "images": 4, "created_at": 1.7e9, "seconds": 2.0}
    report |= {"device": "cpu", "precision": "fp32", "layout": "contiguous", "tasks": {"digit": about}}
    arrays = {"cells": np.array([[0, 0, 0, 1]]), "errors": np.zeros(4, np.float32), "kept": np.arange(4)}
    arrays |= decisions_of(PROBABILITIES, TRUTH, 0.5).arrays() if counted else {}
    return write_evaluation(store.folder(run.id), run.id, report, {f"digit/{name}": values for name, values in arrays.items()})


@pytest.fixture
def run(store, finished, keep, monkeypatch):
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    keep(finished, 1, 2, best=2)
    for split in ("train", "val", "test"):
        stored(store, finished, split)
    return finished


def facts(app):
    """The numbers at the threshold."""
    return "\n".join(element.proto.body for element in app.get("html") if "False positives" in element.proto.body)


def slider(app, run):
    return next((one for one in app.slider if one.key == f"evaluation.threshold.{run.id}.digit.slider"), None)


def test_moving_it_on_val_changes_the_numbers_and_the_address(open_page, run, texts):
    app = open_page("run", run=run.id, view="evaluation")
    assert slider(app, run).value == 0.5
    assert "threshold" not in app.query_params
    assert "chosen on val, as the checkpoint is" in texts(app)
    slider(app, run).set_value(0.4).run()
    assert app.query_params["threshold"] == "digit.0.4"
    assert "at 0.50" in facts(app)
    table = next(frame.value for frame in app.dataframe if "↑ Recall" in frame.value)
    assert table["↑ Recall"].tolist() == [1, 1]
    assert table["False"].tolist() == [0, 1]
    next(button for button in app.button if button.label == "Back to 0.50").click().run()
    assert "threshold" not in app.query_params


def test_the_highest_f1_is_one_click_and_says_that_val_chose_it(open_page, run):
    app = open_page("run", run=run.id, view="evaluation")
    next(button for button in app.button if button.label.startswith("Highest F1 on val")).click().run()
    assert slider(app, run).value == 0.45, "as good as 0.61, and nearer to the default"
    assert app.query_params["threshold"] == "digit.0.45"


def test_on_test_the_threshold_of_val_applies_and_cannot_be_moved(open_page, run, texts):
    app = open_page("run", run=run.id, view="evaluation", threshold="digit.0.4")
    assert slider(app, run).value == 0.4
    app.segmented_control(key=f"evaluation.split.{run.id}").set_value("test").run()
    assert slider(app, run) is None
    assert "**0.40** :gray[chosen on val; the default is 0.50]" in texts(app)
    assert "cannot be moved here" in texts(app)
    app.segmented_control(key=f"evaluation.split.{run.id}").set_value("train").run()
    assert slider(app, run) is None
    assert "Move it under Images → val" in texts(app)


@pytest.mark.parametrize("asked", ["digit.2", "digit.x", "0.4", "other.0.4", "digit.nan", "digit.0.40000000000", ""])
def test_an_address_without_a_threshold_gives_the_default(open_page, run, asked):
    assert slider(open_page("run", run=run.id, view="evaluation", threshold=asked), run).value == 0.5


def test_an_evaluation_of_an_earlier_version_says_to_evaluate_again(open_page, run, store, texts):
    stored(store, run, "val", counted=False)
    app = open_page("run", run=run.id, view="evaluation")
    assert slider(app, run) is None
    assert "Evaluate again to move the threshold" in texts(app)
