"""Steps per second of a run in the dashboard's background thread with no browser, one and three browsers watching it.

    python -m benchmarks.waiting.viewers [--seconds 25] [--rounds 3]

One server, one long run; the number of viewers changes while it trains (0, 1, 3, 3, 1, 0, ...), so that all three see the same machine. A
phase's speed is its steps over the time between the run's own step records, which leaves out the evaluations between epochs. The Chromiums run
on the same cores as the training, drawing in software, so their own work is in the ratio too; it is printed beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil
from playwright.sync_api import Browser, sync_playwright

from mtl_core.presets import get_preset
from mtl_core.runs import actions
from mtl_core.runs.store import open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "browser"))
from conftest import FLAGS, Server

VIEWERS = (0, 1, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "home", Path(folder) / "log")
        try:
            browser = playwright.chromium.launch(executable_path=arguments.chromium, args=FLAGS)
            measure(server, browser, arguments)
        finally:
            server.close()


def measure(server: Server, browser: Browser, arguments: argparse.Namespace) -> None:
    store = open_store(server.home)
    run = store.create(get_preset("digit-scenes").config.with_overrides(["epochs=500"]))
    first = browser.new_page()
    first.goto(server.url)  # a first visit makes the server take queued runs
    while len(store.scalars(run.id)) < 500:
        time.sleep(1)
    first.close()
    phases: list[tuple[int, float, float, float]] = []
    for number in range(arguments.rounds):
        for viewers in VIEWERS if number % 2 == 0 else VIEWERS[::-1]:
            contexts = [browser.new_context(viewport={"width": 1280, "height": 900}) for _ in range(viewers)]
            for context in contexts:
                context.new_page().goto(f"{server.url}/run?run={run.id}")
            time.sleep(6)  # opening a page is not watching it
            start, used = _now(store, run.id), browsers_cpu()
            time.sleep(arguments.seconds)
            phases.append((viewers, start, _now(store, run.id), (browsers_cpu() - used) / arguments.seconds))
            for context in contexts:
                context.close()
    actions.stop(store, run.id)
    report(store.scalars(run.id), phases)


def browsers_cpu() -> float:
    """CPU seconds so far of all browser processes that this one started."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "chrom" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
    return total


def _now(store, run_id: str) -> float:
    """The run's clock: seconds since it started."""
    return time.time() - store.get(run_id).started_at


def report(scalars: pd.DataFrame, phases: list[tuple[int, float, float, float]]) -> None:
    steps = scalars[scalars["key"] == "optimizer/loss"].drop_duplicates("step").sort_values("step")
    place = steps["epoch"].sub(1e-9) // 1
    steps = steps.assign(seconds=steps["wall_time"].diff(), count=steps["step"].diff())[place == place.shift()]
    speeds: dict[int, list[float]] = {viewers: [] for viewers in VIEWERS}
    shares: dict[int, list[float]] = {viewers: [] for viewers in VIEWERS}
    for viewers, start, end, share in phases:
        inside = steps[(steps["wall_time"] > start) & (steps["wall_time"] < end)]
        speeds[viewers].append(inside["count"].sum() / inside["seconds"].sum())
        shares[viewers].append(share)
    alone = statistics.median(speeds[0])
    for viewers in VIEWERS:
        speed, share = statistics.median(speeds[viewers]), statistics.median(shares[viewers])
        each = ", ".join(f"{value:.1f}" for value in speeds[viewers])
        print(f"{viewers} browsers: {speed:.1f} steps/s, {speed / alone:.2f} of none; the browsers took {share:.0%} of a core   (phases: {each})")


if __name__ == "__main__":
    main()
