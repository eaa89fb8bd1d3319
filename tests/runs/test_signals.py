"""The real server is told to end while a run trains: state saved, run interrupted, what waits still waits, nothing left running."""

import signal

import pytest
from dashboards import Dashboard, wait_for
from evidence import assert_whole, brief, small

from mtl_core.runs import actions
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import resume

LONG = small("pcgrad", epochs=400, keep_checkpoints=0)


@pytest.mark.parametrize(
    ("executor", "signals", "paused"),
    [("thread", (signal.SIGINT, signal.SIGINT), False), ("process", (signal.SIGTERM,), True)],
    ids=["thread", "process"],
)
def test_a_server_that_is_ended_saves_its_run(store, home, one_thread, executor, signals, paused):
    run, waiting = store.create(LONG), store.create(brief(epochs=1))
    dashboard = Dashboard(home, executor)
    try:
        wait_for(lambda: store.get(run.id).epoch >= 1, about=lambda: f"{store.get(run.id)} {dashboard.log.read_text()}")
        if paused:
            actions.pause(store, run.id)
            wait_for(lambda: store.get(run.id).status == "paused")
        _, left = dashboard.end(*signals)
    finally:
        dashboard.close()
    assert left == []
    assert dashboard.process.returncode == 0
    assert "Traceback" not in dashboard.log.read_text()
    ended = store.get(run.id)
    assert (ended.status, ended.failure) == ("interrupted", None)
    lines = [line.text for line in store.log(run.id)]
    assert "checkpoint saved" in lines[-2]
    assert lines[-1].startswith(f"interrupted after {ended.step} steps")
    assert store.get(waiting.id).status == "queued"
    assert_whole(store)

    resume(store, run.id)
    stop_soon = lambda event: actions.stop(store, run.id) if type(event).__name__ == "RunStarted" else None  # noqa: E731
    execute(store, run.id, on_event=stop_soon)
    assert f"training continues at step {ended.step:,} of {400 * 39:,} on" in " ".join(line.text for line in store.log(run.id))
    assert execute(store, waiting.id).status == "finished"
