"""What is visible of a training run without scrolling, and what stays in view when its page is scrolled."""

from __future__ import annotations

import pytest

from mtl_core.presets import get_preset
from mtl_core.runs import actions
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store
from tests.browser.accessibility import check_accessibility
from tests.browser.one_tab import go
from tests.browser.persistence import PATIENCE, wait_for_stillness, wait_until

pytestmark = pytest.mark.browser

LOOKED_AT = ".st-key-state, .st-key-steering, .st-key-steering .share, .live-plot, .st-key-below_tasks img"
BOX = "key => { const box = document.querySelector(`.st-key-${key}`).getBoundingClientRect(); return [box.top, box.bottom]; }"
CHARTS = """task => [...document.querySelectorAll(`.st-key-panel_${task} .live-plot`)].map(
    plot => { const box = plot.getBoundingClientRect(); return [box.top, box.bottom]; })"""
SHARES = "[...document.querySelectorAll('.st-key-steering .share')].map(share => share.getBoundingClientRect().bottom)"
# A task's name, however long, and the value above its slider's thumb, wherever that stands: how far the name's lower edge is below the value's upper.
NAMED = """() => [...document.querySelectorAll('.st-key-steering .steer-name')].map(name => {
    const value = name.closest('[data-testid=stVerticalBlock]').querySelector('[data-testid=stSliderThumbValue]');
    return name.getBoundingClientRect().bottom - value.getBoundingClientRect().top; })"""
COVERED = """() => { const steering = document.querySelector('.st-key-steering'), box = steering.getBoundingClientRect();
    const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return [box.top, box.bottom, !!there.closest('.st-key-steering'), getComputedStyle(steering).backgroundColor]; }"""


@pytest.fixture
def live(page, server):
    """A run of four tasks that has measured everything once, paused, so that what is measured stands still."""
    store = open_store(server.home)
    short = ["name=on one screen", "epochs=500", "data.train_size=64", "data.val_size=16", "conflict_every=1"]
    run = store.create(get_preset("digit-scenes").config.with_overrides(short))
    go(page, f"{server.url}/run?run={run.id}", is_live=True)
    page.wait_for_function("document.querySelectorAll('.st-key-steering .share').length === 4", timeout=PATIENCE)
    page.wait_for_function("document.querySelector('.st-key-below_tasks img')", timeout=PATIENCE)
    actions.pause(store, run.id)
    page.get_by_role("button", name="Resume", exact=True).wait_for(timeout=PATIENCE)
    yield store.get(run.id)
    actions.stop(store, run.id)
    wait_until(page, lambda: store.get(run.id).status == RunStatus.STOPPED)


def test_state_steering_metrics_and_gradient_shares_are_on_one_screen(page, live):
    assert len(live.info["tasks"]) == 4
    page.set_viewport_size({"width": 1280, "height": 900})
    wait_for_stillness(page, LOOKED_AT)
    state, steering = page.evaluate(BOX, "state"), page.evaluate(BOX, "steering")
    assert 0 <= state[0] < state[1] <= steering[0] < steering[1]
    assert max(page.evaluate(SHARES)) <= steering[1]
    overlaps = page.evaluate(NAMED)
    assert len(overlaps) == 4
    assert max(overlaps) <= 1  # pixel
    for task in live.info["tasks"]:
        charts = page.evaluate(CHARTS, task)
        assert len(charts) == 2
        assert all(steering[1] <= top < bottom <= 900 for top, bottom in charts), task

    page.set_viewport_size({"width": 1920, "height": 1080})
    wait_for_stillness(page, LOOKED_AT)
    assert len({page.evaluate(BOX, f"panel_{task}")[0] for task in live.info["tasks"]}) == 1  # beside each other
    assert page.locator(".st-key-conflict .live-plot").first.bounding_box()["y"] + 150 <= 1080
    sheet = page.locator(".st-key-below_tasks img").first.bounding_box()
    assert sheet["y"] + sheet["height"] <= 1080

    page.mouse.move(900, 900)
    page.mouse.wheel(0, 600)
    page.wait_for_function("document.querySelector('.st-key-task_rows').getBoundingClientRect().top < 0")
    wait_for_stillness(page, LOOKED_AT)
    top, bottom, is_on_top, background = page.evaluate(COVERED)
    assert 0 < top < bottom < 1080
    assert is_on_top
    assert background in ("rgb(255, 255, 255)", "rgb(16, 21, 28)")
    check_accessibility(page)
