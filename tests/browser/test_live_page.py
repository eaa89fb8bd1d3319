"""A live run's page while values come: what is drawn is what is stored, though little of the page is sent again."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import expect

from mtl_core.events import EpochMetrics, Message, RunEnded, RunStarted, StepScalars
from mtl_core.runs import actions
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store
from tests.browser.one_tab import go
from tests.browser.persistence import wait_until
from tests.browser.test_run_control import config
from tests.pages.conftest import INFO

pytestmark = pytest.mark.browser

LAST = """task => [...document.querySelectorAll(`.st-key-panel_${task} .js-plotly-plot`)].map(
    plot => Math.max(0, ...(plot.calcdata || []).map(line => line.at(-1).x)))"""
STANDS = "() => { window.panel = document.querySelector('.st-key-panel_digit'); window.slider = document.querySelector('.st-key-steering'); }"
STOOD = "() => panel === document.querySelector('.st-key-panel_digit') && slider === document.querySelector('.st-key-steering')"


@pytest.fixture
def live(server):
    """A run that this process holds and that trains nothing: ``step(n)`` stores values of a step, ``epoch(n)`` those of an epoch's end."""
    store = open_store(server.home)
    run = store.create(config("watched", 50), columns=held_by_us("cpu"))
    store.append(run.id, RunStarted(100, INFO))
    over = threading.Event()

    def step(number: int) -> None:
        losses = {f"train/{task}/loss": 1.0 / number for task in INFO["tasks"]}
        shares = {"gradient_share/digit": 0.25, "gradient_share/slant": 0.75}
        store.append(run.id, StepScalars(number, number / 2, {**losses, **shares, "optimizer/lr": 0.01}))
        store.append(run.id, Message(f"step {number} is stored"))

    def epoch(number: int, accuracy: float) -> None:
        store.append(run.id, EpochMetrics(2 * number, number, {"val/digit/accuracy": accuracy, "val/slant/mae": 1 - accuracy}))

    for number in (1, 2):
        step(number)
    epoch(1, 0.5)
    yield store, run, step, epoch
    over.set()
    if not store.get(run.id).status.is_ended():
        store.append(run.id, RunEnded("stopped", 8, 4.0, 1.0, 1.0))


def test_new_values_reach_charts_words_and_small_pictures_of_a_page_that_stands(page, server, live):
    store, run, step, epoch = live
    go(page, f"{server.url}/run?run={run.id}", is_live=True)
    digit = page.locator(".st-key-panel_digit")
    expect(digit.get_by_text("last 0.5")).to_be_visible()
    page.wait_for_function(f"() => ({LAST})('digit').join() === '2,2'")
    page.evaluate(STANDS)
    for number in range(3, 6):
        step(number)
        page.wait_for_function(f"number => ({LAST})('digit').at(-1) === number && ({LAST})('slant').at(-1) === number", arg=number)
    expect(page.locator(".st-key-steering .share span").first).to_have_text("25%")
    epoch(3, 0.75)
    expect(digit.get_by_text("last 0.75")).to_be_visible()
    page.wait_for_function(f"() => ({LAST})('digit').join() === '6,6' || ({LAST})('digit').join() === '6,5'")
    assert page.evaluate(STOOD)

    page.get_by_role("radio", name="large").or_(page.get_by_role("button", name="large")).click()  # charts that were not there before
    expect(page.locator(".st-key-task_rows")).to_have_count(0)
    step(7)
    page.wait_for_function(f"() => ({LAST})('digit').some(last => last === 7)")

    actions.change(store, run.id, "tasks.digit.loss_weight", 5.0)  # by another viewer
    expect(page.get_by_role("slider", name="Loss weight of digit")).to_have_attribute("aria-valuetext", "5")
    second = page.context.new_page()
    second.goto(page.url)
    expect(second.locator(".st-key-panel_digit").get_by_text("last 0.75")).to_be_visible()
    step(8)
    for tab in (page, second):
        tab.bring_to_front()
        tab.wait_for_function(f"() => ({LAST})('digit').some(last => last === 8)")
    second.get_by_role("button", name="Stop", exact=True).click()
    assert wait_until(page, lambda: store.get(run.id).status == RunStatus.STOPPING)
    page.bring_to_front()
    expect(page.get_by_role("button", name="Stopping…")).to_be_disabled()
    store.append(run.id, EpochMetrics(10, 5, {"val/digit/accuracy": 0.875, "val/slant/mae": 0.5}))
    store.append(run.id, RunEnded("stopped", 10, 5.0, 1.0, 1.0))
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    expect(page.locator(".st-key-panel_digit").get_by_text("last 0.875")).to_be_visible()
    page.wait_for_function(f"() => ({LAST})('digit').some(last => last === 10)")
    page.get_by_role("radio", name="compact").or_(page.get_by_role("button", name="compact")).click()  # as it was at first: others use this tab
    expect(page.locator(".st-key-task_rows")).to_have_count(1)
