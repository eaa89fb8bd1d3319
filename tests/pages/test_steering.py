"""Loss weights and the learning rate are moved on the run's page, and each move is asked of the run."""

from itertools import pairwise

import pytest

from mtl_core.runs.claims import take_controls
from ui.run import steering


@pytest.fixture(autouse=True)
def _nothing_is_waited_for(monkeypatch):
    monkeypatch.setattr(steering, "SETTLE_SECONDS", 0.0)


def asked_of(store, run):
    return [(record.kind, record.payload) for record in take_controls(store, run.id)]


def sliders_of(app):
    return {slider.label: slider for slider in app.select_slider}


def test_a_slider_asks_for_a_loss_weight(store, make_run, open_page):
    run = make_run()
    app = open_page("run", run=run.id)
    assert sliders_of(app)["Loss weight of digit"].value == 1.0
    sliders_of(app)["Loss weight of digit"].set_value(2.5).run()
    assert not app.exception
    assert asked_of(store, run) == [("change", {"key": "tasks.digit.loss_weight", "value": 2.5})]
    assert sliders_of(app)["Loss weight of digit"].value == 2.5  # what was asked for stays on screen until the run has it


def test_the_stops_of_a_slider_are_0_and_then_even_on_a_logarithmic_scale():
    first, *others = steering.LOSS_WEIGHTS
    ratios = [after / before for before, after in pairwise(others)]
    assert (first, others[0], others[-1]) == (0.0, 0.01, 100.0)
    assert 1.0 in others
    assert 1.1 < min(ratios) <= max(ratios) < 1.26


def test_a_loss_weight_between_two_stops_is_shown_as_it_is(make_run, open_page):
    run = make_run(changes=[{"step": 1, "key": "tasks.digit.loss_weight", "value": 1.37}])
    slider = sliders_of(open_page("run", run=run.id))["Loss weight of digit"]
    assert slider.value == 1.37
    assert "1.37" in slider.options


def test_reset_all_asks_for_the_loss_weights_that_the_run_began_with(store, make_run, open_page):
    run = make_run()
    app = open_page("run", run=run.id)
    assert app.button(key=f"steer.{run.id}.reset").disabled
    sliders_of(app)["Loss weight of digit"].set_value(50.0).run()
    take_controls(store, run.id)
    app.button(key=f"steer.{run.id}.reset").click().run()
    assert not app.exception
    assert asked_of(store, run) == [("change", {"key": "tasks.digit.loss_weight", "value": 1.0})]
    assert sliders_of(app)["Loss weight of digit"].value == 1.0


def test_the_learning_rate_is_asked_for_too(store, make_run, open_page):
    run = make_run()
    app = open_page("run", run=run.id)
    next(number for number in app.number_input if number.label == "Learning rate").set_value(0.01).run()
    assert asked_of(store, run) == [("change", {"key": "optimizer.lr", "value": 0.01})]


def test_an_ended_run_cannot_be_steered(finished, open_page):
    app = open_page("run", run=finished.id)
    assert not [label for label in sliders_of(app) if label.startswith("Loss weight of")]


def test_a_browsers_report_of_what_is_shown_asks_for_nothing(store, make_run, open_page, report_all):
    run = make_run()
    app = open_page("run", run=run.id)
    report_all(app)
    assert asked_of(store, run) == []
    sliders_of(app)["Loss weight of digit"].set_value(2.5).run()
    report_all(app)
    assert asked_of(store, run) == [("change", {"key": "tasks.digit.loss_weight", "value": 2.5})]
