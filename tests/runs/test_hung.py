"""A trainer that hangs: said, given up by hand, resumed beside it in the same process; and when it wakes, it writes nothing."""

import threading

import pytest
from dashboards import wait_for
from evidence import brief, rows_of

from mtl_core.errors import NotPossibleError
from mtl_core.runs import actions, executor
from mtl_core.runs import run_record as run_module
from mtl_core.runs.claims import give_up
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import resume
from mtl_core.training import checkpoints
from mtl_core.training import step as step_module


class Hang:
    """A function whose n-th call does not return until it is woken."""

    def __init__(self, original, number):
        self.original, self.left, self.woken, self.hangs = original, number, threading.Event(), threading.Event()

    def __call__(self, *arguments, **named):
        self.left -= 1
        if self.left == 0:
            self.hangs.set()
            assert self.woken.wait(120)
        return self.original(*arguments, **named)


def everything_of(store, run_id):
    """Rows with their numbers, the log, and every file with its content and time."""
    files = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(store.folder(run_id).rglob("*")) if path.is_file()}
    return store.scalars(run_id).values.tolist(), store.log(run_id), files, store.get(run_id)


@pytest.mark.parametrize("asked", [None, "pause", "stop", "while saving"])
def test_a_hung_run_is_given_up_resumed_and_left_alone_when_it_wakes(store, wholes, monkeypatch, asked):
    monkeypatch.setattr(run_module, "HUNG_SECONDS", 0.2)
    monkeypatch.setattr(executor, "HEARTBEAT_SECONDS", 0.05)
    module, name, number = (checkpoints, "_write_files", 2) if asked == "while saving" else (step_module, "losses_of", 12)
    hang = Hang(getattr(module, name), number)
    monkeypatch.setattr(module, name, hang)
    run = store.create(brief(epochs=3))
    first = threading.Thread(target=execute, args=(store, run.id), daemon=True)
    first.start()
    assert hang.hangs.wait(60)
    wait_for(lambda: store.get(run.id).is_hung)
    if asked in ("pause", "stop"):
        getattr(actions, asked)(store, run.id)
        job = next(iter(executor.process_slot("executing").values()))
        wait_for(lambda: job["control"].pause_requested or job["control"].stop_requested)
    monkeypatch.setattr(executor, "HEARTBEAT_SECONDS", 3600)  # nobody tells it that it was given up: it has to ask
    given_up = give_up(store, run.id)
    assert given_up.status == "interrupted"
    assert "given up by hand after" in store.log(run.id)[-1].text

    monkeypatch.setattr(run_module, "HUNG_SECONDS", 60)
    resume(store, run.id)
    assert execute(store, run.id).status == "finished"
    assert first.is_alive()
    wholes.assert_same(store, run.id)
    before = everything_of(store, run.id)
    hang.woken.set()
    first.join(60)
    assert not first.is_alive()
    assert everything_of(store, run.id) == before


def test_a_run_that_was_just_heard_of_is_not_given_up(store, wholes):
    run, refused = store.create(brief(epochs=1)), []

    def try_it(event):
        if not refused:
            with pytest.raises(NotPossibleError, match="it is not hung; stop it instead") as caught:
                give_up(store, run.id)
            refused.append(caught)

    assert execute(store, run.id, on_event=try_it).status == "finished"
    assert rows_of(store, run.id)
