"""A disk that is really full: runs on a small tmpfs that is filled to the last byte at random moments.

    python -m benchmarks.disturbed.full_disk [--times 10] [--seed 0]        (needs the right to mount)

Each run trains in another process. After it was filled the disk stays so for three seconds, then there is room again. The run must read "failed"
with the kind disk_full (or have gone on, where it had ended before), keep every row that was read before, and end bit-identical once resumed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.store import RunStore, open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runs"))
from dashboards import wait_for
from evidence import assert_kept, assert_same, assert_whole, rows_of, small
from victims import Victims

EPOCHS, MEGABYTES, FULL_SECONDS = 20, 24, 3.0


def fill(path: Path) -> None:
    """Write until there is no byte left."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def one(store: RunStore, victims: Victims, reference: str, moment: float) -> str:
    """What the run read after the disk had been full."""
    run, filler = store.create(small("dwa", epochs=EPOCHS)), store.home.parent / "filler"
    victims.start(store.home, run.id)
    wait_for(lambda: store.get(run.id).step > 0)
    time.sleep(moment)
    before = rows_of(store, run.id)
    fill(filler)
    time.sleep(FULL_SECONDS)
    filler.unlink()
    wait_for(lambda: store.get(run.id).status.is_ended())
    ended = store.get(run.id)
    assert_whole(store)
    assert_kept(before, rows_of(store, run.id))
    if ended.status != "finished":
        resume(store, run.id)
        victims.train(store.home, run.id)
    assert_same(store, run.id, reference)
    return ended.failure["kind"] if ended.failure else str(ended.status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance, victims = random.Random(arguments.seed), Victims()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", folder], check=True)
        try:
            store = open_store(Path(folder) / "home")
            reference = store.create(small("dwa", epochs=EPOCHS))
            victims.train(store.home, reference.id)
            found = [one(store, victims, reference.id, chance.uniform(0, 2)) for _ in range(arguments.times)]
        finally:
            victims.close()
            subprocess.run(["umount", "--lazy", folder], check=True)
    print(f"{len(found)} times full: " + ", ".join(f"{found.count(kind)} {kind}" for kind in sorted(set(found))))
    print("every row kept, database whole, bit-identical in the end: all of them")


if __name__ == "__main__":
    main()
