"""How long lists take with many runs in the store: `python -m benchmarks.many_runs HOME`, after `fill_store`.

Server time without a browser: Streamlit runs the scripts of the pages (AppTest). "first" is after the start of the process, "again" the median of
five. The queue's worker and the import of PyTorch are left out, because nothing trains here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from mtl_core.runs import jobs
from mtl_core.runs.store import open_store

APP = str(Path(__file__).parents[2] / "app.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("home", type=Path)
    home = parser.parse_args().home
    os.environ["MTL_HOME"] = str(home)
    jobs.warm_up, jobs.start_worker, jobs.warmed = lambda: None, lambda store: None, lambda: True
    store = open_store()
    size = sum(path.stat().st_size for path in home.glob("store.sqlite*"))
    print(f"store.sqlite: {size / 1e6:.0f} MB")
    AppTest.from_file(APP, default_timeout=600).switch_page("pages/learn.py").run()  # imports, and what Streamlit does once
    app = AppTest.from_file(APP, default_timeout=600)
    app.switch_page("pages/compare.py")
    report("Compare, first page", app.run)
    assert not app.exception, app.exception
    report("Compare, search for a method", lambda: app.text_input(key="filter.text").set_value(next(WORDS)).run())
    if any(box.key == "compare.sort" for box in app.selectbox):
        turns = iter([f"best of val/{key}" for key in ("count/mae", "boxes/map", "segments/miou", "present/f1")] + ["time", "name", "count/rmse"])
        report("Compare, sort", lambda: app.selectbox(key="compare.sort").set_value(next(turns)).run())
    report("store.runs()", store.runs)
    from ui.status import status_bar

    report("status bar: what it reads", lambda: read_status(store, status_bar))
    run_id = store.runs()[len(store.runs()) // 2].id
    page = AppTest.from_file(APP, default_timeout=600)
    page.query_params["run"] = run_id
    page.switch_page("pages/run.py")
    report("Run page", page.run)


WORDS = iter(["pcgrad", "uncertainty", "cagrad", "fixed", "pcgrad seed", "seed 3", "seed 4"])


def read_status(store: Any, status_bar: Any) -> None:
    """What the status bar asks the store for on an idle machine."""
    store.active()
    store.queued()
    if hasattr(store, "last_ended"):
        store.last_ended()
    else:  # before version 4 of the store
        max((run for run in store.runs() if run.status.is_ended()), key=lambda run: run.finished_at)


def report(what: str, do: Callable[[], Any]) -> None:
    """Print the time of the first call, and the median of five more."""
    times = []
    for _ in range(6):
        began = time.perf_counter()
        do()
        times.append(time.perf_counter() - began)
    print(f"{what}: first {1000 * times[0]:.0f} ms, again {1000 * statistics.median(times[1:]):.0f} ms", flush=True)


if __name__ == "__main__":
    main()
