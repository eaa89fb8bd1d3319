"""How long a newcomer waits, and what watching costs a run: server start, click to moving curves, the first run, the same run alone and watched.

    python -m benchmarks.waiting.journey [--fresh 1] [--rounds 2] [--browsers 1,3] [--preset NAME] [--epochs N] [--screenshots FOLDER]

A fresh store and a fresh server. The first preset, or another one of its group, is trained by a click as soon as the button can be pressed, watched
in one browser; then the same config trains in that store without a page open. ``--fresh`` does both again with another store and server. In the
last store the config trains again and again, in turn without a page open and watched from its start by 1, 3, ... browsers, each a process of its
own at 1280 x 1500 (only charts in view are drawn). Each run that is watched is divided by the mean of the runs alone before and after it.
``--epochs`` shortens all runs, to see that everything works. Wall-clock seconds of this machine; one shared with other work measures that work.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from mtl_core.config import RunConfig
from mtl_core.presets import Preset, get_preset, load_presets
from mtl_core.runs.run_record import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore, open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "browser"))
from conftest import BROWSERS, FLAGS, Server

POLL = 0.1
SELDOM = 1.0  # seconds between two looks at a watched run: its length is recorded, and Playwright takes 20 ms of a processor for ten looks
LOOKS = 200  # milliseconds between two looks for the first curves: Playwright's own, at every picture of the page, draws it sixty times a second
PATIENCE = 600_000  # milliseconds; a bound, not a claim
SIZE = {"width": 1280, "height": 1500}
GOALS = {"first curves": 5.0, "fresh": 1.2, 1: 1.05, 3: 1.2}  # seconds; times the run alone
WITH_POINTS = (
    "count => [...document.querySelectorAll('.js-plotly-plot')].filter(plot => (plot.calcdata || []).some(trace => trace.length > 1)).length >= count"
)
CHOSEN = "name => JSON.parse(sessionStorage.train_form ?? '{}').preset === name"
KEPT = "epochs => JSON.parse(sessionStorage.train_form ?? '{}').settings?.epochs === epochs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", type=int, default=1, help="fresh stores, at least one")
    parser.add_argument("--rounds", type=int, default=2, help="watched runs for each number of browsers")
    parser.add_argument("--browsers", default="1,3", help="numbers of browsers that watch at once")
    parser.add_argument("--preset", default=load_presets()[0].name, help="of the group that a fresh Train page shows")
    parser.add_argument("--epochs", type=int, help="epochs of every run; those of the preset without it")
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--chromium", default=next((found for name in BROWSERS if (found := shutil.which(name))), None))
    arguments = parser.parse_args()
    preset = get_preset(arguments.preset)
    config = preset.config
    config = config.model_copy(update={"name": "", "epochs": arguments.epochs or config.epochs})
    if arguments.fresh < 1:
        parser.error(f"--fresh takes 1 or more, found {arguments.fresh}")
    alone, fresh = [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for number in range(1, arguments.fresh + 1):
            started = time.perf_counter()
            server = Server(Path(folder) / f"home{number}", Path(folder) / "log")
            try:
                watched = newcomer(server, started, playwright, preset, arguments)
                alone.append(trained(open_store(server.home), config))
                fresh.append(watched / mean(alone[-2:]))
                print(f"fresh store, click to finished, watched: {watched:.1f} s, {fresh[-1]:.2f} times alone; alone: {alone[-1]:.1f} s", flush=True)
                if number == arguments.fresh:
                    compare(server, config, alone, playwright, arguments)
                    browser = launch(playwright, arguments.chromium)
                    stopped_run(opened(browser), server, config)
                    browser.close()
            finally:
                server.close()
    print_ratios("a fresh store, watched from the click on", fresh, GOALS["fresh"])


def newcomer(server: Server, started: float, playwright: Playwright, preset: Preset, arguments: Any) -> float:
    """Open the page of a server that was started at ``started``, and train. Gives the seconds from the click to the end of the run."""
    browser = launch(playwright, arguments.chromium)
    page = opened(browser)
    page.goto(server.url)
    page.get_by_role("button", name="Train", exact=True).and_(page.locator(":enabled")).wait_for()
    print(f"server started, page open, Train can be pressed: {time.perf_counter() - started:.1f} s", flush=True)
    seconds = first_run(page, server, preset, arguments.epochs, arguments.screenshots)
    browser.close()
    return seconds


def launch(playwright: Playwright, chromium: str | None) -> Browser:
    return playwright.chromium.launch(executable_path=chromium, args=FLAGS)


def opened(browser: Browser) -> Page:
    page = browser.new_page(viewport=SIZE)
    page.set_default_timeout(PATIENCE)
    return page


def first_run(page: Page, server: Server, preset: Preset, epochs: int | None, screenshots: Path | None) -> float:
    """Click on Train as soon as it can be pressed, and watch. Gives the seconds from the click to the end of the run."""
    if preset.name != load_presets()[0].name:
        page.get_by_role("radio", name=preset.title, exact=True).or_(page.get_by_role("button", name=preset.title, exact=True)).click()
        page.wait_for_function(CHOSEN, arg=preset.name)
    if epochs:
        field = page.get_by_role("spinbutton", name="Epochs")
        field.fill(str(epochs))
        field.press("Enter")
        page.wait_for_function(KEPT, arg=epochs)
        page.get_by_role("button", name="Train", exact=True).and_(page.locator(":enabled")).wait_for()
    clicked = time.perf_counter()
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(WITH_POINTS, arg=len(preset.config.tasks), polling=LOOKS)
    curves = time.perf_counter() - clicked
    print(f"fresh store: click to curves of all tasks, the data made in it: {curves:.1f} s (goal {GOALS['first curves']:g})", flush=True)
    ended(open_store(server.home), open_store(server.home).runs()[0].id, page)
    seconds = time.perf_counter() - clicked
    if screenshots:
        page.get_by_role("heading", name="On the test images").first.wait_for()
        page.set_viewport_size({"width": 1280, "height": 1900})
        page.wait_for_timeout(3000)
        page.screenshot(path=screenshots / "run.png")
    return seconds


def compare(server: Server, config: RunConfig, alone: list[float], playwright: Playwright, arguments: Any) -> None:
    """Runs alone and watched in turn; prints the ratios. ``alone``: seconds of the runs alone so far, the last one just now."""
    store = open_store(server.home)
    numbers = [int(number) for number in arguments.browsers.split(",")]
    ratios = {number: [] for number in numbers}
    for _ in range(arguments.rounds):
        for number in numbers:
            watched = trained_and_watched(store, server, config, number, playwright, arguments.chromium)
            alone.append(trained(store, config))
            ratios[number].append(watched / mean(alone[-2:]))
            print(f"watched by {number}: {watched:.1f} s, {ratios[number][-1]:.2f} times alone; alone: {alone[-1]:.1f} s", flush=True)
    for number, found in ratios.items():
        print_ratios(f"watched by {number}", found, GOALS.get(number))


def print_ratios(what: str, ratios: list[float], goal: float | None) -> None:
    """Print the mean of ratios to the run alone, with the lowest and the highest. Prints nothing without ratios."""
    if ratios:
        wanted = f" (goal {goal})" if goal else ""
        print(f"{what}: {mean(ratios):.3f} times alone{wanted}, single pairs {min(ratios):.2f} to {max(ratios):.2f}", flush=True)


def trained(store: RunStore, config: RunConfig) -> float:
    """Seconds of a run that nobody watches."""
    return ended(store, store.create(config).id).seconds


def trained_and_watched(store: RunStore, server: Server, config: RunConfig, number: int, playwright: Playwright, chromium: str | None) -> float:
    """Seconds of a run whose page is open in this many browsers from its start to its end."""
    browsers = [launch(playwright, chromium) for _ in range(number)]
    pages = [opened(browser) for browser in browsers]
    run = store.create(config)
    for page in pages:
        page.goto(f"{server.url}/run?run={run.id}", wait_until="commit")
    for page in pages:
        page.wait_for_function(WITH_POINTS, arg=len(config.tasks), polling=LOOKS)  # it draws the run, or nothing is measured
    seconds = ended(store, run.id, *pages).seconds
    for browser in browsers:
        browser.close()
    return seconds


def ended(store: RunStore, run_id: str, *pages: Page) -> Run:
    """Wait for the end of a run. The pages are given time of this process, so that their browsers are not held up."""
    while not (run := store.get(run_id)).status.is_ended():
        if pages:
            pages[0].wait_for_timeout(1000 * SELDOM)
        else:
            time.sleep(POLL)
    assert run.status == RunStatus.FINISHED, run.failure
    return run


def stopped_run(page: Page, server: Server, config: RunConfig) -> None:
    """A clone of the last run, whose data and fastest settings are known, stopped once its curves are there."""
    page.goto(f"{server.url}/?clone={open_store(server.home).runs()[0].id}")
    page.get_by_role("button", name="Train", exact=True).and_(page.locator(":enabled")).wait_for()
    clicked = time.perf_counter()
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(WITH_POINTS, arg=len(config.tasks), polling=LOOKS)
    curves = time.perf_counter() - clicked
    print(f"data and settings known: click to curves {curves:.1f} s (goal {GOALS['first curves']:g})", flush=True)
    store = open_store(server.home)
    run = store.runs()[0]
    clicked = time.perf_counter()
    page.get_by_role("button", name="Stop", exact=True).first.click()
    while not store.get(run.id).status.is_ended():
        time.sleep(0.02)
    print(f"click on Stop to {store.get(run.id).status}, state saved: {time.perf_counter() - clicked:.1f} s", flush=True)


if __name__ == "__main__":
    main()
