"""The Learn page in a browser: a click in the plane, steps, and a gradient moved with the keyboard and the pointer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_the_plane_and_the_gradients(page, server):
    page.goto(f"{server.url}/learn")
    page.get_by_role("tab", name="The plane").click()
    plane = page.locator(".live-plot").first
    expect(plane.locator(".main-svg").first).to_be_visible()
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.get_by_text("20 steps taken")).to_be_visible()
    start = "() => document.querySelector('.live-plot').data.find((trace) => trace.name === 'start').x[0]"
    assert page.evaluate(start) == -8.5
    plane.locator(".nsewdrag").first.click(position={"x": 200, "y": 100})
    expect(page.get_by_text("0 steps taken", exact=True)).to_be_visible()
    page.wait_for_function(f"({start})() !== -8.5")

    page.get_by_role("tab", name="Gradients by hand").click()
    first = page.get_by_role("slider", name="Gradient of task 1")
    expect(first).to_have_attribute("aria-valuetext", "x 2.50, y 0.50")
    expect(page.get_by_text("They conflict.")).to_be_visible()
    second = page.get_by_role("slider", name="Gradient of task 2")
    box, whole = second.locator("circle").bounding_box(), page.locator(".gradient-plotter svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(whole["x"] + 0.8 * whole["width"], whole["y"] + 0.2 * whole["height"], steps=5)
    page.mouse.up()
    expect(page.get_by_text("They do not conflict.")).to_be_visible()
    first.focus()
    page.keyboard.press("ArrowLeft")
    expect(first).to_have_attribute("aria-valuetext", "x 2.40, y 0.50")
