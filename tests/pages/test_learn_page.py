"""The Learn page: steps, other landscapes, methods that come later, and gradients by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_core.balancing import BALANCERS, SHOWN_FIRST
from mtl_core.plane import LANDSCAPES
from tests.pages.conftest import TABS
from ui.learn import gradient_plotter
from ui.learn.plane_section import logarithmic


@pytest.fixture
def learn(open_page):
    return open_page("learn", tabs=TABS)


def table(app, number=0):
    return app.dataframe[number].value


def walks(app):
    return app.session_state["plane.walks"]["walks"]


def press(app, label):
    return next(button for button in app.button if button.label == label).click().run()


def test_it_opens_with_the_first_methods_at_the_start(learn):
    assert not learn.exception
    assert list(table(learn)["method"]) == [BALANCERS.load(name).title for name in SHOWN_FIRST]
    assert all(len(walk.points) == 1 for walk in walks(learn).values())


def test_a_step_moves_every_method_and_reset_takes_it_back(learn):
    app = press(learn, "Step")
    assert {len(walk.points) for walk in walks(app).values()} == {6}
    assert any("5 steps taken" in caption.value for caption in app.caption)
    app = press(app, "Reset")
    assert {len(walk.points) for walk in walks(app).values()} == {1}


def test_the_start_is_typed(learn):
    app = press(learn, "Step")
    app.number_input(key="plane.start.0").set_value(3.25).run()
    app.number_input(key="plane.start.1").set_value(-2.0).run()
    assert {walk.points[0] for walk in walks(app).values()} == {(3.25, -2.0)}
    assert {len(walk.points) for walk in walks(app).values()} == {1}


def test_a_method_that_is_added_has_taken_as_many_steps(learn):
    app = press(learn, "Step")
    other = next(name for name in BALANCERS if name not in SHOWN_FIRST)
    app.multiselect(key="plane.methods").set_value([SHOWN_FIRST[1], other]).run()
    assert {name: len(walk.points) for name, walk in walks(app).items()} == {SHOWN_FIRST[1]: 6, other: 6}


@pytest.mark.parametrize("name", list(LANDSCAPES))
def test_each_landscape_and_each_of_its_options(learn, name):
    app = learn
    app.session_state["plane.landscape"] = name
    app.run()
    assert not app.exception
    assert {type(walk.landscape) for walk in walks(app).values()} == {LANDSCAPES.load(name)}
    for field in LANDSCAPES.load(name).Options.model_fields:
        option = f"plane.option.{field}"
        is_logarithmic = any(slider.key == option for slider in app.select_slider)
        slider = app.select_slider(key=option) if is_logarithmic else app.slider(key=option)
        largest = float(slider.options[-1]) if is_logarithmic else slider.max
        slider.set_value(largest).run()
        assert not app.exception
        assert getattr(next(iter(walks(app).values())).landscape.options, field) == largest
        bounds = (float(slider.options[0]), largest) if is_logarithmic else (slider.min, largest)
        assert is_logarithmic == (bounds[0] > 0 and bounds[1] / bounds[0] >= 100)


def test_steps_of_a_logarithmic_slider():
    assert logarithmic(0.01, 10, 0.3) == [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10]
    assert logarithmic(0.03, 4, 1) == [0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 4]


def test_a_change_that_takes_the_methods_back_says_so_and_a_landscape_keeps_its_values(learn):
    said = "A setting was changed, so the methods are back at the start."

    def captions(app):
        return [caption.value for caption in app.caption]

    app = press(learn, "Step")
    app.select_slider(key="plane.option.first_scale").set_value(5.0).run()
    assert said in captions(app)
    app = press(app, "Step")
    assert said not in captions(app)
    app = press(press(app, "Step"), "Reset")
    assert said not in captions(app)
    for name in ("two_bowls", "cagrad_toy"):
        app.session_state["plane.landscape"] = name
        app.run()
    assert app.select_slider(key="plane.option.first_scale").value == 5.0


def test_no_method_is_no_fault(learn):
    learn.multiselect(key="plane.methods").set_value([]).run()
    assert not learn.exception
    assert next(button for button in learn.button if button.label == "Step").disabled


def test_gradients_by_hand_say_what_each_method_does(learn):
    assert "They conflict" in " ".join(element.value for element in learn.markdown)
    rows = table(learn, 1)
    assert list(rows["method"]) == [BALANCERS.load(name).title for name in SHOWN_FIRST]
    said = rows.set_index("method")[["task 1", "task 2"]]
    assert list(said.loc[BALANCERS.load(SHOWN_FIRST[0]).title]) == ["falls", "rises"]  # the plain sum
    for name in SHOWN_FIRST:
        if BALANCERS.load(name).promises("no_conflict", BALANCERS.load(name).Options()):
            assert "rises" not in set(said.loc[BALANCERS.load(name).title]), name
    learn.session_state["by_hand.tasks"] = 3
    learn.run()
    assert "task 3" in table(learn, 1)


@pytest.mark.parametrize("given", [None, [], [[1, 2]], [[float("nan"), 2], [99, -99]], [[0, 0], [1, 1]], "gradients"])
def test_what_the_browser_sends_is_bounded(monkeypatch, given):
    monkeypatch.setattr(gradient_plotter.st, "session_state", {f"{gradient_plotter._KEY} 2": {"gradients": given}})
    found = gradient_plotter._gradients(2)
    assert found.shape == (2, 2)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= gradient_plotter.SIDE
    assert np.linalg.norm(found, axis=1).min() >= gradient_plotter.SMALLEST - 1e-9
