"""Thirty short runs in a row in one real server, with a Chromium watching: what is left behind of each?

    python -m benchmarks.disturbed.soak [--runs 30] [--ttl 120]

Each run trains in the server's background thread while its page is open; when it has ended, the page goes to the next one. Printed after each:
the server's memory (RSS), threads and open files. In the end the ratio of the memory after the last run to that after the fifth.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright

from mtl_core.runs.store import RunStore, open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runs"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "browser"))
from conftest import FLAGS, Server
from evidence import SCENES, small

SETTLE = 3.0  # seconds, for the page's last refresh and the threads that end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--ttl", type=int, default=120, help="seconds for which Streamlit keeps a session that has left")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        options = ("--server.disconnectedSessionTTL", str(arguments.ttl))
        server = Server(Path(folder) / "home", Path(folder) / "log", options=options, OMP_NUM_THREADS="1")
        try:
            browser = playwright.chromium.launch(executable_path=arguments.chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 1500})
            page.set_default_timeout(120_000)
            page.goto(server.url)
            store = open_store(server.home)
            measured = [one_run(server, store, page, number) for number in range(1, arguments.runs + 1)]
            measured.append(when_sessions_have_left(server, store, page, arguments.runs + 1, arguments.ttl))
        finally:
            server.close()
    report(measured)


def when_sessions_have_left(server: Server, store: RunStore, page: Page, number: int, ttl: int) -> tuple[float, int, int]:
    """One more run, after Streamlit has let go of the sessions that were closed.

    Each has an event loop (3 handles). When their time is over they stay until another page is closed.
    """
    page.goto("about:blank")
    time.sleep(ttl + SETTLE)
    page.goto(server.url)
    page.get_by_role("link", name="Compare", exact=True).first.wait_for()
    page.goto("about:blank")
    return one_run(server, store, page, number)


def one_run(server: Server, store: RunStore, page: Page, number: int) -> tuple[float, int, int]:
    """MB of memory, threads and open files of the server once a watched run has ended."""
    run = store.create(small("uncertainty", epochs=5, **SCENES, name=f"number {number}"))
    page.goto(f"{server.url}/run?run={run.id}")
    page.get_by_role("heading", name="On the test images").first.wait_for()
    assert store.get(run.id).status == "finished"
    time.sleep(SETTLE)
    process = psutil.Process(server.process.pid)
    found = process.memory_info().rss / 2**20, process.num_threads(), process.num_fds()
    print(f"run {number:2d}: {found[0]:6.0f} MB, {found[1]} threads, {found[2]} open files", flush=True)
    return found


def report(measured: list[tuple[float, int, int]]) -> None:
    """The fifth beside the last."""
    first, fifth, last, later = measured[0], measured[min(4, len(measured) - 1)], measured[-2], measured[-1]
    print(
        f"\nmemory after the last / after the fifth: {last[0] / fifth[0]:.3f}; one more run after the sessions have left: {later[0] / fifth[0]:.3f}"
    )
    print(f"threads: first {first[1]}, fifth {fifth[1]}, last {last[1]}, one more {later[1]}")
    print(f"open files: first {first[2]}, fifth {fifth[2]}, last {last[2]}, one more {later[2]}")


if __name__ == "__main__":
    main()
