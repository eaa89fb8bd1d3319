"""A run that a program trains itself: what is recorded, and how it ends when it fails or is stopped."""

import sys

import pytest

from mtl_core.events import Control, RunStarted
from mtl_core.runs import actions, jobs


def test_execute_tells_an_observer_every_event_after_it_was_recorded(store, config, engine):
    run = store.create(config())
    seen = []
    ended = jobs.execute(store, run.id, on_event=lambda event: seen.append((type(event).__name__, store.get(run.id).status.value)))
    assert [name for name, _ in seen][:2] == ["Message", "RunStarted"]
    assert seen[-1] == ("RunEnded", "finished")
    assert {status for _, status in seen[:-1]} == {"running"}
    assert (ended.status, ended.progress, ended.failure) == ("finished", 1.0, None)
    assert store.summary(run.id)["val/digit/accuracy"]["best"] == 0.8


def test_a_run_that_was_stopped_or_trained_is_not_trained_again(store, config, engine):
    stopped = store.create(config())
    actions.stop(store, stopped.id)
    assert jobs.execute(store, stopped.id).status == "stopped"
    finished = jobs.execute(store, store.create(config()).id)
    rows = len(store.log(finished.id))
    assert jobs.execute(store, finished.id).status == "finished"
    assert len(store.log(finished.id)) == rows


def test_a_stop_through_the_store_reaches_the_trainer(store, config, engine):
    run, control = store.create(config("waits")), Control()

    def stop_when_started(event):
        if isinstance(event, RunStarted):
            assert actions.stop(store, run.id).status == "stopping"

    assert jobs.execute(store, run.id, control, stop_when_started).status == "stopped"
    assert control.reasons == ["asked to stop"]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("bad data", "data", "images.gz ends too early; fetch it again"),
        ("nan", "non_finite", "the loss of task 'digit' is not a number (NaN) at step 2"),
        ("memory", "out_of_memory", "can't allocate memory"),
        ("fault", "bug", "KeyError: 'surprise'"),
        ("silent", "bug", "the trainer ended without a RunEnded event"),
    ],
)
def test_a_failure_says_what_kind_it_is_and_what_to_do(store, config, engine, name, kind, message):
    run = jobs.execute(store, store.create(config(name)).id)
    assert (run.status, run.failure["kind"]) == ("failed", kind)
    assert message in run.failure["message"]
    assert run.failure["cure"].endswith((".", "config."))
    assert run.failure["trace"].startswith("Traceback")
    assert run.finished_at is not None
    assert store.log(run.id)[-1].level == "error"
    assert "Traceback" not in "".join(line.text for line in store.log(run.id))
    assert "Traceback" in (store.folder(run.id) / "log.txt").read_text(encoding="utf-8")


def test_a_full_disk_is_told_apart(store, config, engine):
    def train(*_):
        yield RunStarted(1, {})
        raise OSError(28, "No space left on device")

    sys.modules["mtl_core.training.trainer"].train = train
    assert jobs.execute(store, store.create(config()).id).failure["kind"] == "disk_full"


def test_ctrl_c_in_the_calling_thread_leaves_an_interrupted_run(store, config, engine):
    def train(*_):
        yield RunStarted(1, {})
        raise KeyboardInterrupt

    sys.modules["mtl_core.training.trainer"].train = train
    run = store.create(config())
    with pytest.raises(KeyboardInterrupt):
        jobs.execute(store, run.id)
    assert store.get(run.id).status == "interrupted"
