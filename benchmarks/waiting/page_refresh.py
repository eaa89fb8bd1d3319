"""What one refresh of a live run's page costs: messages by kind, bytes, processor time of the server and of the browser.

    python -m benchmarks.waiting.page_refresh SEED [--refreshes 12] [--points 100000] [--width 1280] [--height 1500]

``SEED`` is the folder of a store with a finished run (``mtl train --preset digit-scenes --set epochs=1`` makes one). A copy of that run is played
back as a live one: its scalars come again and again, at later steps, as fast as a training run on two cores stores them, and nothing is trained. So
the page is that of a training run and its cost is measured alone. Processor time counts user and system time of all processes of the browser, and
of the server with and without the page open. All numbers are for the seconds between two refreshes, whatever the page does in them.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psutil
from playwright.sync_api import CDPSession, Page, WebSocket, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.waiting.viewers import browsers_cpu
from mtl_core.events import EpochMetrics, ProbesSaved, RunStarted, StepScalars
from mtl_core.runs.artifacts import probe_epochs
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.run_record import Run
from mtl_core.runs.store import RunStore, open_store
from ui.run.run_page import BEGINNING, refresh_seconds

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "browser"))
from conftest import BROWSERS, FLAGS, Server

EPOCH_SECONDS = 8.0  # of a run of the first preset on two cores
EPOCHS = 60  # to come, so that the run does not end, and its page refreshes as that of a run of some minutes
SETTLED = 8.0  # seconds after a page was opened: its first refreshes draw all charts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seed", type=Path)
    parser.add_argument("--refreshes", type=int, default=12)
    parser.add_argument("--points", type=int, default=0, help="values that the run has when the page is opened, at least those of an epoch")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1500)
    parser.add_argument("--screenshot", type=Path)
    parser.add_argument("--chromium", default=next((found for name in BROWSERS if (found := shutil.which(name))), None))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder) / "home"
        shutil.copytree(arguments.seed, home)
        store = open_store(home)
        server = Server(home, Path(folder) / "log")
        try:
            with played_back(store, arguments.points) as run:
                browser = playwright.chromium.launch(executable_path=arguments.chromium, args=FLAGS)
                page = browser.new_page(viewport={"width": arguments.width, "height": arguments.height})
                measure(page, server, run, arguments)
        finally:
            server.close()


@contextlib.contextmanager
def played_back(store: RunStore, points: int) -> Iterator[Run]:
    """A live run of this process that repeats the newest run of the store until the end of the block, from at least so many points on."""
    old = store.runs()[0]
    steps, epochs = _rows(store, old)
    begun = max(1, points // (len(epochs) + sum(len(scalars) for _, scalars in steps)))
    config = old.config.model_copy(update={"name": "", "epochs": begun + EPOCHS})
    run = store.create(config, columns=held_by_us("cpu"))
    folder = store.folder(run.id)
    shutil.copytree(store.folder(old.id) / "probes", folder / "probes")
    per_epoch = old.info["steps_per_epoch"]
    store.append(run.id, RunStarted(per_epoch * config.epochs, old.info))
    over = threading.Event()

    def play() -> None:
        for epoch in range(config.epochs):
            for step, scalars in steps:
                if step <= per_epoch:
                    store.append(run.id, StepScalars(epoch * per_epoch + step, epoch + step / per_epoch, scalars))
                    if over.wait(EPOCH_SECONDS / len(steps) if epoch >= begun else 0.0):
                        return
            store.append(run.id, EpochMetrics((epoch + 1) * per_epoch, epoch + 1, epochs))
            if epoch + 1 < begun:
                continue
            newest = probe_epochs(folder)[-1]
            name = f"probes/epoch_{newest + 1:04d}.npz"
            shutil.copy(folder / f"probes/epoch_{newest:04d}.npz", folder / name)
            store.append(run.id, ProbesSaved(newest + 1, name))

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield run
    finally:
        over.set()
        thread.join()


def _rows(store: RunStore, run: Run) -> tuple[list[tuple[int, dict[str, float]]], dict[str, float]]:
    """The run's scalars of each step, in order, and those of its last epoch's evaluation."""
    frame = store.scalars(run.id)
    frame = frame[~frame["key"].str.startswith("test/")]
    whole = frame["key"].str.startswith("val/")
    steps = {int(cast("float", step)): dict(zip(rows["key"], rows["value"], strict=True)) for step, rows in frame[~whole].groupby("step")}
    return sorted(steps.items()), dict(zip(frame[whole]["key"], frame[whole]["value"], strict=True))


def measure(page: Page, server: Server, run: Run, arguments: Any) -> None:
    heard: list[tuple[ForwardMsg, int]] = []

    def keep(payload: bytes | str) -> None:
        if isinstance(payload, bytes):
            heard.append((_parsed(payload), len(payload)))

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", keep)

    process = psutil.Process(server.process.pid)
    asked: list[str] = []
    page.on("websocket", listen)
    page.on("request", lambda request: asked.append(request.url) if "/live-news/" in request.url else None)
    page.goto(f"{server.url}/run?run={run.id}")
    page.wait_for_function("() => [...document.querySelectorAll('.js-plotly-plot')].filter(plot => plot.calcdata).length > 3", timeout=600_000)
    page.wait_for_timeout(1000 * max(SETTLED, BEGINNING + 2 - (time.time() - run.started_at)))
    heard.clear()
    asked.clear()
    developer = page.context.new_cdp_session(page)
    developer.send("Performance.enable")
    spent = _spent(developer)
    used, served, begun = browsers_cpu(), _cpu(process), time.monotonic()
    page.wait_for_timeout(1000 * arguments.refreshes * refresh_seconds(open_store(server.home).get(run.id)))
    used, served, seconds = browsers_cpu() - used, _cpu(process) - served, time.monotonic() - begun
    spent = {name: value - spent[name] for name, value in _spent(developer).items()}
    if arguments.screenshot:
        page.screenshot(path=arguments.screenshot)
    messages, count = list(heard), len(asked)
    page.close()
    idle = _cpu(process)
    time.sleep(10)
    idle = (_cpu(process) - idle) / 10
    report(messages, count, used, served, idle, seconds, spent)


def _spent(developer: CDPSession) -> dict[str, float]:
    """Seconds that the page's main thread has spent so far, by what it did."""
    found = {metric["name"]: metric["value"] for metric in developer.send("Performance.getMetrics")["metrics"]}
    return {name: found[f"{name}Duration"] for name in ("Script", "RecalcStyle", "Layout", "Task")}


