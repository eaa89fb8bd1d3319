"""Every lesson walked in Chromium as a learner walks it: opened, trained, changed, trained again, answered.

``python -m benchmarks.lessons --browser`` calls it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson import Lesson

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from conftest import FLAGS, Server  # pyright: ignore[reportMissingImports] - found through sys.path

PATIENCE = 600_000  # milliseconds


def walk_all(names: Iterable[str], chromium: str, pictures: Path | None) -> None:
    """Walk these lessons on one server with a store of its own, and print a row for each."""
    print("| lesson | first training, s | second training, s | usual answer | what the lesson said |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "home", Path(folder) / "log")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            for name in names:
                page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
                page.set_default_timeout(PATIENCE)
                first, second, said = walked(page, server.url, name)
                answer = LESSONS.load(name)().text().answers[LESSONS.load(name).usual]
                print(f"| `{name}` | {first:.0f} | {second:.0f} | {answer} | {said} |", flush=True)
                if pictures:
                    take_pictures(page, pictures, name)
                page.close()
        finally:
            server.close()


def walked(page: Page, url: str, name: str) -> tuple[float, float, str]:
    """Seconds of both trainings, from the click until the page goes on, and what it says to the usual answer."""
    lesson: Lesson = LESSONS.load(name)()
    expect.set_options(timeout=PATIENCE)
    page.goto(f"{url}/learn?lesson={name}")
    began = time.perf_counter()
    page.get_by_role("button", name="Train", exact=True).click()
    again = page.get_by_role("button", name="Train again")
    expect(again).to_be_enabled()
    first, began = time.perf_counter() - began, time.perf_counter()
    again.click()
    check = page.get_by_role("button", name="Check")
    check.wait_for()
    second = time.perf_counter() - began
    page.get_by_role("radiogroup").last.get_by_text(lesson.text().answers[lesson.usual], exact=True).click()
    check.click()
    said = page.get_by_role("alert").last
    said.wait_for()
    return first, second, " ".join(said.inner_text().split())


def take_pictures(page: Page, folder: Path, name: str) -> None:
    """The finished lesson, light at 1280 and dark at 1920 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for scheme, width, height in (("light", 1280, 900), ("dark", 1920, 1080)):
        page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType] - one of the names that it takes
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1500)  # until the charts are drawn again
        page.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
