"""The browser's connection is cut while a run trains, its page is reloaded, and a second tab is opened. It stays one run."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from mtl_core.config import RunConfig
from mtl_core.runs import actions
from mtl_core.runs.store import open_store
from tests.browser.persistence import wait_until

pytestmark = pytest.mark.browser

CONFIG = {
    "name": "cut off",
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "batch_size": 32,
    "epochs": 80,  # minutes; a page of a run of more than ten is refreshed seldom
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
    "keep_checkpoints": 0,
    "update": {"name": "unhurried", "rest": 0.05},
}
# Keeps hold of the page's connections, so that they can be cut.
SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket { constructor(...given) { super(...given); window.sockets.push(this); } };
"""
# Without a network a closed connection waits up to a minute for the server's answer. One that breaks ends at once, as this event says.
CUT = """() => window.sockets.forEach(socket => {
  socket.close();
  socket.dispatchEvent(new CloseEvent("close", { code: 1006, wasClean: false }));
})"""
EPOCH = 40  # steps


@pytest.fixture
def offline(new_tab):
    """``offline(True)`` cuts the window off from the network; at the end of the test it is back."""
    yield new_tab.context.set_offline
    new_tab.context.set_offline(False)


def test_a_cut_connection_a_reload_and_a_second_tab_change_nothing(new_tab, server, offline):
    page, store = new_tab, open_store(server.home)
    page.add_init_script(SOCKETS)
    run_id = store.create(RunConfig.from_dict(CONFIG)).id
    before = len(store.runs())
    page.goto(f"{server.url}/run?run={run_id}")
    expect(page.get_by_role("heading", name="cut off")).to_be_visible()
    assert wait_until(page, lambda: store.get(run_id).epoch >= 1)
    page.reload()
    second = page.context.new_page()
    second.goto(page.url)
    for tab in (page, second):
        expect(tab.get_by_role("heading", name="cut off")).to_be_visible()
        expect(tab.get_by_text(re.compile("running$")).first).to_be_visible()

    page.locator(".st-key-silent_server").wait_for(state="attached")  # the end of the page: the words for a silent server have come
    offline(True)
    page.evaluate(CUT)
    step = store.get(run_id).step
    assert wait_until(page, lambda: store.get(run_id).step > step + 2 * EPOCH)  # it goes on with nobody watching
    actions.stop(store, run_id)
    assert wait_until(page, lambda: store.get(run_id).status == "stopped")
    expect(page.get_by_text(re.compile("running$")).first).to_be_visible()  # the page knows nothing yet
    expect(page.get_by_role("dialog").get_by_text("The server does not answer")).to_be_visible()
    offline(False)
    for tab in (page, second):
        expect(tab.get_by_text(re.compile("stopped$")).first).to_be_visible()
    assert len(store.runs()) == before
    assert len([line for line in store.log(run_id) if line.text.startswith("training starts on")]) == 1


BEGUN = """shown => document.querySelectorAll("[data-testid=stMain] [data-testid=stVerticalBlock]").length >= shown"""


@pytest.mark.parametrize("shown", [2, 5, 9])
def test_a_page_that_is_cut_off_while_it_is_drawn_is_drawn_to_its_end(shown, new_tab, server, queue):
    """What was sent is lost from some part of the page on, and the rest waits for the browser (``broken_connection.py``)."""
    page = new_tab
    page.add_init_script(SOCKETS)
    run_id = queue.create(RunConfig.from_dict(CONFIG)).id
    page.goto(f"{server.url}/run?run={run_id}")
    assert wait_until(page, lambda: queue.get(run_id).epoch >= 1)
    page.reload()
    page.wait_for_function(BEGUN, arg=shown)
    page.evaluate(CUT)
    expect(page.get_by_text(re.compile("running$")).first).to_be_visible()
    page.locator(".st-key-silent_server").wait_for(state="attached")
    actions.stop(queue, run_id)
    expect(page.get_by_text(re.compile("stopped$")).first).to_be_visible()
