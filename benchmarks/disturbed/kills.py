"""kill -9, fifty times: after each, is the store whole, the run honest, and is what it becomes in the end the same to the last bit?

    python -m benchmarks.disturbed.kills [--random 3] [--seed 0] [--executors thread process]

For both executors and five kinds of run: kills at moments drawn over the run's measured duration, and kills exactly where they hurt most (between
the files of a checkpoint, between its rename and the index, in the middle of a transaction, of an evaluation, of the preparation of data ...).
A watcher reads the committed rows all the while. After each kill the store is opened anew, every row that was seen must be there once with
its value, the run must read "interrupted", and it is resumed. What has finished is compared with a run that nobody killed: all scalars but their
wall times, the last and the best network, the predictions, the checkpoints that are kept.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_core.config import RunConfig
from mtl_core.runs.jobs import EXECUTORS
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.store import open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runs"))
from evidence import KINDS, Rows, assert_kept, assert_same, assert_whole, rows_of, small
from victims import PATIENCE, Victims, ended

EPOCHS = 8
SCENES = {"data": {"name": "digit_scenes", "train_size": 64, "val_size": 16, "test_size": 16}, "tasks": {"present": {}, "count": {}}}
PLACES = {  # what is going on -> where it strikes
    "an optimizer step": ("mtl_core.training.step:JointStep._step", 100, "before"),
    "a transaction": ("mtl_core.runs.store:write_event", 9, "after"),
    "half of model.safetensors": ("mtl_core.training.checkpoints:write_synced", 7, "half"),
    "half of state.pt": ("mtl_core.training.checkpoints:write_synced", 8, "half"),
    "checkpoint whole, not in its place": ("mtl_core.training.checkpoints:_write_files", 3, "after"),
    "checkpoint in its place, not in the index": ("mtl_core.training.checkpoints:update_index", 4, "before"),
    "index written, old checkpoints there": ("shutil:rmtree", 2, "before"),
    "half of a probe file": ("numpy:savez_compressed", 4, "half"),
    "an evaluation": ("mtl_core.training.evaluation:labelled_part", 40, "before"),
    "the preparation of data": ("mtl_core.data.prepare:_write_split", 2, "before"),
}


@dataclass
class Kill:
    """One kill and what came of it."""

    executor: str
    kind: str
    place: str
    seconds: float = 0.0  # until the run read "interrupted"
    fault: str = ""  # what was wrong afterwards


class Bench:
    """One home, one process that forks victims, and every kill so far."""

    def __init__(self, home: Path, victims: Victims):
        self.home, self.victims, self.store = home, victims, open_store(home)
        self.references: dict[str, tuple[str, float]] = {}
        self.kills: list[Kill] = []

    def reference(self, kind: str, config: RunConfig) -> tuple[str, float]:
        """A run that nobody kills, and how long it takes."""
        if kind not in self.references:
            run = self.store.create(config)
            started = time.perf_counter()
            self.victims.train(self.home, run.id)
            self.references[kind] = run.id, time.perf_counter() - started
        return self.references[kind]

    def random_kills(self, executor: str, kind: str, count: int, chance: random.Random) -> None:
        """Kills at moments drawn over the run's duration; each resumed run is killed again until it finishes first."""
        reference, seconds = self.reference(kind, small(kind, epochs=EPOCHS))
        done: list[Kill] = []
        while len(done) < count:
            run, of_this = self.store.create(small(kind, epochs=EPOCHS)), []
            while len(done) + len(of_this) < count:
                kill, moment = Kill(executor, kind, "a random moment"), chance.uniform(0, seconds)
                if not self._kill(run.id, kill, lambda pid, moment=moment: ended(pid, moment)):
                    break  # it was faster
                of_this.append(kill)
            self._finish(run.id, reference, of_this, executor)
            done += of_this
        self.kills += done

    def placed_kill(self, executor: str, kind: str, place: str) -> None:
        """One kill exactly there."""
        config = small(kind, epochs=EPOCHS, **(SCENES if "data" in place else {}))
        reference, _ = self.reference(f"{kind} {place}" if "data" in place else kind, config)
        if "data" in place:
            for folder in (self.home / "data").glob("digitscenes-*"):
                folder.rename(folder.with_name(f"{folder.name}-{len(self.kills)}"))
        call, number, how = PLACES[place]
        kill = Kill(executor, kind, place)
        run = self.store.create(config)
        if not self._kill(run.id, kill, lambda pid: ended(pid, PATIENCE), {"call": call, "number": number, "how": how}):
            kill.fault = "it was not killed"
        self._finish(run.id, reference, [kill], executor)
        self.kills.append(kill)

    def _kill(self, run_id: str, kill: Kill, until: Callable[[int], bool], fault: dict[str, Any] | None = None) -> bool:
        """Train, watched, until it is killed; False where it has finished before."""
        pid = self.victims.start(self.home, run_id, kill.executor, fault)
        seen = self._watch(run_id, pid, until)
        looked = time.perf_counter()
        run = self.store.get(run_id)
        if run.status == "finished":
            return False
        kill.seconds = time.perf_counter() - looked
        try:
            assert_whole(self.store)
            assert_kept(seen, rows_of(self.store, run_id))
            if run.status == "queued":  # killed before it was taken
                return True
            assert run.status == "interrupted", f"the run reads {run.status}"
            resume(self.store, run_id)
        except Exception as error:
            kill.fault = f"{type(error).__name__}: {error}"
        return True

    def _watch(self, run_id: str, pid: int, until: Callable[[int], bool]) -> Rows:
        """Every row that could be read while the victim lived."""

        seen: Rows = {}
        gone = threading.Event()

        def read() -> None:
            last = 0
            while not gone.wait(0.02):
                frame = self.store.scalars(run_id, after=last)
                seen.update({(row.key, row.step): row.value for row in frame.itertuples()})
                last = int(frame["row"].max()) if len(frame) else last

        reader = threading.Thread(target=read)
        reader.start()
        if not until(pid):
            os.kill(pid, signal.SIGKILL)
            assert ended(pid, PATIENCE)
        gone.set()
        reader.join()
        return seen

    def _finish(self, run_id: str, reference: str, kills: list[Kill], executor: str) -> None:
        if self.store.get(run_id).status == "queued":
            self.victims.train(self.home, run_id, executor)
        try:
            assert_same(self.store, run_id, reference)
        except AssertionError as error:
            for kill in kills:
                kill.fault = kill.fault or f"not the same in the end: {error}"


