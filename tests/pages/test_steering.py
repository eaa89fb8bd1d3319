"""Loss weights and the learning rate are moved on the run's page, and each move is asked of the run."""

from itertools import pairwise

import pytest

from mtl_core.events import REFUSED, Message, SettingChanged
from mtl_core.runs import actions
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


def recorded(store, run, key, value):
    """What the trainer does with a change that it has taken."""
    take_controls(store, run.id)
    store.append(run.id, SettingChanged(run.step, run.epoch, key, 1.0, value, False))


@pytest.mark.parametrize("taken", ["asked", "taken", "recorded"])
@pytest.mark.parametrize("key", ["tasks.slant.loss_weight", "optimizer.lr"])
def test_a_change_of_another_viewer_is_seen_and_undone_by_no_late_report(store, make_run, open_page, report_all, taken, key):
    """A browser reports all its widgets when one is moved; it may not have drawn the other viewer's change yet."""
    run = make_run()
    app = open_page("run", run=run.id)
    late = app._tree.get_widget_states()
    actions.change(store, run.id, key, 0.5)  # the other viewer
    if taken != "asked":
        take_controls(store, run.id)
    if taken == "recorded":
        recorded(store, run, key, 0.5)
    app.run()
    shown = {**sliders_of(app), "optimizer.lr": next(number for number in app.number_input if number.label == "Learning rate")}
    assert shown[key if key in shown else "Loss weight of slant"].value == 0.5
    report_all(app, late)
    sliders_of(app)["Loss weight of digit"].set_value(2.5).run()
    changes = [payload for kind, payload in asked_of(store, run) if kind == "change" and payload["key"] != key]
    assert changes == [{"key": "tasks.digit.loss_weight", "value": 2.5}]
    now = steering._now(store, store.get(run.id))
    assert (now.tasks["slant"].loss_weight if "slant" in key else now.optimizer.lr) == 0.5


def test_the_viewer_who_asked_first_sees_what_the_other_asked_afterwards(store, make_run, open_page):
    run = make_run()
    one, two = open_page("run", run=run.id), open_page("run", run=run.id)
    sliders_of(one)["Loss weight of digit"].set_value(2.5).run()
    sliders_of(two.run())["Loss weight of digit"].set_value(9.0).run()
    one.run()
    assert sliders_of(one)["Loss weight of digit"].value == sliders_of(two)["Loss weight of digit"].value == 9.0
    recorded(store, run, "tasks.digit.loss_weight", 9.0)
    assert sliders_of(one.run())["Loss weight of digit"].value == 9.0


def test_reset_all_resets_what_another_viewer_has_just_moved(store, make_run, open_page):
    run = make_run()
    app = open_page("run", run=run.id)
    actions.change(store, run.id, "tasks.slant.loss_weight", 0.5)
    app.run()
    app.button(key=f"steer.{run.id}.reset").click().run()
    assert asked_of(store, run) == [("change", {"key": "tasks.slant.loss_weight", "value": 1.0})]


def test_a_refused_change_is_shown_no_longer(store, make_run, open_page):
    run = make_run()
    actions.change(store, run.id, "tasks.digit.loss_weight", 0.25)
    take_controls(store, run.id)
    store.append(run.id, Message("not changed: ...", "warning", f"{REFUSED} tasks.digit.loss_weight"))
    assert sliders_of(open_page("run", run=run.id))["Loss weight of digit"].value == 1.0
