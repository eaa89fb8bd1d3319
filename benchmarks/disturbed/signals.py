"""SIGTERM and SIGINT to the real server while a run trains: how long until it has ended, and what is left.

    python -m benchmarks.disturbed.signals [--executors thread process] [--busy 0]

For both executors: in training steps, in evaluations, while data are prepared, while paused, and with a second signal. After each: the run must read
"interrupted" with its state saved, a second one must still be queued, no process may be left; then a new server resumes the first and finishes both.
--busy makes the machine crowded: so many programs compute all the while.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from signal import SIGINT, SIGTERM

from mtl_core.config import RunConfig
from mtl_core.runs import actions
from mtl_core.runs.jobs import EXECUTORS
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.store import RunStore, open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runs"))
from dashboards import Dashboard, wait_for
from evidence import small

LARGE = {"data": {"name": "digit_scenes", "train_size": 6000, "val_size": 64, "test_size": 64}, "tasks": {"present": {}}, "batch_size": 512}
PHASES = {
    "training steps": small(epochs=60, keep_checkpoints=0),
    "evaluations": small(epochs=150, batch_size=1258, keep_checkpoints=0),  # one step to three batches of evaluation
    "preparing data": small(epochs=1, **LARGE),
    "paused": small(epochs=60, keep_checkpoints=0),
}
SIGNALS = {"SIGTERM": (SIGTERM,), "SIGINT": (SIGINT,), "SIGINT twice": (SIGINT, SIGINT)}


def reach(store: RunStore, run_id: str, phase: str) -> None:
    """Wait until the run is in this phase."""
    if phase == "preparing data":
        wait_for(lambda: store.get(run_id).status == "running" and any((store.home / "data").glob(".preparing-*/train")))
        return
    wait_for(lambda: store.get(run_id).step > 0)
    if phase == "paused":
        actions.pause(store, run_id)
        wait_for(lambda: store.get(run_id).status == "paused")


def measure(executor: str, phase: str, config: RunConfig, name: str, folder: Path) -> None:
    store = open_store(folder / "home")
    run, waiting = store.create(config), store.create(small(epochs=1))
    dashboard = Dashboard(store.home, executor)
    reach(store, run.id, phase)
    seconds, left = dashboard.end(*SIGNALS[name], pause=0.3)
    found, kept = store.get(run.id), store.get(waiting.id).status
    saved = any("checkpoint saved" in line.text for line in store.log(run.id)) or phase == "preparing data"
    honest = found.status == "interrupted" and kept == "queued" and saved and not left
    print(f"| {executor} | {phase} | {name} | {seconds:.1f} | {found.status} | {kept} | {len(left)} |", end="", flush=True)
    if found.status == "interrupted":
        resume(store, run.id)
    started, again = time.perf_counter(), Dashboard(store.home, executor)
    wait_for(lambda: all(store.get(each.id).status.is_ended() for each in (run, waiting)))
    ends = {store.get(each.id).status.value for each in (run, waiting)}
    again.end(SIGTERM)
    print(f" {', '.join(ends)} ({time.perf_counter() - started:.0f} s) |{'' if honest and ends == {'finished'} else ' FAILED'}", flush=True)
    if not honest:
        print([line.text for line in store.log(run.id)][-5:], dashboard.process.returncode, dashboard.log.read_text()[-1500:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executors", nargs="+", choices=EXECUTORS, default=EXECUTORS)
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES))
    parser.add_argument("--busy", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    crowd = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.busy)]
    try:
        measure_all(arguments.executors, arguments.phases)
    finally:
        for program in crowd:
            program.kill()


def measure_all(executors: Iterable[str], phases: Iterable[str]) -> None:
    print("| executor | while | signal | s until ended | run | queued one | processes left | after a new start |\n|---|---|---|---|---|---|---|---|")
    for executor in executors:
        for phase in phases:
            signals = list(SIGNALS)[list(PHASES).index(phase) % 3]
            with tempfile.TemporaryDirectory() as folder:
                measure(executor, phase, PHASES[phase], signals, Path(folder))


if __name__ == "__main__":
    main()
