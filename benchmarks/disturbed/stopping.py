"""How long a run takes to do what it is asked, by what it is just doing: from the request in the store to the state.

    python -m benchmarks.disturbed.stopping [--times 5] [--seed 0]

Digit scenes with all four tasks and 1,000 images to measure on, so that an evaluation takes longer than an epoch's steps; the run trains in a
background thread. Asked at random moments of the steps and of the evaluation, whose last part only computes metrics.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from mtl_core.runs import actions
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.store import RunStore, open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runs"))
from dashboards import wait_for
from evidence import SCENES, small

DATA = {"name": "digit_scenes", "train_size": 512, "val_size": 1000, "test_size": 16, "max_digits": 4}


class Phases:
    """Told every event of a run: when its steps and its evaluations began, and how long the last of each took."""

    def __init__(self) -> None:
        self.now, self.since, self.took, self.begun = "", 0.0, {"training steps": 0.0, "an evaluation": 0.0}, threading.Event()

    def see(self, event: object) -> None:
        kind = type(event).__name__
        steps = int(event.epoch) if kind == "StepScalars" and event.epoch == int(event.epoch) and event.epoch else 0
        if kind in ("RunStarted", "CheckpointSaved"):
            self._begin("training steps")
        elif steps:  # of a whole epoch
            self._begin("an evaluation")

    def _begin(self, phase: str) -> None:
        moment = time.monotonic()
        if self.now and self.now != phase:
            self.took[self.now] = moment - self.since
        self.now, self.since = phase, moment
        self.begun.set()


def ask(store: RunStore, run_id: str, phases: Phases, phase: str, kind: str, share: float) -> float:
    """Ask when this share of the phase has gone by; seconds until it is done."""
    wait_for(lambda: phases.now == phase)
    time.sleep(max(phases.since + share * phases.took[phase] - time.monotonic(), 0.0))
    asked = time.monotonic()
    getattr(actions, kind)(store, run_id)
    state = {"pause": "paused", "stop": "stopped"}[kind]
    wait_for(lambda: store.get(run_id).status == state)
    return time.monotonic() - asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        run, phases = store.create(small(epochs=1000, keep_checkpoints=0, **{**SCENES, "data": DATA})), Phases()

        def train() -> threading.Thread:
            thread = threading.Thread(target=execute, args=(store, run.id), kwargs={"on_event": phases.see}, daemon=True)
            thread.start()
            return thread

        thread = train()
        wait_for(lambda: all(phases.took.values()), patience=600)
        print("one epoch: " + ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in phases.took.items()))
        print("\n| asked to | while | times | median | longest |\n|---|---|---|---|---|")
        for phase in phases.took:
            for kind in ("pause", "stop"):
                seconds = []
                for _ in range(arguments.times):
                    seconds.append(ask(store, run.id, phases, phase, kind, chance.uniform(0, 0.95)))
                    if kind == "pause":
                        actions.proceed(store, run.id)
                    else:
                        thread.join()
                        phases.now = ""
                        resume(store, run.id)
                        thread = train()
                    wait_for(lambda: store.get(run.id).status == "running")
                print(f"| {kind} | {phase} | {len(seconds)} | {statistics.median(seconds):.2f} s | {max(seconds):.2f} s |", flush=True)
        actions.stop(store, run.id)
        thread.join()


if __name__ == "__main__":
    main()
