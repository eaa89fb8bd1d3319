"""Makes the pictures of the README from the dashboard itself, with a run that really trains.

    python -m docs.pictures [--chromium /usr/bin/chromium] [--only first-run predictions race] [--set KEY=VALUE ...]

Starts a server with an empty store, presses Train on the first preset, and takes a picture every second until the run has ended:
``pictures/first-run.gif``. Then ``pictures/predictions.png`` (one image of that run) and ``pictures/race.png`` (three methods on one small problem).
Takes some minutes on an idle machine. ``--set`` makes the run smaller for a busy one: it is then queued by the command line instead of by the click.
Needs what the browser tests need.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Page, ViewportSize, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from conftest import FLAGS, ROOT, Server  # pyright: ignore[reportMissingImports] - found through sys.path

FOLDER = Path(__file__).with_name("pictures")
VIEW: ViewportSize = {"width": 1280, "height": 1180}
WIDTH = 900  # of the moving picture, in pixels
FRAMES = 26
MOST_BYTES = 2_000_000
FRAME_MS, FIRST_MS, LAST_MS = 450, 1500, 4000
PATIENCE = 900_000  # milliseconds; a busy machine is slow
METHODS = "fixed,uncertainty,pcgrad"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--only", nargs="*", default=["first-run", "predictions", "race"])
    parser.add_argument("--set", dest="changes", nargs="*", default=[], help="settings of the run, as for 'train --set'")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "home", Path(folder) / "log", MTL_THREADS="1")  # more are slower beside a browser
        try:
            browser = playwright.chromium.launch(executable_path=arguments.chromium, args=FLAGS)
            page = browser.new_page(viewport=VIEW, color_scheme="light")
            page.set_default_timeout(PATIENCE)
            if {"first-run", "predictions"} & set(arguments.only):
                moving_picture(first_run(page, server, arguments.changes), FOLDER / "first-run.gif")
            if "predictions" in arguments.only:
                predictions(page, server)
            if "race" in arguments.only:
                race(page, server)
        finally:
            server.close()


def first_run(page: Page, server: Server, changes: list[str]) -> list[Image.Image]:
    """The Train page, the click, and what the run's page shows until the run has ended."""
    page.goto(server.url)
    page.get_by_alt_text("One sample with its targets").wait_for()
    frames = [shot(page)]
    if changes:
        said = command(server.home, "queue", "--json", "--preset", "digit-scenes", *(word for change in changes for word in ("--set", change)))
        page.goto(f"{server.url}/run?run={json.loads(said)['run']}")
    else:
        page.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_url("**/run?run=*")
    ended = page.get_by_role("heading", name="On the test images").first
    while not ended.is_visible():
        page.wait_for_timeout(1000)
        frames.append(shot(page))
    page.wait_for_timeout(3000)
    frames.append(shot(page))
    return frames


def shot(page: Page) -> Image.Image:
    """What is in view, at the width of the moving picture."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)


def moving_picture(frames: list[Image.Image], path: Path) -> None:
    """Write at most ``FRAMES`` of the frames that differ as a GIF of at most ``MOST_BYTES``; fewer colours until it is small enough."""
    frames = [
        frame for before, frame in zip([None, *frames], frames, strict=False) if before is None or ImageChops.difference(before, frame).getbbox()
    ]
    places = sorted({round(number * (len(frames) - 1) / (FRAMES - 1)) for number in range(FRAMES)})
    chosen = [frames[place] for place in places]
    times = [FIRST_MS, *[FRAME_MS] * (len(chosen) - 2), LAST_MS]
    for colours in (192, 128, 64, 32):
        palette = chosen[-1].quantize(colours)
        drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in chosen]
        drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=times, loop=0, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    print(f"{path.name}: {len(chosen)} of {len(frames)} frames, {colours} colours, {path.stat().st_size:,} bytes")


def predictions(page: Page, server: Server) -> None:
    """The largest errors of the run."""
    run = page.url.partition("run=")[2]
    page.goto(f"{server.url}/predictions?run={run}&sample=0")
    page.wait_for_selector(".viewer[data-ready]")
    page.wait_for_timeout(4000)
    save(page, "predictions.png")


def race(page: Page, server: Server) -> None:
    """Three balancing methods on tasks that fight over a narrow network."""
    command(server.home, "race", "--preset", "digits-conflict", "--methods", METHODS, "--set", "epochs=30")
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and {run["status"] for run in json.loads(command(server.home, "runs", "--json"))} & {"queued", "running"}:
        time.sleep(2)
    page.goto(f"{server.url}/race")
    page.wait_for_selector(".js-plotly-plot .scatterlayer .trace")
    page.wait_for_timeout(5000)
    save(page, "race.png")


def command(home: Path, *words: str) -> str:
    """What a command of the project prints, with the store of this server."""
    environment = {**os.environ, "MTL_HOME": str(home), "MTL_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "mtl_core", *words], env=environment, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def save(page: Page, name: str) -> None:
    """What is in view, as a PNG of 256 colours."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)
    print(f"{name}: {(FOLDER / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
