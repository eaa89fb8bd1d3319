"""Loss weights and the learning rate are moved on the run's page, and each move is asked of the run."""

import pytest

from mtl_core.runs.claims import take_controls
from ui.run import steering


@pytest.fixture(autouse=True)
def _nothing_is_waited_for(monkeypatch):
    monkeypatch.setattr(steering, "SETTLE_SECONDS", 0.0)


def asked_of(store, run):
    return [(record.kind, record.payload) for record in take_controls(store, run.id)]


def test_a_slider_asks_for_a_loss_weight(store, make_run, open_page):
    run = make_run()
    app = open_page("run", run=run.id)
    sliders = {slider.label: slider for slider in app.slider}
    assert sliders["Loss weight of digit"].value == 1.0
    sliders["Loss weight of digit"].set_value(2.5).run()
    assert not app.exception
    assert asked_of(store, run) == [("change", {"key": "tasks.digit.loss_weight", "value": 2.5})]
    again = {slider.label: slider.value for slider in app.slider}
    assert again["Loss weight of digit"] == 2.5  # what was asked for stays on screen until the run has it


def test_the_learning_rate_is_asked_for_too(store, make_run, open_page):
    run = make_run()
    app = open_page("run", run=run.id)
    next(number for number in app.number_input if number.label == "Learning rate").set_value(0.01).run()
    assert asked_of(store, run) == [("change", {"key": "optimizer.lr", "value": 0.01})]


def test_an_ended_run_cannot_be_steered(finished, open_page):
    app = open_page("run", run=finished.id)
    assert not [slider for slider in app.slider if slider.label.startswith("Loss weight of")]
