"""Epoch slider and overlays: ``python -m benchmarks.waiting.predictions``.

A run of 50 epochs, 32 probe images of 64 x 64 and 4 tasks is written as the trainer writes one; its predictions are targets with noise that
shrinks. Then the server's part is timed, the pictures in Chromium, the server's memory over 500 moves, and the drawing of 16 images of 256 x 256.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from mtl_core.config import RunConfig
from mtl_core.data import open_source
from mtl_core.data.dataset import PADDING, Task
from mtl_core.data.prepare import prepare
from mtl_core.events import ProbesSaved, RunEnded, RunStarted
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.prediction_timeline import Film
from mtl_core.runs.store import open_store
from mtl_core.training.build import evenly_spaced_rows, rows_of
from ui.drawing.viewer import sample_json

EPOCHS, IMAGES, MOVES = 50, 32, 500
TASKS = ("present", "boxes", "segments", "depth")
CONFIG = {
    "name": "fifty epochs",
    "data": {"name": "digit_scenes", "train_size": 64, "val_size": IMAGES, "test_size": 8, "max_digits": 3},
    "tasks": {name: {} for name in TASKS},
    "backbone": {"name": "small_cnn"},
    "epochs": EPOCHS,
    "probe_samples": IMAGES,
}


def main() -> None:
    """Everything, as lines of a table."""
    home = Path(tempfile.mkdtemp(prefix="mtl-predictions-"))
    try:
        store = open_store(home)
        run, tasks = write_run(store)
        size = sum(path.stat().st_size for path in (store.folder(run.id) / "probes").iterdir())
        print(f"| stored probes, {EPOCHS} epochs x {IMAGES} images x {len(TASKS)} tasks | {size / 1e6:.1f} MB |")
        server_side(Film(store.folder(run.id), tasks))
        in_browser(home, run.id)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    overlays()


def write_run(store):
    """The run, its probe files noisy at first and right at the end."""
    config = RunConfig.from_dict(CONFIG)
    run = store.create(config, columns=held_by_us("cpu"))
    data = prepare(open_source(config.data), store.cache)
    info = {name: {**vars(data.tasks[name]), "main_metric": "loss", "metrics": {}} for name in TASKS}
    store.append(run.id, RunStarted(EPOCHS, {"tasks": info, "images": {"val": IMAGES}, "image_shape": data.statistics["image_shape"]}))
    rows = evenly_spaced_rows(data.val, IMAGES)
    val = rows_of(data.val, rows)
    folder = store.folder(run.id) / "probes"
    folder.mkdir(exist_ok=True)
    truth = {f"target/{name}": val.targets[data.tasks[name].target] for name in TASKS}
    truth |= {f"labelled/{name}": val.labelled[data.tasks[name].target] for name in TASKS}
    np.savez_compressed(folder / "targets.npz", images=val.images.transpose(0, 2, 3, 1), index=rows, **truth)
    random = np.random.default_rng(0)
    for epoch in range(EPOCHS + 1):
        np.savez_compressed(folder / f"epoch_{epoch:04d}.npz", **_guess(val.targets, data.tasks, 1 - epoch / EPOCHS, random))
        store.append(run.id, ProbesSaved(epoch, f"probes/epoch_{epoch:04d}.npz"))
    store.append(run.id, RunEnded("finished", EPOCHS, float(EPOCHS), 1.0, 1.0))
    return store.get(run.id), {name: Task(**{**vars(data.tasks[name])}) for name in TASKS}


def _guess(targets, tasks: dict[str, Task], noise: float, random: np.random.Generator) -> dict[str, np.ndarray]:
    present, boxes = targets[tasks["present"].target], targets[tasks["boxes"].target]
    mask, depth = targets[tasks["segments"].target], targets[tasks["depth"].target]
    wrong = random.random(mask.shape) < 0.3 * noise
    candidates = np.full((len(boxes), 64, 6), PADDING, dtype=np.float32)
    for row, real in enumerate(boxes):
        real = real[real[:, 4] >= 0]
        for place in range(min(64, 12 * len(real))):
            near = real[place % len(real)]
            candidates[row, place] = [*(near[:4] + random.normal(0, 1 + 4 * noise, 4)).clip(0, 64), near[4], random.uniform(0.05, 1)]
    return {
        "present": (present * (1 - noise) + noise * random.random(present.shape)).astype(np.float32),
        "segments": np.where(wrong, random.integers(0, 11, mask.shape), mask).astype(np.uint8),
        "depth": (depth + random.normal(0, 0.05 + noise, depth.shape)).astype(np.float32),
        "boxes": candidates[:, :32],
        "candidates/boxes": candidates,
    }


def server_side(film: Film) -> None:
    """Milliseconds of what the server does when another image is asked for, after the first time."""
    start = time.perf_counter()
    film.epochs()
    first = time.perf_counter() - start
    times, sizes = [], []
    for number in range(IMAGES):
        start = time.perf_counter()
        sample = sample_json(number, film.image(number), film.targets(number), [film.frames(number)])
        times.append(1000 * (time.perf_counter() - start))
        sizes.append(len(sample))
    print(f"| read all epochs, once for a run | {first:.2f} s |")
    print(
        f"| server: another image with all its epochs | {statistics.median(times):.1f} ms (worst {max(times):.1f}), {max(sizes) / 1e6:.2f} MB sent |"
    )
    print("| server: another epoch of the same image | nothing is asked of it |")


def in_browser(home: Path, run_id: str) -> None:
    """Milliseconds from a move of the slider to the picture, and the server's memory over ``MOVES`` moves and every image."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS, Server

    server = Server(home, home / "server.log")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 1500})
            page.set_default_timeout(120_000)
            page.goto(f"{server.url}/predictions?run={run_id}&sample=0")
            page.wait_for_selector(".viewer[data-ready]")
            move = """to => new Promise(done => { const root = document.querySelector('.viewer'), viewer = root.viewer, start = performance.now();
                viewer.goTo(to); const look = () => root.dataset.drawn?.endsWith('/' + viewer.steps[to]) && root.dataset.epoch == viewer.steps[to]
                ? done(performance.now() - start) : requestAnimationFrame(look); look(); })"""
            random = np.random.default_rng(0)
            page.evaluate(move, 3)
            process = psutil.Process(server.process.pid)
            page.wait_for_timeout(3000)
            memory, times = [process.memory_info().rss], []
            for number in range(1, MOVES + 1):
                times.append(page.evaluate(move, int(random.integers(0, EPOCHS + 1))))
                if number % 20 == 0:
                    page.wait_for_timeout(600)  # the slider rests: the server is told
                if number % 100 == 0:
                    memory.append(process.memory_info().rss)
            slow = f"95 %: {np.quantile(times, 0.95):.0f}, worst {max(times):.0f}"
            print(f"| browser: a move of the slider to all pictures drawn | {statistics.median(times):.0f} ms ({slow}) |")
            print(f"| server's memory before and after each 100 of {MOVES} moves | {', '.join(f'{each / 1e6:.0f}' for each in memory)} MB |")
            samples = []
            for _ in range(8):
                old = page.locator(".viewer").get_attribute("data-sample")
                start = time.perf_counter()
                page.keyboard.press("ArrowDown")
                page.wait_for_selector(f".viewer[data-drawn]:not([data-sample='{old}'])")
                samples.append(1000 * (time.perf_counter() - start))
            print(f"| browser: next image with all its epochs | {statistics.median(samples):.0f} ms (worst {max(samples):.0f}) |")
            browser.close()
    finally:
        server.close()


