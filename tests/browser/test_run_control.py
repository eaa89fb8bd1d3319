"""What is done to runs with clicks: ordered, paused, let go on, stopped, resumed, forked, renamed, deleted."""

from __future__ import annotations

import contextlib

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from mtl_core.config import RunConfig
from mtl_core.events import RunEnded
from mtl_core.presets import get_preset
from mtl_core.runs import actions, method_race
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store
from tests.browser.accessibility import check_accessibility
from tests.browser.one_tab import go
from tests.browser.persistence import GIVES_UP, PATIENCE, act_until, wait_until

pytestmark = pytest.mark.browser

EPOCHS, FORKED_AT = 12, 10
# Counts from here on how often the server has drawn the page or a part of it.
COUNT_DRAWINGS = """() => {
  window.drawings = 0;
  new MutationObserver((changes) => { window.drawings += changes.filter((change) => change.oldValue === 'running').length; }).observe(
    document.querySelector('[data-testid=stApp]'), { attributes: true, attributeFilter: ['data-test-script-state'], attributeOldValue: true });
}"""
FIRST_X = """step => [...document.querySelectorAll('.js-plotly-plot')].some(
    plot => (plot.calcdata || []).some(points => points[0].trace.opacity !== 0.6 && points[0].x === step))"""
PAST = "[...document.querySelectorAll('.js-plotly-plot')].some(plot => plot.data.some(trace => trace.name?.includes('before the fork')))"

# Curves of digit that went from one value to another, on a chart with a mark at a step.
STEERED = """([step, before, after]) => [...document.querySelectorAll('.js-plotly-plot')].some(plot =>
    (plot.layout.shapes || []).some(shape => shape.x0 === step && shape.x1 === step) &&
    (plot.calcdata || []).some(points => points.length >= 4 && points[0].trace.name === 'digit' &&
        Math.abs(points[0].y - before) < 0.01 && Math.abs(points.at(-1).y - after) < 0.01))"""
MARKED = """step => [...document.querySelectorAll('.st-key-panel_digit .js-plotly-plot')].some(plot =>
    (plot.layout.shapes || []).some(shape => shape.x0 === step) && plot.layout.annotations.some(words => words.text === 'digit 1 → 100'))"""

CHART = "document.querySelector('.st-key-chart-digit-loss .js-plotly-plot')"  # by its name: others may come to stand above it
DRAWN = f"() => ({CHART}?.calcdata?.[0]?.length ?? 0) >= 2"


def config(name: str, epochs: int, *more: str) -> RunConfig:
    return get_preset("digits-quick").config.with_overrides([f"name={name}", f"epochs={epochs}", "batch_size=256", *more])


def queue(store, name: str, epochs: int, *more: str):
    """A run that waits for the dashboard's worker; the process of the test trains nothing."""
    return store.create(config(name, epochs, *more))


def click(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).first.click()


def choose(page: Page, entry: str) -> None:
    """Open the menu, again where the page closed it, and choose."""
    item, dialog = page.get_by_role("menuitem", name=entry), page.get_by_role("dialog")

    def act():
        if not item.is_visible():
            click(page, "More")
        item.click(timeout=GIVES_UP)

    act_until(page, act, dialog.is_visible)


def zoom_in(page: Page) -> list[float]:
    """Drag over the chart of the digit's loss, again where the page moved it away under the mouse; gives its new x range."""
    area = page.locator(".st-key-chart-digit-loss .nsewdrag").first
    for _ in range(20):
        area.hover()  # waits until the chart stands still
        place = area.bounding_box()
        page.mouse.move(place["x"] + 20, place["y"] + 10)
        page.mouse.down()
        page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] - 10, steps=5)
        page.mouse.up()
        with contextlib.suppress(PlaywrightTimeout):
            page.wait_for_function(f"() => {CHART}.layout.xaxis.autorange === false", timeout=5_000)
            return page.evaluate(f"{CHART}.layout.xaxis.range")
    raise AssertionError("twenty drags did not zoom into the chart")


