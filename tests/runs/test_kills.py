"""kill -9 while a run trains: nothing committed is lost, the run says so, and goes on to the same numbers.

``benchmarks/disturbed/kills.py`` does it 50 times.
"""

import os
import signal
import threading
import time

import pytest
from evidence import assert_kept, assert_whole, brief, rows_of, small
from victims import PATIENCE, ended

from mtl_core.runs.resume_and_fork import resume

STRIKES = [
    ("thread", "plain", None),
    ("process", "uncertainty", ("mtl_core.training.checkpoints:write_synced", 5, "half")),  # of the second checkpoint's state.pt
    ("thread", "dwa", ("mtl_core.training.checkpoints:update_index", 2, "before")),
    ("process", "pcgrad", ("mtl_core.training.evaluation:labelled_part", 20, "before")),
    ("thread", "scheduled", ("mtl_core.runs.store:write_event", 9, "after")),  # in a transaction
]


def watched_until(store, run_id, seen, enough):
    """Read committed rows into ``seen`` until there are enough."""
    deadline = time.monotonic() + PATIENCE
    while not enough(seen):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
        seen.update(rows_of(store, run_id))


@pytest.mark.parametrize(("executor", "kind", "strike"), STRIKES, ids=[f"{executor}-{kind}" for executor, kind, _ in STRIKES])
def test_a_killed_run_goes_on_to_the_same_numbers(store, home, victims, wholes, executor, kind, strike):
    run, seen = store.create((brief if strike else small)(kind, epochs=3)), {}  # nothing says when the plain one dies: it must last
    fault = strike and dict(zip(("call", "number", "how"), strike, strict=True))
    pid = victims.start(home, run.id, executor, fault)
    watched_until(store, run.id, seen, lambda rows: any(key.startswith("val/") for key, _ in rows))
    if not fault:
        os.kill(pid, signal.SIGKILL)
    assert ended(pid, PATIENCE)

    killed = store.get(run.id)
    assert killed.status == "interrupted"
    assert 1 <= killed.epoch < 3
    assert f"interrupted at epoch {killed.epoch:.4g}" in store.log(run.id)[-1].text
    assert_whole(store)
    assert_kept(seen, rows_of(store, run.id))

    resume(store, run.id)
    victims.train(home, run.id, executor)
    wholes.assert_same(store, run.id)