def overlays() -> None:
    """Milliseconds of drawing 16 images of 256 x 256: mask, boxes, depth."""
    from mtl_core.tasks.depth import Depth
    from mtl_core.tasks.detection import Detection
    from mtl_core.tasks.segmentation import Segmentation

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (16, 256, 256, 3), dtype=np.uint8)
    classes = ("background", *"abcdefgh")
    boxes = np.array([[20, 30, 90, 140, 1, 0.9], [100, 100, 200, 220, 2, 0.8], [10, 180, 60, 250, 3, 0.7]], np.float32)
    work = {
        "masks": (Segmentation, Task("m", "segmentation", "m", classes), random.integers(0, 9, (256, 256), dtype=np.uint8)),
        "boxes, three an image": (Detection, Task("b", "detection", "b", classes), boxes),
        "depth": (Depth, Task("d", "depth", "d", unit="m", value_range=(1.0, 5.0)), random.uniform(1, 5, (256, 256)).astype(np.float32)),
    }
    for name, (kind, task, row) in work.items():
        times = []
        for _ in range(6):
            start = time.perf_counter()
            for image in images:
                kind.draw_prediction(image, row, task, 1)
            times.append(1000 * (time.perf_counter() - start))
        print(f"| {name} over 16 images of 256 x 256, warm | {statistics.median(times[1:]):.0f} ms |")


if __name__ == "__main__":
    main()