def report(kills: list[Kill]) -> None:
    """The tables of benchmarks/README.md."""
    ways = {"killed in": lambda kill: kill.place, "run": lambda kill: kill.kind, "executor": lambda kill: kill.executor}
    for title, of in ways.items():
        print(f"\n| {title} | kills | whole, kept, interrupted, resumed, bit-identical | longest look until 'interrupted' |\n|---|---|---|---|")
        groups = Counter(map(of, kills))
        for name, count in groups.items():
            group = [kill for kill in kills if of(kill) == name]
            print(f"| {name} | {count} | {sum(not kill.fault for kill in group)} | {max(kill.seconds for kill in group):.3f} s |")
    for kill in kills:
        if kill.fault:
            print(f"FAILED: {kill.executor}, {kill.kind}, {kill.place}: {kill.fault}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=3, help="kills at random moments for each kind of run and executor")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executors", nargs="+", choices=EXECUTORS, default=EXECUTORS, help="one of them is half of the kills")
    arguments = parser.parse_args()
    kinds, victims = list(KINDS), Victims()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "home", victims)
        try:
            for offset, executor in enumerate(EXECUTORS):
                if executor not in arguments.executors:
                    continue
                chance = random.Random(f"{arguments.seed} {executor}")
                for kind in kinds:
                    bench.random_kills(executor, kind, arguments.random, chance)
                for number, place in enumerate(PLACES):
                    bench.placed_kill(executor, kinds[(number + offset) % len(kinds)], place)
        finally:
            victims.close()
        report(bench.kills)
    print(f"\n{len(bench.kills)} kills in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
