"""Panels of a run's page are ordered, pinned and sized; the store keeps it for the next session."""

from mtl_core.errors import StoreError
from ui.run.panel_layout import SETTING, from_text


def charts(app):
    """Charts from top to bottom."""
    return [element.proto.id.rpartition("-chart.")[2] for element in app.get("bidi_component") if "chart." in element.proto.id]


def choose(app, panel):
    app.radio(key="panels.chosen").set_value(panel).run()


def move(app, label):
    next(button for button in app.button if button.label == label).click().run()


def test_a_task_moves_and_the_next_session_finds_it_there(open_page, store, finished):
    app = open_page("run", run=finished.id)
    assert charts(app)[:4] == ["digit.accuracy.row", "digit.loss.row", "slant.mae.row", "slant.loss.row"]
    assert [button.disabled for button in app.button if button.label in ("Earlier", "Later")] == [True, False]
    move(app, "Later")
    assert charts(app)[:4] == ["slant.mae.row", "slant.loss.row", "digit.accuracy.row", "digit.loss.row"]
    assert from_text(store.settings()[SETTING]).order[:2] == ("task:slant", "task:digit")
    again = open_page("run", run=finished.id)
    assert charts(again) == charts(app)
    again.segmented_control(key="view.size").set_value("large").run()
    assert charts(again)[:4] == ["slant.loss", "slant.mae", "digit.loss", "digit.accuracy"], "the large view has the same order"
    move(again, "Reset all panels")
    assert charts(again)[:2] == ["digit.loss", "digit.accuracy"]


def test_a_pinned_panel_stands_above_the_tasks(open_page, finished):
    app = open_page("run", run=finished.id)
    assert charts(app)[-2:] == ["loss_weights", "lr"]
    choose(app, "training")
    app.toggle(key="panels.pin.training").set_value(True).run()
    assert charts(app)[:3] == ["loss_weights", "lr", "digit.accuracy.row"]
    app.toggle(key="panels.pin.training").set_value(False).run()
    assert charts(app)[-2:] == ["loss_weights", "lr"]


def test_width_and_height_are_the_chosen_panels_own(open_page, store, finished):
    app = open_page("run", run=finished.id)
    choose(app, "training")
    app.segmented_control(key="panels.width.training").set_value("half").run()
    app.segmented_control(key="panels.height.training").set_value("2").run()
    layout = from_text(store.settings()[SETTING])
    assert (layout.widths, layout.heights) == ({"training": "half"}, {"training": "2"})
    choose(app, "predictions")
    assert app.segmented_control(key="panels.width.predictions").value == "auto"
    assert app.segmented_control(key="panels.height.predictions").value == "1"
    assert not app.exception


def test_a_store_that_cannot_be_written_keeps_it_for_the_session_and_says_so(open_page, store, finished, texts, monkeypatch):
    def refuses(self, key, value):
        raise StoreError("the store is read-only")

    monkeypatch.setattr("mtl_core.runs.store.RunStore.set", refuses)
    app = open_page("run", run=finished.id)
    move(app, "Later")
    assert charts(app)[:2] == ["slant.mae.row", "slant.loss.row"]
    assert "Kept until this page is closed: the store is read\\-only" in texts(app)
