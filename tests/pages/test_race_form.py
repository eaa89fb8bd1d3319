"""The Train page's section that queues a race."""

import pytest
import streamlit as st

from mtl_core.balancing import RACED_AT_FIRST
from mtl_core.config_sections import PartConfig
from mtl_core.errors import DataError, Problem
from mtl_core.events import RunEnded
from mtl_core.presets import load_presets
from mtl_core.runs import method_race
from mtl_core.runs.sql.clock import store_time
from ui.shell import words


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Composing thousands of scenes is not what is tested here."""

    def refuse(*_):
        raise DataError("no pictures in this test")

    monkeypatch.setattr("ui.train.sample_preview.prepare", refuse)


def test_one_click_queues_the_usual_methods_and_opens_the_race(open_page, store):
    app = open_page()
    assert app.button(key="race.start").label == "Race 3 methods"
    app.button(key="race.start").click().run()
    assert not app.exception
    runs = method_race.runs_of(store, app.query_params["race"])
    race = app.query_params["race"].replace("-", " ")
    assert [run.name for run in runs] == [f"{method} · {race}" for method in ("Fixed weights", "Uncertainty weighting", "PCGrad")]
    assert {run.subtitle for run in runs} == {load_presets()[0].title}
    assert {run.config.seed for run in runs} == {load_presets()[0].config.seed}
    assert "Race of 3 methods" in app.title[0].value


def test_the_chosen_method_keeps_its_options_and_names_no_other_run(open_page, store):
    app = open_page()
    app.selectbox(key="set.balancing.name.titled").set_value("dwa").run()
    app.number_input(key="set.balancing.temperature").set_value(3.5).run()
    app.multiselect(key="race.methods").set_value(["dwa", "mgda"]).run()
    app.button(key="race.start").click().run()
    runs = method_race.runs_of(store, app.query_params["race"])
    assert [run.config.balancing.model_dump() for run in runs] == [{"name": "dwa", "temperature": 3.5}, {"name": "mgda"}]
    race = app.query_params["race"].replace("-", " ")
    assert [run.name for run in runs] == [f"{method} · {race}" for method in ("Dynamic weight average with temperature 3.5", "MGDA")]


def test_a_second_click_of_the_same_drawing_shows_the_same_race(open_page, store):
    app = open_page("train")
    request = app.session_state["request_id"]
    app.button(key="race.start").click().run()
    started = app.query_params["race"]
    app.switch_page("pages/train.py").run()
    app.session_state["request_id"] = request  # as a browser that repeats its click
    app.run()
    app.button(key="race.start").click().run()
    assert app.query_params["race"] == started
    assert len(store.runs()) == 3


def test_the_estimate_is_a_range_then_the_time_of_own_runs(open_page, texts, store):
    app = open_page()
    assert "(estimate). The first run on this machine measures it." in texts(app)
    app.number_input(key="set.batch_size").set_value(16).run()
    assert "times as long as one run with fixed weights" in texts(app)
    run = store.create(load_presets()[0].config.with_overrides(["batch_size=16"]), columns={"started_at": store_time() - 100})
    store.append(run.id, RunEnded("finished", 4, 1.0, 10.0, 100.0))
    st.cache_data.clear()
    app.run()
    together = 100 * sum(method_race.relative_cost(PartConfig(name=name)) for name in RACED_AT_FIRST)
    assert together > 250
    assert f"One after the other: {words.about(together)} (estimate from runs in this store" in texts(app)


def test_one_method_is_no_race_and_a_wrong_config_none_either(open_page):
    app = open_page()
    app.multiselect(key="race.methods").set_value(["fixed"]).run()
    assert app.button(key="race.start").disabled
    app.multiselect(key="race.methods").set_value(["fixed", "mgda"]).run()
    assert not app.button(key="race.start").disabled
    app.selectbox(key="set.backbone.name.titled").set_value("mlp").run()
    assert app.button(key="race.start").disabled


def test_what_one_method_needs_is_said_and_nothing_is_queued(open_page, store, monkeypatch, texts):
    refused = [Problem("balancing", "not with this")]
    monkeypatch.setattr("mtl_core.training.check.problems", lambda config: refused if config.balancing.name == "pcgrad" else [])
    app = open_page()
    app.button(key="race.start").click().run()
    assert not app.exception
    assert "PCGrad: balancing: not with this" in app.error[0].value
    assert not store.runs()


def test_a_fork_offers_no_race(open_page, finished, keep):
    keep(finished, 1)
    app = open_page("train", fork=finished.id, epoch="1")
    assert "race.start" not in [button.key for button in app.button]
