"""A browser may report a widget that nobody has changed, or one of a form that has been replaced: neither changes a setting."""

import copy

import pytest

from mtl_core.errors import DataError
from mtl_core.presets import load_presets
from tests.pages.conftest import choose_preset

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
    app, changed = open_page(), []
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
    app = open_page()
    late = app._tree.get_widget_states()
    choose(app, chosen)
    known = copy.deepcopy(app.session_state["settings"])
    report_all(app, late)
    assert app.session_state["settings"] == known
    assert known == {**load_presets()[PRESETS.index(chosen)].config.to_dict(), "name": ""}


def test_a_change_and_the_choice_of_a_part_that_arrive_together_both_count(open_page):
    app = open_page()
    choose(app, QUICK)
    app.number_input(key="set.epochs").set_value(9)
    app.selectbox(key="set.backbone.name.titled").set_value("mlp").run()
    assert app.session_state["settings"]["epochs"] == 9
    assert app.session_state["settings"]["backbone"]["name"] == "mlp"
