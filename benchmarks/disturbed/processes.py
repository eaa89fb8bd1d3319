"""Four processes on one store: two servers, a command line that trains, and people who pause, stop, rename and queue all the while.

    python -m benchmarks.disturbed.processes [--seconds 40] [--seed 0]

Printed: how many runs there were, how many were taken twice or side by side on the one device, how many requests met a locked database, and how long
stop and pause took from the request to the state.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

from mtl_core.errors import NotPossibleError
from mtl_core.runs import actions
from mtl_core.runs.store import RunStore, open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runs"))
from dashboards import wait_for
from evidence import KINDS, assert_whole, small
from victims import Victims

WAITING = 6  # runs in the queue, always
PAUSE = 6.0  # seconds between two runs of the command line


class People:
    """Threads that ask for things; what went wrong, and how long it took."""

    def __init__(self, store: RunStore, until: float, chance: random.Random):
        self.store, self.until, self.chance = store, until, chance
        self.troubles: list[str] = []
        self.times: dict[str, list[float]] = {"stop": [], "pause": []}
        self.threads = [threading.Thread(target=self._act, args=(what,)) for what in (self._queue, self._interfere, self._describe)]
        for thread in self.threads:
            thread.start()

    def _act(self, what) -> None:
        while time.monotonic() < self.until:
            try:
                what()
            except NotPossibleError:
                pass  # it had ended meanwhile
            except Exception as error:
                self.troubles.append(f"{type(error).__name__}: {error}")
            time.sleep(0.02)

    def _queue(self) -> None:
        if len(self.store.queued()) < WAITING:
            self.store.create(small(self.chance.choice(list(KINDS)), epochs=self.chance.choice((1, 4, 400))))

    def _interfere(self) -> None:
        running = [run for run in self.store.active() if run.status == "running" and run.step]
        if not running:
            return
        run, kind = self.chance.choice(running), self.chance.choice(("pause", "stop", "stop"))
        asked = time.monotonic()
        getattr(actions, kind)(self.store, run.id)
        wait_for(lambda: self.store.get(run.id).status == "paused" or self.store.get(run.id).status.is_ended())
        self.times[kind].append(time.monotonic() - asked)
        if self.store.get(run.id).status == "paused":
            actions.proceed(self.store, run.id)

    def _describe(self) -> None:
        run = self.chance.choice(self.store.runs() or [None])
        if run:
            actions.rename(self.store, run.id, f"named {self.chance.random():.3f}")
            self.store.note(run.id, "info", "noted")
            self.store.summary(run.id)


def command_lines(home: Path, until: float) -> None:
    """Runs from the command line, every now and then: they don't wait for the device, and have the queue wait."""
    config = home / "config.yaml"
    config.write_text(small(epochs=2, name="command line").to_yaml())
    environment = {**os.environ, "MTL_HOME": str(home), "OMP_NUM_THREADS": "1"}
    while time.monotonic() < until:
        done = subprocess.run([sys.executable, "-m", "mtl_core", "train", str(config)], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 130), done.stderr
        time.sleep(PAUSE)


def report(store: RunStore, people: People, log: str) -> None:
    runs = sorted((run for run in store.runs() if run.started_at), key=lambda run: run.started_at)
    starts = [sum(line.text.startswith("training starts on") for line in store.log(run.id)) for run in runs]
    queued = [run for run in runs if run.config.name != "command line"]
    beside = sum(later.started_at < earlier.finished_at for earlier, later in pairwise(queued))
    states = [str(run.status) for run in runs]
    print(f"{len(runs)} runs: " + ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))))
    print(f"taken twice: {sum(count > 1 for count in starts)}; of the queue, side by side on the one device: {beside}")
    print(f"requests that went wrong: {len(people.troubles)} {people.troubles[:2]}; 'locked' in the servers' logs: {log.count('locked')}")
    for kind, seconds in people.times.items():
        print(f"{kind}: {len(seconds)} times, median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s")
    assert_whole(store)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    victims = Victims()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "home")
        store.create(small(epochs=1))
        until = time.monotonic() + arguments.seconds
        for _ in range(2):
            victims.start(store.home, "")
        people = People(store, until, random.Random(arguments.seed))
        command_lines(store.home, until)
        for thread in people.threads:
            thread.join()
        for run in store.queued():
            actions.stop(store, run.id)
        for run in store.active():
            actions.stop(store, run.id)
        wait_for(lambda: all(run.status.is_ended() for run in store.runs()))
        victims.close()
        report(store, people, (store.home / "victims.log").read_text())


if __name__ == "__main__":
    main()