def report(heard: list[tuple[ForwardMsg, int]], count: int, used: float, served: float, idle: float, seconds: float, spent: dict[str, float]) -> None:
    kinds: collections.Counter[str] = collections.Counter()
    size: collections.Counter[str] = collections.Counter()
    known: dict[tuple[int, ...], bytes] = {}
    same = 0
    for message, length in heard:
        kinds[name := _kind(message)] += 1
        size[name] += length
        if message.WhichOneof("type") == "delta":
            place, content = tuple(message.metadata.delta_path), message.delta.SerializeToString()
            same += known.get(place) == content
            known[place] = content
    print(f"{seconds:.0f} s, a refresh every {seconds / count:.1f} s, {_script_runs(heard) / count:.2f} script runs for each; on average:")
    print(f"  {len(heard) / count:.1f} messages, {sum(size.values()) / count / 1000:.1f} kB, {same / count:.1f} of them as before")
    print(f"  browser {used / count:.3f} s of a processor ({used / seconds:.1%} of a core)")
    print("    main thread of the page: " + ", ".join(f"{name} {value / count:.3f} s" for name, value in spent.items()))
    print(f"  server {served / count - idle * seconds / count:.3f} s ({served / seconds:.1%} of a core; {idle:.1%} without a page)")
    for name, number in kinds.most_common():
        print(f"    {number / count:6.1f}  {size[name] / count / 1000:7.1f} kB  {name}")


def _script_runs(heard: list[tuple[ForwardMsg, int]]) -> int:
    return sum(message.WhichOneof("type") == "script_finished" for message, _ in heard)


def _parsed(payload: bytes) -> ForwardMsg:
    message = ForwardMsg()
    message.ParseFromString(payload)
    return message


def _kind(message: ForwardMsg) -> str:
    kind = message.WhichOneof("type")
    if kind != "delta":
        return str(kind)
    delta = message.delta
    return f"{delta.WhichOneof('type')} {delta.new_element.WhichOneof('type') if delta.HasField('new_element') else ''}".strip()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
