"""The folded sections of the Train form: what is in one is drawn while it is open."""

from __future__ import annotations

import pytest

from tests.pages.conftest import FOLDED, choose_preset

FIELD = "set.optimizer.weight_decay"


def has(app, key):
    return key in [field.key for field in app.number_input]


def fold(app, section, is_open):
    """What Streamlit does when a viewer folds or unfolds a section: it takes the value and calls back. AppTest has no click for it."""
    app.session_state[f"{section}.open"] = is_open
    return app.run()


def test_a_folded_section_is_not_drawn_and_its_settings_outlive_it(open_page):
    app = open_page()
    assert not has(app, FIELD)
    fold(app, "advanced", True)
    app.number_input(key=FIELD).set_value(0.25).run()
    fold(app, "advanced", False)
    assert not has(app, FIELD)
    assert app.session_state["settings"]["optimizer"]["weight_decay"] == 0.25
    fold(app, "advanced", True)
    assert app.number_input(key=FIELD).value == 0.25


def test_what_is_not_drawn_is_trained_all_the_same(open_page, store):
    app = open_page(unfolded=["advanced"])
    choose_preset(app, "digits-quick")
    app.number_input(key=FIELD).set_value(0.25).run()
    fold(app, "advanced", False).button(key="train").click().run()
    assert store.runs()[0].config.optimizer.model_dump()["weight_decay"] == 0.25


def test_a_mistake_in_a_folded_section_is_named_beside_the_form(open_page):
    app = open_page(unfolded=["advanced"])
    app.number_input(key=FIELD).set_value(-1.0).run()
    fold(app, "advanced", False)
    assert any("weight_decay" in error.value.replace("\\", "") for error in app.error)
    assert app.button(key="train").disabled


def test_self_supervised_tasks_are_open_where_one_is_chosen(open_page):
    app = open_page()
    assert "task.rotation" not in [box.key for box in app.checkbox]
    app.session_state["settings"]["tasks"]["rotation"] = {"loss_weight": 1.0}
    assert "task.rotation" in [box.key for box in app.run().checkbox]
    assert any(caption.value == "Trained: rotation" for caption in app.caption)
    app.checkbox(key="task.rotation").uncheck().run()
    assert "task.rotation" in [box.key for box in app.checkbox]  # the section stays open
    fold(app, "made", False)  # the viewer's choice counts
    assert "task.rotation" not in [box.key for box in app.checkbox]


@pytest.mark.parametrize("unfolded", [(), FOLDED])
def test_every_section_is_open_or_none(open_page, unfolded):
    """``FOLDED`` names every section, so that tests of all fields open all of them."""
    app = open_page(unfolded=unfolded)
    always = {"Use settings from YAML", "Race several methods", "The network, and who reads what"}
    assert {bool(section.children) for section in app.expander if section.label not in always} == {bool(unfolded)}


def test_a_task_that_is_removed_no_longer_chooses_the_best_checkpoint(open_page, store):
    """The field that names it is in a folded section."""
    app = open_page()
    choose_preset(app, "digits-quick")
    first, second, *_ = app.session_state["settings"]["tasks"]
    app.session_state["settings"]["select_by"] = [first, second]
    app.checkbox(key=f"task.{first}").uncheck().run()
    assert not app.error
    app.button(key="train").click().run()
    assert store.runs()[0].config.select_by == [second]


def test_titles_of_strategies_stand_once_and_every_field_is_named(open_page, texts):
    app = open_page(unfolded=["strategies"])
    tasks = list(app.session_state["settings"]["tasks"])
    assert [texts(app).splitlines().count(title) for title in ("Own optimizer", "Frozen", "From epoch", "Through epoch")] == [1] * 4
    shown = [field for field in (*app.toggle, *app.number_input) if field.key.endswith(("start_epoch", "stop_epoch", "frozen", *tasks))]
    named = {name for task in tasks for name in (f"Own optimizer of {task}", f"{task} is frozen", f"From epoch, {task}", f"Through epoch, {task}")}
    assert {field.label for field in shown} == named
    assert {field.proto.label_visibility.value for field in shown} == {2}  # read aloud, not drawn
