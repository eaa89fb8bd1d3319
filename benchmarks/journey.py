"""How long a newcomer waits: server start, click to moving curves, the whole first run, click on Stop to stopped.

    python -m benchmarks.journey [--screenshots FOLDER]

A fresh store and a fresh server, the first preset, one Chromium at 1280 x 1500 watching (only charts in view are drawn).
Wall-clock seconds of this machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from mtl_core.runs.store import open_store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from conftest import FLAGS, Server

TASKS = 4
WITH_POINTS = (
    "count => [...document.querySelectorAll('.js-plotly-plot')].filter(plot => (plot.calcdata || []).some(trace => trace.length > 1)).length >= count"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        started = time.perf_counter()
        server = Server(Path(folder) / "home", Path(folder) / "log")
        try:
            browser = playwright.chromium.launch(executable_path=arguments.chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 1500})
            page.goto(server.url)
            page.get_by_role("button", name="Train", exact=True).and_(page.locator(":enabled")).wait_for()
            print(f"server started, page open, Train can be pressed: {time.perf_counter() - started:.1f} s")
            first_run(page, arguments.screenshots)
            stopped_run(page, server)
        finally:
            server.close()


def first_run(page: Page, screenshots: Path | None) -> None:
    clicked = time.perf_counter()
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(WITH_POINTS, arg=TASKS, timeout=120_000)
    print(f"click to curves of all {TASKS} tasks (data made in it, if the sample had not been waited for): {time.perf_counter() - clicked:.1f} s")
    page.get_by_role("heading", name="On the test images").first.wait_for(timeout=400_000)
    print(f"click to finished, watched all the time: {time.perf_counter() - clicked:.1f} s")
    if screenshots:
        page.wait_for_timeout(3000)
        page.set_viewport_size({"width": 1280, "height": 1900})
        page.wait_for_timeout(3000)
        page.screenshot(path=screenshots / "run.png")
        page.set_viewport_size({"width": 1280, "height": 1500})


def stopped_run(page: Page, server: Server) -> None:
    page.goto(server.url)
    clicked = time.perf_counter()
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(WITH_POINTS, arg=TASKS, timeout=120_000)
    print(f"second run, data and settings known: click to curves {time.perf_counter() - clicked:.1f} s")
    store = open_store(server.home)
    run = store.runs()[0]
    clicked = time.perf_counter()
    page.get_by_role("button", name="Stop", exact=True).first.click()
    while not store.get(run.id).status.is_ended():
        time.sleep(0.02)
    print(f"click on Stop to {store.get(run.id).status}, state saved: {time.perf_counter() - clicked:.1f} s")


if __name__ == "__main__":
    main()
