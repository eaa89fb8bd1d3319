"""The drawing of the network on the Train page and on a run's page."""

import threading

import pytest

from mtl_core.errors import DataError
from mtl_core.presets import load_presets
from mtl_core.runs.process_singletons import process_slot
from tests.pages.conftest import choose_preset
from ui.drawing import network_panel


@pytest.fixture(autouse=True)
def drawn_and_forgotten(monkeypatch):
    """No pictures are prepared, and a drawing is waited for."""

    def refuse(*_):
        raise DataError("no pictures in this test")

    monkeypatch.setattr("ui.train.sample_preview.prepare", refuse)
    monkeypatch.setattr(network_panel, "PATIENCE", 60)
    yield
    process_slot("jobs: network-drawing").clear()


def drawing(app):
    return next((element.proto.body for element in app.get("html") if 'class="network"' in element.proto.body), "")


def quick(app):
    [preset] = [preset for preset in load_presets() if preset.title.startswith("Quick")]
    choose_preset(app, preset.name)
    return app


def test_the_drawing_follows_the_form(open_page):
    app = quick(open_page(unfolded=["advanced"]))
    plain = drawing(app)
    assert "data:image/svg+xml;base64," in plain
    assert "head of ink" in plain
    assert "expert 1" not in plain
    app.selectbox(key="set.sharing.name.titled").set_value("mmoe").run()
    assert not app.exception
    assert "expert 1" in drawing(app)
    before = set(process_slot("jobs: network-drawing"))
    app.number_input(key="set.epochs").set_value(4).run()
    assert set(process_slot("jobs: network-drawing")) == before


def test_a_run_shows_its_network(open_page, finished):
    app = open_page("run", tabs=["Network"], run=finished.id)
    assert "head of slant" in drawing(app)


def test_a_page_does_not_wait_for_a_slow_drawing(open_page, finished, monkeypatch, texts):
    over = threading.Event()
    monkeypatch.setattr(network_panel, "PATIENCE", 0)
    monkeypatch.setattr(network_panel, "_parts", lambda config: over.wait(60) and [])
    app = open_page("run", tabs=["Network"], run=finished.id)
    assert "Measuring the network" in texts(app)
    over.set()


def test_a_network_that_cannot_be_built_has_a_sentence(open_page, make_run, texts):
    app = open_page("run", tabs=["Network"], run=make_run(backbone={"name": "not_here"}).id)
    assert not app.exception
    assert "No drawing: " in texts(app)