@pytest.fixture
def store(server):
    return open_store(server.home)


@pytest.fixture
def busy(store):
    """A run that holds the device, so that others wait until ``end`` is called."""
    run = store.create(config("holds the device", 2), columns=held_by_us("cpu"))
    ended = RunEnded("stopped", 0, 0.0, 0.0, 0.0)
    yield lambda: store.append(run.id, ended)
    if store.get(run.id).status.is_active():
        store.append(run.id, ended)


def test_wait_pause_resume_stop_resume_finish(page, server, store, busy, hurry):
    queue(store, "first", 1)
    run = queue(store, "second", EPOCHS, "batch_size=32", "update={name: unhurried, rest: 0.5}")  # it cannot be through before it is stopped
    go(page, f"{server.url}/run?run={run.id}", is_live=True)
    expect(page.get_by_text("Number 2 in the queue")).to_be_visible()
    page.locator(f"[class*='st-key-place-{run.id}-first'] button").first.click()
    expect(page.get_by_text("Next in the queue")).to_be_visible()
    assert [each.name for each in store.queued()] == ["second", "first"]

    busy()
    assert wait_until(page, lambda: store.get(run.id).status == RunStatus.RUNNING)
    actions.pause(store, run.id)  # by another process; from here on by clicks
    expect(page.get_by_text("A paused run keeps its device and memory")).to_be_visible(timeout=PATIENCE)
    click(page, "Resume")
    expect(page.get_by_text("A paused run keeps its device and memory")).to_have_count(0)  # seen before the click: it may be paused at once
    click(page, "Pause")
    expect(page.get_by_text("A paused run keeps its device and memory")).to_be_visible(timeout=PATIENCE)
    paused = store.get(run.id)
    assert (paused.status, paused.step < paused.steps_total) == (RunStatus.PAUSED, True)
    choose(page, "Name, note, tags")  # a dialog over a page that refreshes
    page.get_by_label("Name", exact=True).fill("renamed while it was paused")
    page.evaluate(COUNT_DRAWINGS)
    third = queue(store, "third", 1)  # nothing is drawn where nothing changes
    page.wait_for_function("() => window.drawings >= 1")
    actions.stop(store, third.id)
    page.wait_for_function("() => window.drawings >= 2")
    expect(page.get_by_label("Name", exact=True)).to_have_value("renamed while it was paused")
    click(page, "Save")
    expect(page.get_by_role("heading", name="renamed while it was paused")).to_be_visible()

    click(page, "Resume")
    click(page, "Stop")
    expect(page.get_by_text("Resume continues from the checkpoint")).to_be_visible(timeout=PATIENCE)
    stopped = store.get(run.id)
    assert 0 < stopped.step < stopped.steps_total

    hurry()
    click(page, "Resume")
    expect(page.get_by_role("heading", name="On the test images")).to_have_count(1, timeout=PATIENCE)
    finished = store.get(run.id)
    assert (finished.status, finished.step) == (RunStatus.FINISHED, finished.steps_total)
    steps = store.scalars(run.id).query("key == 'optimizer/loss'").drop_duplicates("step")["step"]
    assert list(steps) == list(range(1, finished.step + 1))  # nothing is missing, nothing is there twice


