"""The journey everything else stands on: open, press Train, watch, reload, see the end."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from mtl_core.presets import get_preset
from mtl_core.runs.artifacts import probe_epochs, read_probes
from mtl_core.runs.store import open_store
from tests.browser.accessibility import check_accessibility

pytestmark = pytest.mark.browser

TASKS = ("present", "count", "boxes", "segments")
EPOCHS = 1  # of the preset's 8: benchmarks.outcomes.reached says what all of them reach
PATIENCE = 600_000  # milliseconds; a bound for slow machines, not a claim
POINTS = "() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => Math.max(0, ...(plot.calcdata || []).map(trace => trace.length)))"

DRAWN = "() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => (plot.calcdata || []).map(line => line.map(({x, y}) => [x, y])))"

KEPT = "epochs => JSON.parse(sessionStorage.train_form ?? '{}').settings?.epochs === epochs"


def press_train(page: Page, url: str, epochs: int) -> str:
    """Open the dashboard, press Train once the sample is there, and give back the run's id. ``epochs``: in place of the preset's."""
    page.goto(url)
    page.get_by_alt_text("One sample with its targets").wait_for(timeout=PATIENCE)  # thousands of scenes are composed first
    field = page.get_by_role("spinbutton", name="Epochs")
    field.fill(str(epochs))
    field.press("Enter")
    page.wait_for_function(KEPT, arg=epochs)
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/run?run=*")
    return page.url.split("run=")[1].split("&")[0]


def wait_for_curves(page: Page, charts: int) -> None:
    """At least so many charts with two points or more."""
    page.wait_for_function(f"count => ({POINTS})().filter(points => points >= 2).length >= count", arg=charts, timeout=PATIENCE)


def test_train_watch_reload_finish(new_tab, server):
    page, store = new_tab, open_store(server.home)
    before = len(store.runs())
    run_id = press_train(page, server.url, EPOCHS)
    for task in TASKS:
        expect(page.locator(f".st-key-panel_{task}")).to_be_visible(timeout=PATIENCE)
    wait_for_curves(page, charts=len(TASKS))
    page.wait_for_selector("img[alt^='Targets and predictions of segments']", timeout=PATIENCE)

    page.reload()
    wait_for_curves(page, charts=len(TASKS))
    assert len(store.runs()) == before + 1  # a reload starts nothing
    assert run_id in page.url

    expect(page.get_by_role("heading", name="On the test images")).to_have_count(1, timeout=PATIENCE)
    check_accessibility(page)
    drawn = [np.array(curve) for curve in page.evaluate(DRAWN)]  # on the page that was watched to the end, not opened anew
    stored = store.scalars(run_id).drop_duplicates(["step", "key"], keep="last").set_index("step")
    for task in TASKS:
        losses = stored[stored["key"] == f"train/{task}/loss"]["value"]
        assert len(losses) > 50
        assert any(len(curve) == len(losses) and np.allclose(curve, list(losses.items())) for curve in drawn), task
    run = store.get(run_id)
    assert str(run.status) == "finished"
    asked = get_preset("digit-scenes").config.model_copy(update={"name": "", "epochs": EPOCHS})  # the run is named by its settings
    assert run.config == asked  # nothing on the page changed another setting by itself
    summary = store.summary(run_id)
    assert summary["test/segments/miou"]["last"] > 0.1  # each better than chance: 0.08, 0, 0.2 and 0.67
    assert summary["test/boxes/map"]["last"] > 0.02
    assert summary["test/present/map"]["last"] > 0.22
    assert summary["test/count/mae"]["last"] < 0.4
    folder = store.folder(run_id)
    assert probe_epochs(folder) == list(range(run.epochs + 1))
    assert (read_probes(folder, 0)["segments"] != read_probes(folder, run.epochs)["segments"]).any()


def choose_seven_epochs(page: Page, url: str) -> Locator:
    """Open the form with the preset of 30 epochs, and set 7. Gives the field of the epochs."""
    page.goto(url)
    page.get_by_role("radio", name="Quick: 1,797 digits, 3 tasks").or_(page.get_by_role("button", name="Quick: 1,797 digits, 3 tasks")).click()
    epochs = page.get_by_role("spinbutton", name="Epochs")
    expect(epochs).to_have_value("30")
    epochs.fill("7")
    epochs.press("Enter")
    page.wait_for_function(KEPT, arg=7)
    return epochs


def test_a_reload_leaves_the_form_as_it_was(new_tab, server):
    """After the journey above: the scenes are composed and PyTorch is loaded, so the form is not drawn anew for them."""
    page = new_tab
    epochs = choose_seven_epochs(page, server.url)
    page.reload()
    expect(epochs).to_have_value("7")
    expect(page.get_by_placeholder("7 epochs · Quick: 1,797 digits, 3 tasks")).to_be_visible()
    page.get_by_role("button", name="Back to the preset").click()
    page.wait_for_function(KEPT, arg=30)
    page.reload()
    expect(page.get_by_placeholder("Quick: 1,797 digits, 3 tasks", exact=True)).to_be_visible()
    expect(epochs).to_have_value("30")
    page.set_viewport_size({"width": 1280, "height": 700})
    page.get_by_text("Use settings from YAML").scroll_into_view_if_needed()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_in_viewport()  # it comes along
    check_accessibility(page)
    other = page.context.new_page()  # a tab of its own begins anew
    other.goto(server.url)
    expect(other.get_by_placeholder("Digit scenes: 4 tasks", exact=True)).to_be_visible()
    other.close()


def test_the_form_survives_a_reload_of_another_page(new_tab, server):
    """Studies starts from the form and Data changes it: after a reload of theirs, both have the draft of this tab, and Train finds it."""
    page = new_tab
    epochs = choose_seven_epochs(page, server.url)
    page.get_by_role("link", name="Studies").click()
    expect(page.get_by_label("Title")).to_be_visible()
    page.reload()
    expect(page.get_by_placeholder("Quick: 1,797 digits, 3 tasks", exact=True)).to_be_visible()  # of the title, from the form's tasks
    page.get_by_role("link", name="Train").click()
    expect(epochs).to_have_value("7")
    page.get_by_role("link", name="Data").click()
    page.get_by_role("radio", name="Preprocessing").or_(page.get_by_role("button", name="Preprocessing")).click()
    change = page.get_by_role("button", name="Train with these steps")
    expect(change).to_be_visible(timeout=PATIENCE)
    page.reload()
    expect(change).to_be_enabled()
    page.get_by_role("combobox", name="Denoise").click()
    page.get_by_role("option", name="Median").click()
    expect(page.get_by_role("combobox", name="Denoise")).to_have_value("Median")
    change.click()
    expect(epochs).to_have_value("7")
    assert page.evaluate("JSON.parse(sessionStorage.train_form).settings.epochs") == 7
