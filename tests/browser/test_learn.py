"""The Learn page in a browser: a click in the plane, steps, and a gradient moved with the keyboard and the pointer. And a drawing made with keys."""

from __future__ import annotations

import base64
import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.accessibility import check_accessibility
from tests.browser.one_tab import go
from tests.browser.persistence import act_until, wait_until
from ui.predictions import sketch_pad
from ui.shell.styles import CSS

pytestmark = pytest.mark.browser


def test_the_plane_and_the_gradients(page, server):
    go(page, f"{server.url}/learn")
    plane = page.locator(".live-plot").first
    act_until(page, page.get_by_role("tab", name="The plane").click, plane.locator(".main-svg").first.is_visible)
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.get_by_text("5 steps taken")).to_be_visible()
    start = "() => document.querySelector('.live-plot').data.find((trace) => trace.name === 'start').x[0]"
    assert page.evaluate(start) == -8.5
    area, none = plane.locator(".nsewdrag").first, page.get_by_text("0 steps taken", exact=True)
    act_until(page, lambda: area.click(position={"x": 200, "y": 100}), none.is_visible)
    page.wait_for_function(f"({start})() !== -8.5")
    field = page.get_by_role("spinbutton", name="Start, parameter 1")
    assert wait_until(page, lambda: abs(float(field.input_value()) - page.evaluate(start)) < 0.1)  # the field has come to it, too
    clicked = float(field.input_value())
    field.press("ArrowUp")
    page.wait_for_function(f"(clicked) => Math.abs(({start})() - clicked - 0.5) < 0.1", arg=clicked)

    check_accessibility(page)
    first = page.get_by_role("slider", name="Gradient of task 1")
    act_until(page, page.get_by_role("tab", name="Gradients by hand").click, first.is_visible)
    expect(first).to_have_attribute("aria-valuetext", "x 2.50, y 0.50")
    expect(page.get_by_text("They conflict.")).to_be_visible()
    second = page.get_by_role("slider", name="Gradient of task 2")

    def drag():
        second.locator("circle").hover()  # waits until it stands still
        whole = page.locator(".gradient-plotter svg").bounding_box()
        page.mouse.down()
        page.mouse.move(whole["x"] + 0.8 * whole["width"], whole["y"] + 0.2 * whole["height"], steps=5)
        page.mouse.up()

    act_until(page, drag, page.get_by_text("They do not conflict.").is_visible)
    first.focus()
    page.keyboard.press("ArrowLeft")
    expect(first).to_have_attribute("aria-valuetext", "x 2.40, y 0.50")
    check_accessibility(page)
    for tab in ("For a class", "The article", "Lessons"):  # in the end the page is as it was at first
        page.get_by_role("tab", name=tab).click()
        check_accessibility(page)


@pytest.mark.parametrize("width", [400, 760, 1120, 1720])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_tiles_of_a_class_stand_at_equal_distances(window, width, count):
    tab = window.new_page()
    tiles = "".join(f'<div style="border:1px solid">{number}</div>' for number in range(count))
    tab.set_content(f'{CSS}<div class="st-key-class_tiles" style="width:{width}px">{tiles}</div>')
    places = tab.evaluate(
        "[...document.querySelectorAll('.st-key-class_tiles > div')].map(({ offsetTop: y, offsetLeft: x, offsetWidth: w }) => [y, x, w])"
    )
    tab.close()
    gaps = [there - here - wide for (line, here, wide), (other, there, _) in pairwise(places) if line == other]
    assert all(abs(gap - 4.8) <= 1 for gap in gaps), gaps
    assert len({wide for _, _, wide in places}) <= 2  # of the same width, in whole pixels


PAD = """async ([html, js, words]) => {
  document.body.innerHTML = html;
  const pad = await import(URL.createObjectURL(new Blob([js], { type: "text/javascript" })));
  window.sent = [];
  pad.default({ parentElement: document.body, data: { words }, setStateValue: (name, value) => window.sent.push(value) });
}"""


def test_keys_draw_on_the_pad(window):
    tab = window.new_page()
    tab.set_content("<body></body>")
    tab.evaluate(PAD, [sketch_pad.PAGE, sketch_pad.HERE.with_suffix(".js").read_text(encoding="utf-8"), sketch_pad.pad_words()])
    tab.keyboard.press("Tab")
    pad = tab.get_by_role("application", name="Pad to draw on")
    expect(pad).to_be_focused()
    tab.keyboard.press("ArrowUp")  # the pen is up: nothing is drawn
    tab.keyboard.press(" ")
    expect(tab.get_by_role("status")).to_have_text("pen down")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    assert tab.evaluate("window.sent") == []
    tab.keyboard.press(" ")
    expect(tab.get_by_role("status")).to_have_text("pen up")
    [sent] = tab.evaluate("window.sent")
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(sent.split(",")[1]))).convert("L"))
    rows, columns = np.nonzero(drawn > 128)
    middle, pen, step = 140, 20, 8
    expected = [middle - step - pen / 2, middle - step + pen / 2, middle - pen / 2, middle + 5 * step + pen / 2]
    assert np.abs(np.array([rows.min(), rows.max() + 1, columns.min(), columns.max() + 1]) - expected).max() <= 1
    assert set(np.unique(drawn[:100])) == {0}  # the ring that shows the pen is no part of the drawing
    tab.get_by_role("button", name="Clear").press("Enter")
    assert tab.evaluate("window.sent.at(-1)") == ""
    tab.close()
