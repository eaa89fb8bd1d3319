"""Several workers on one PostgreSQL store, killed at random: is every run finished once, none lost or doubled, and each as if undisturbed?

    python -m benchmarks.many_runs.shared_store [--workers 4] [--runs 200] [--kills 20] [--freezes 2] [--restarts 1] [--seed 0]

Each worker is a process that takes itself to be on a machine of its own, so that all train at the same time and a dead one is noticed by its silence,
as on real machines. Kills strike at drawn moments. The worker that follows is on the same machine, or (every second time) on another one, as after
the death of a machine. A frozen worker (SIGSTOP) goes on once its run has finished elsewhere. The server restarts while runs train. What is
interrupted is resumed. In the end every run is compared with one that nobody disturbed: all scalars, the last and the best network, the predictions.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runs"))
from evidence import KINDS, Wholes, brief
from postgres_server import Server
from sqlalchemy import select
from victims import PATIENCE, Victims, ended

from mtl_core.errors import MTLError
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.postgres_database import open_postgres
from mtl_core.runs.store import RunStore

EPOCHS = 4


class Workers:
    """Processes that work on the store's queue, each under the name of a machine of its own."""

    def __init__(self, home: Path, url: str, victims: Victims, count: int):
        self.home, self.url, self.victims = home, url, victims
        self.machines = list(range(count))
        self.pids = [self._start(machine) for machine in self.machines]
        self.frozen: dict[int, str] = {}  # process -> its run, or empty

    def _start(self, machine: int) -> int:
        return self.victims.start(self.home, "", "thread", url=self.url, host=f"machine-{machine}")

    def kill(self, place: int, with_machine: bool) -> None:
        """End one with SIGKILL, and start another in its place, on a new machine if the old one is to be gone too."""
        os.kill(self.pids[place], signal.SIGKILL)
        assert ended(self.pids[place], PATIENCE)
        self._replace(place, with_machine)

    def freeze(self, place: int, store: RunStore) -> None:
        """Stop one without ending it, and start another on another machine."""
        pid = self.pids[place]
        os.kill(pid, signal.SIGSTOP)
        held = [run.id for run in store.active() if (owner := store.owner(run.id)) and owner.pid == pid]
        self.frozen[pid] = held[0] if held else ""
        self._replace(place, with_machine=True)

    def wake(self, finished: set[str]) -> int:
        """Have the frozen ones go on whose run has finished elsewhere. Returns how many."""
        woken = [pid for pid, run in self.frozen.items() if not run or run in finished]
        for pid in woken:
            del self.frozen[pid]
            os.kill(pid, signal.SIGCONT)
        return len(woken)

    def _replace(self, place: int, with_machine: bool) -> None:
        if with_machine:
            self.machines[place] = max(self.machines) + 1
        self.pids[place] = self._start(self.machines[place])

    def replace_ended(self) -> None:
        """Start another for each that has ended by itself: it saw an empty queue."""
        for place, pid in enumerate(self.pids):
            if ended(pid, 0):
                self._replace(place, with_machine=False)

    def lives(self, pid: int) -> bool:
        """Whether a process is one of the workers and works."""
        return pid in self.pids and not ended(pid, 0)


def stress(store: RunStore, server: Server, workers: Workers, arguments: argparse.Namespace) -> Counter[str]:
    """Kill and restart until every run has finished. Returns what happened, counted."""
    chance, happened = random.Random(arguments.seed), Counter()
    total = store.count()
    marks = sorted(chance.sample(range(1, total), min(arguments.kills, total - 1)))  # kills, by the number of runs that have finished
    freezes = sorted(chance.sample(range(1, total // 2), min(arguments.freezes, total // 2 - 1)))
    restarts = [total * (number + 1) // (arguments.restarts + 1) for number in range(arguments.restarts)]
    while (finished := len(done := {run.id for run in store.runs() if run.status == "finished"})) < total or workers.frozen:
        if marks and finished >= marks[0]:
            marks.pop(0)
            threading.Event().wait(chance.uniform(0, 1))
            happened["kills"] += 1
            workers.kill(chance.randrange(len(workers.pids)), with_machine=happened["kills"] % 2 == 0)
        if freezes and finished >= freezes[0]:
            freezes.pop(0)
            workers.freeze(chance.randrange(len(workers.pids)), store)
            happened["frozen"] += 1
        happened["frozen ones that went on"] += workers.wake(done)
        if restarts and finished >= restarts[0]:
            restarts.pop(0)
            server.stop()
            server.start()
            happened["restarts of the server"] += 1
        for run in store.runs():
            if run.status in ("interrupted", "failed"):
                try:
                    owner = store.owner(run.id)
                    resume(store, run.id)
                    happened[f"resumed after it was {run.status}"] += 1
                    happened["of them with a live holder"] += owner is not None and run.status == "interrupted" and workers.lives(owner.pid)
                except MTLError:
                    happened["going on by itself at the second look"] += 1
        workers.replace_ended()
        threading.Event().wait(0.5)
    return happened


def leases_of(store: RunStore) -> str:
    """The shortest, the median and the longest lease of the runs in the end, in seconds."""
    with store.database.read() as connection:
        found = sorted(connection.execute(select(schema.runs.c.lease_seconds)).scalars())
    return f"{found[0]:.0f} s, {found[len(found) // 2]:.0f} s, {found[-1]:.0f} s"


def check(store: RunStore, home: Path, runs: Sequence[Run]) -> list[str]:
    """Every fault of these runs in the end."""
    os.environ.pop("MTL_STORE_URL", None)  # the undisturbed runs have a store of their own, out of reach of the other's workers
    wholes, faults = Wholes(home), []
    for run in runs:
        ends = sum(line.text.startswith("finished after") for line in store.log(run.id))
        if ends != 1:
            faults.append(f"{run.id} finished {ends} times")
        try:
            wholes.assert_same(store, run.id)
        except AssertionError as error:
            faults.append(f"{run.id} is another one: {error}")
    return faults


def main() -> None:
    """Run the stress and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("workers", 4), ("runs", 200), ("kills", 20), ("freezes", 2), ("restarts", 1), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = Path(tempfile.mkdtemp(prefix="mtl-pg-", dir="/tmp"))  # a socket's path has at most 107 characters
    folder.chmod(0o755)
    (folder / "server").mkdir()
    (folder / "home").mkdir()
    server, victims = Server(folder / "server"), Victims()
    try:
        server.start()
        store = RunStore(folder / "home", open_postgres(server.url, folder / "home"))
        kinds = list(KINDS)
        for number in range(arguments.runs):
            store.create(brief(kinds[number % len(kinds)], epochs=EPOCHS))
        began = time.monotonic()
        workers = Workers(folder / "home", server.url, victims, arguments.workers)
        happened = stress(store, server, workers, arguments)
        seconds = time.monotonic() - began
        leases = leases_of(store)
        faults = check(store, folder / "wholes", store.runs())
        print(f"| workers | runs | {' | '.join(happened)} | seconds | faults |")
        print(f"|{'---|' * (len(happened) + 4)}")
        print(f"| {arguments.workers} | {arguments.runs} | {' | '.join(map(str, happened.values()))} | {seconds:.0f} | {len(faults)} |")
        print("\n".join(faults))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"processor time of what has ended: {used.ru_utime + used.ru_stime:.0f} s; load {os.getloadavg()[0]:.0f}; leases {leases}")
    finally:
        victims.close()
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
