"""Presets on the Train page: which is lit, what a click brings back, and what another one replaces."""

import pytest

from mtl_core.presets import load_presets
from tests.pages.conftest import choose_preset, lit_preset
from ui.shell.words import plain

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_a_presets_time_is_shown_only_for_its_own_settings(open_page, texts):
    preset = load_presets()[0]
    app = open_page()
    assert preset.measured in texts(app)
    app.number_input(key="set.seed").set_value(5).run()
    assert preset.measured in texts(app)
    app.number_input(key="set.epochs").set_value(3000).run()
    assert preset.measured not in texts(app)
    assert preset.shows not in texts(app)
    assert "do not apply" in texts(app)
    app.button(key="reset").click().run()
    assert preset.measured in texts(app)


def test_another_preset_replaces_all_settings(open_page):
    app = open_page()
    app.number_input(key="set.epochs").set_value(7).run()
    other = load_presets()[1]
    choose_preset(app, other.name)
    assert app.session_state["settings"] == other.config.to_dict() | {"name": ""}
    assert app.number_input(key="set.epochs").value == other.config.epochs


def test_looking_at_another_group_of_presets_changes_nothing(open_page, texts):
    app = open_page()
    before, first = dict(app.session_state["settings"]), load_presets()[0]
    [shown] = app.button_group(key=f"preset.{first.group}").options[:1]
    assert shown == first.title
    other = next(preset for preset in load_presets() if preset.group != first.group)
    app.button_group(key="preset_group").set_value(other.group).run()
    titles = [preset.title for preset in load_presets() if preset.group == other.group]
    assert app.button_group(key=f"preset.{other.group}").options == titles
    assert lit_preset(app) is None
    assert f"**{plain(first.title)}.**" in texts(app)  # the text below the buttons is of the preset that holds
    assert app.session_state["settings"] == before
    choose_preset(app, other.name)
    assert lit_preset(app) == other.name
    assert app.session_state["settings"] == other.config.to_dict() | {"name": ""}


def test_a_preset_is_lit_only_while_it_applies_and_a_click_brings_it_back(open_page):
    app = open_page()
    assert lit_preset(app)
    app.number_input(key="set.seed").set_value(5).run()
    assert lit_preset(app)  # another seed is the same experiment
    app.number_input(key="set.epochs").set_value(7).run()
    assert not lit_preset(app)
    choose_preset(app, load_presets()[0].name)
    assert app.number_input(key="set.epochs").value == load_presets()[0].config.epochs
    assert lit_preset(app)
    settings = app.session_state["settings"]
    app.session_state["settings"] = {**settings, "data": {**settings["data"], "name": "digits"}}
    app.run()
    assert not lit_preset(app)  # other images are another experiment
    choose_preset(app, load_presets()[0].name)
    assert app.session_state["settings"]["data"]["name"] == settings["data"]["name"]