def test_fork_with_another_loss_weight_begins_where_it_was_forked(page, server, store, hurry):
    hurry()
    trained = (run for run in store.runs() if run.status == RunStatus.FINISHED and run.epochs == EPOCHS and run.parent is None)
    parent = next(trained, None) or queue(store, "parent", EPOCHS)
    go(page, f"{server.url}/run?run={parent.id}", is_live=True)
    assert wait_until(page, lambda: store.get(parent.id).status == RunStatus.FINISHED)
    page.get_by_role("button", name="Continue training").first.wait_for()
    click(page, "Fork")
    page.get_by_role("button", name="Fork and train").wait_for()
    expect(page).to_have_url(f"{server.url}/?fork={parent.id}&epoch={EPOCHS}")
    go(page, f"{server.url}/?fork={parent.id}&epoch={FORKED_AT}")
    page.get_by_role("button", name="Fork and train").wait_for()
    weight = page.get_by_role("spinbutton", name="Loss weight of slant")
    weight.fill("3")
    weight.press("Enter")
    expect(page.get_by_placeholder(f"slant ×3, from epoch {FORKED_AT}")).to_be_visible()
    click(page, "Fork and train")
    page.wait_for_url("**/run?run=*")
    expect(page.get_by_role("heading", name="On the test images")).to_have_count(1, timeout=PATIENCE)

    fork = next(run for run in store.runs() if run.parent == parent.id)
    assert (fork.parent_epoch, fork.config.tasks["slant"].loss_weight, str(fork.status)) == (FORKED_AT, 3.0, "finished")
    page.wait_for_function(FIRST_X, arg=fork.parent_step + 1)
    assert page.evaluate(PAST)
    page.get_by_role("link", name=parent.name).click()
    page.wait_for_url(f"**run={parent.id}")
    expect(page.locator(".st-key-lineage").get_by_role("link", name=f"from epoch {FORKED_AT}").first).to_be_visible()


