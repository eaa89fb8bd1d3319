"""A browser may report a widget that nobody has changed, or one of a form that has been replaced: neither changes a setting."""

import copy
import json

import pytest
import streamlit as st

from mtl_core.errors import DataError
from mtl_core.presets import load_presets
from tests.pages.conftest import FOLDED, choose_preset
from ui.shell import state
from ui.train import form_autosave

PRESETS = [preset.name for preset in load_presets()]
QUICK = "digits-quick"


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    def refuse(*_):
        raise DataError("no pictures in this test")

    monkeypatch.setattr("ui.train.sample_preview.prepare", refuse)


def choose(app, preset):
    if app.session_state["settings_preset"] != preset:
        choose_preset(app, preset)


def test_a_report_of_what_is_shown_changes_no_setting(open_page, report_all):
    app, changed = open_page(unfolded=FOLDED), []
    for preset in PRESETS:  # one form for all: each is chosen after the report of the one before
        choose(app, preset)
        before = copy.deepcopy(app.session_state["settings"])
        report_all(app)
        changed += [preset] * (app.session_state["settings"] != before)
        assert app.session_state["settings_preset"] == preset
    assert changed == []


LAST_OF_GROUP = list({preset.group: preset.name for preset in load_presets()}.values())  # the presets of a group have much the same widgets


@pytest.mark.parametrize("chosen", LAST_OF_GROUP)
def test_reports_of_the_form_before_change_no_setting(open_page, report_all, chosen):
    app = open_page(unfolded=FOLDED)
    late = app._tree.get_widget_states()
    choose(app, chosen)
    known = copy.deepcopy(app.session_state["settings"])
    report_all(app, late)
    assert app.session_state["settings"] == known
    assert known == {**load_presets()[PRESETS.index(chosen)].config.to_dict(), "name": ""}


def test_a_change_and_the_choice_of_a_part_that_arrive_together_both_count(open_page):
    app = open_page(unfolded=FOLDED)
    choose(app, QUICK)
    app.number_input(key="set.epochs").set_value(9)
    app.selectbox(key="set.backbone.name.titled").set_value("mlp").run()
    assert app.session_state["settings"]["epochs"] == 9
    assert app.session_state["settings"]["backbone"]["name"] == "mlp"


def without(states, *keys):
    """These widget states but for the widgets that the viewer has just used."""
    return type(states)(widgets=[state for state in states.widgets if not state.id.endswith(keys)])


def test_a_browser_that_still_shows_the_preset_as_lit_does_not_choose_it_again(open_page, report_all):
    app = open_page(unfolded=FOLDED)
    late = without(app._tree.get_widget_states(), "set.batch_size")
    app.number_input(key="set.batch_size").set_value(20).run()
    report_all(app, late, stale=True)
    assert app.session_state["settings"]["batch_size"] == 20


def test_a_browser_that_still_shows_the_tasks_of_another_data_set_changes_none(open_page, report_all):
    app = open_page(unfolded=FOLDED)
    choose(app, "mnist-tasks")
    app.checkbox(key="task.slant").uncheck()
    app.number_input(key="set.tasks.digit.loss_weight").set_value(3.0)
    app.selectbox(key="set.data.preprocessing.denoise.name.titled").set_value("median").run()
    late = without(app._tree.get_widget_states(), "set.data.name.titled@1")
    app.selectbox(key="set.data.name.titled").set_value("digits").run()
    known = copy.deepcopy(app.session_state["settings"])
    assert known["tasks"] == {name: {"loss_weight": 1.0} for name in ("digit", "slant", "ink")}
    report_all(app, late, stale=True)
    assert app.session_state["settings"] == known


def test_an_older_draft_that_arrives_with_the_first_change_does_not_undo_it(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    draft = json.dumps({"settings": {**copy.deepcopy(state.settings()), "epochs": 7}, "preset": state.preset_name()})
    st.session_state["draft"] = {"found": draft}
    state.write(("epochs",), 5)  # typed before the browser has told of the draft
    form_autosave._restore_draft()
    assert state.settings()["epochs"] == 5
    state.write(("epochs",), load_presets()[0].config.epochs)
    form_autosave._restore_draft()
    assert state.settings()["epochs"] == 7
