"""A page that is drawn anew does not fade while the new one is on its way."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

pytestmark = pytest.mark.browser

FADED = """() => [...document.querySelectorAll("[data-stale=true], .stExpander summary")]
  .filter((each) => getComputedStyle(each).opacity !== "1").map((each) => each.textContent)"""


class HeldBack:
    """The connection of a page. After ``begin`` it lets the server say that it draws the page anew, and holds what it has drawn until ``end``."""

    def __init__(self, page):
        self.is_held, self.kept = False, []
        page.route_web_socket("**/_stcore/stream", self._connect)

    def _connect(self, browser):
        self.browser = browser
        browser.connect_to_server().on_message(self._pass_on)

    def _pass_on(self, message):
        if self.is_held and (self.kept or ForwardMsg.FromString(message).WhichOneof("type") not in ("new_session", "session_status_changed")):
            self.kept.append(message)
        else:
            self.browser.send(message)

    def begin(self):
        self.is_held = True

    def end(self):
        self.is_held = False
        for message in self.kept:
            self.browser.send(message)


def test_nothing_fades_while_a_page_is_drawn_anew(new_tab, server):
    page, connection = new_tab, HeldBack(new_tab)
    page.goto(f"{server.url}/train")
    head = page.locator(".stExpander summary").first
    expect(head).to_be_visible()
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
    connection.begin()
    box = page.get_by_role("spinbutton", name="Epochs")
    box.fill("4")
    box.press("Enter")
    page.locator("[data-stale=true]").first.wait_for(state="attached")
    page.add_style_tag(content="* {transition: none !important}")  # a fade that has begun is seen at its end
    assert page.evaluate(FADED) == []
    connection.end()
    expect(page.locator("[data-stale=true]")).to_have_count(0)