def test_a_live_run_is_zoomed_into_steered_stopped_and_deleted(page, server, store):
    run = queue(store, "to be deleted", 90, "batch_size=32", "update={name: unhurried, rest: 0.1}")  # 3,600 steps, six minutes or more
    go(page, f"{server.url}/run?run={run.id}", is_live=True)
    slider = page.get_by_role("slider", name="Loss weight of digit")
    slider.wait_for(timeout=PATIENCE)

    choose(page, "Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("cannot be deleted: it is being trained. Stop it first.")).to_be_visible()
    expect(dialog.get_by_role("button", name="Delete")).to_have_count(0)
    dialog.get_by_role("button", name="Close").last.click()
    expect(dialog).to_have_count(0)

    page.get_by_role("radio", name="large").or_(page.get_by_role("button", name="large")).click()
    expect(page.locator(".st-key-task_rows")).to_have_count(0)
    page.wait_for_function(DRAWN)
    zoomed = zoom_in(page)
    points = page.evaluate(f"{CHART}.calcdata[0].length")
    page.wait_for_function(f"old => {CHART}.calcdata[0].length > old", arg=points)
    assert page.evaluate(f"{CHART}.layout.xaxis.range") == zoomed
    page.get_by_role("radio", name="compact").or_(page.get_by_role("button", name="compact")).click()
    expect(page.locator(".st-key-task_rows")).to_have_count(1)

    act_until(page, lambda: slider.press("End"), lambda: store.get(run.id).config.changes)
    [change] = store.get(run.id).config.changes
    assert (change.key, change.value) == ("tasks.digit.loss_weight", 100.0)
    said = f"step {change.step}: tasks.digit.loss_weight changed from 1 to 100"
    assert wait_until(page, lambda: said in [line.text for line in store.log(run.id)])
    assert wait_until(page, lambda: store.get(run.id).step > change.step + 20)  # its curve has an after
    actions.pause(store, run.id)  # by another process: what is looked at below stands still
    assert wait_until(page, lambda: store.get(run.id).status == RunStatus.PAUSED)
    page.wait_for_function(MARKED, arg=change.step, timeout=PATIENCE)  # on the task's own curves
    factors = page.get_by_text("the factor on each task's loss or gradient")  # only charts in view are drawn, and the page may move once more
    act_until(page, factors.scroll_into_view_if_needed, lambda: page.evaluate(STEERED, [change.step, 1, 100]))

    shown = page.locator(".st-key-steering [data-testid=stSlider]").first  # the slider itself is an input below what is seen of it
    act_until(page, shown.dblclick, lambda: actions.asked_changes(store, run.id) == {"tasks.digit.loss_weight": 1.0})
    click(page, "Stop")  # before a step with the weight of 1
    expect(page.get_by_text("Resume continues from the checkpoint")).to_be_visible(timeout=PATIENCE)
    stopped = store.get(run.id)
    assert (stopped.status, 0 < stopped.step < stopped.steps_total) == (RunStatus.STOPPED, True)
    assert (store.folder(run.id) / "checkpoints" / "index.json").is_file()
    used = store.scalars(run.id).query("key == 'loss_weight/digit'").set_index("step")["value"]
    used = used[used != 0.0]  # of a step whose loss was exactly 0, as in the end of so small a run
    assert set(used[used.index <= change.step]) == {1.0}
    assert set(used[used.index > change.step]) == {100.0}

    choose(page, "Delete")
    expect(dialog.get_by_text("to be deleted")).to_be_visible()
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/compare*")
    expect(page.get_by_text("Deleted: to be deleted")).to_be_visible()
    assert run.id not in [each.id for each in store.runs()]
    assert not store.folder(run.id).exists()


def test_runs_are_deleted_from_the_library_only_once_someone_ticked(page, server, store):
    for name in ("one", "two"):
        run = store.create(config(name, 1), columns=held_by_us("cpu"))
        store.append(run.id, RunEnded("stopped", 4, 1.0, 1.0, 1.0))
    page.goto(f"{server.url}/runs")  # as people type it
    page.wait_for_url("**/compare*")
    delete = page.get_by_role("button", name="Delete", exact=True)
    expect(delete).to_be_disabled()  # though the newest are selected already
    page.locator("[data-testid=stDataFrame] canvas td").get_by_text("two", exact=True).first.wait_for(
        state="attached"
    )  # it takes clicks from here on
    table = page.locator("[data-testid=stDataFrame]").first

    def tick():
        table.click(position={"x": 20, "y": 36 + 18})  # of the first row, below the heading; waits until the table stands still

    act_until(page, tick, lambda: "runs=" in page.url)
    if delete.is_disabled():  # the first row was selected already, and is not now
        act_until(page, tick, delete.is_enabled)
    check_accessibility(page)
    page.reload()
    expect(delete).to_be_enabled()


def test_the_queue_stays_open_while_the_strip_refreshes(page, server, store, busy):
    runs = [queue(store, name, 1) for name in ("one", "two")]
    go(page, f"{server.url}/compare")
    page.get_by_role("button", name="2 queued").wait_for()
    page.locator(".st-key-strip .gauges").wait_for()
    strip = page.locator(".st-key-strip").bounding_box()
    assert strip is not None
    assert strip["height"] < 60  # one line, at 1280 pixels
    page.get_by_role("button", name="2 queued").click()
    second = page.locator(f".st-key-queue_{runs[1].id}")
    second.get_by_role("button").first.wait_for()
    third = queue(store, "three", 1)  # someone else's
    expect(page.locator(f".st-key-queue_{third.id}")).to_be_visible()
    first = page.locator(f"[class*='st-key-queue-{third.id}-first'] button").first
    act_until(page, lambda: first.click(timeout=GIVES_UP), lambda: store.queued()[0].id == third.id)
    expect(page.locator(f".st-key-queue_{third.id}").get_by_text("1.", exact=True)).to_be_visible()
    for run in (*runs, third):  # the rows below move up at each click
        remove = page.locator(f"[class*='st-key-queue-{run.id}-remove'] button").first
        act_until(page, lambda remove=remove: remove.click(timeout=GIVES_UP), lambda run=run: store.get(run.id).status == RunStatus.STOPPED)
    expect(page.get_by_role("button", name="queued")).to_have_count(0)


def test_a_race_that_waits(page, server, store, busy):
    race = method_race.start(store, config("raced", 1), ["fixed", "pcgrad"])
    go(page, f"{server.url}/race?race={race}")
    expect(page.get_by_text("Curves appear here when the first run trains")).to_be_visible()
    check_accessibility(page)
