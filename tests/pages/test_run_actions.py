"""What can be done with a run from its page, in each state."""

import time

import pytest
from sqlalchemy import update

from mtl_core.runs import actions
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from tests.pages.test_run_page import progress_of

ELSEWHERE = ("strip.", "queue.", "export.", "next.", "threshold.", "cost.")  # beginnings of the keys of other parts' buttons
LABELS = {
    "queued": ["", "", "", "Remove"],
    "running": ["Pause", "Stop"],
    "pausing": ["Pausing…", "Stop"],
    "paused": ["Resume", "Stop"],
    "stopping": ["Stopping…"],
    "stopped": ["Resume", "Fork", "Clone"],
    "interrupted": ["Resume", "Fork", "Clone"],
    "failed": ["Resume", "Fork", "Clone"],
    "finished": ["Continue", "Fork", "Clone"],
}


def own_buttons(app, run):
    return [button for button in app.button if (button.key or "").endswith(run.id) or f".{run.id}." in (button.key or "")]


def menu(app, run):
    return app.menu_button(key=f"more.{run.id}")


@pytest.mark.parametrize("status", LABELS)
def test_the_buttons_fit_the_state(open_page, in_state, status):
    run = in_state(status)
    app = open_page("run", run=run.id)
    shown = [button.label for button in own_buttons(app, run) if not button.key.startswith(ELSEWHERE)]
    assert [label for label in shown if label != "Reset all"] == LABELS[status]  # that one belongs to the sliders of a live run


def test_pause_answers_at_once(open_page, in_state, store):
    run = in_state("running")
    app = open_page("run", run=run.id)
    app.button(key=f"pause.{run.id}").click().run()
    assert app.button(key=f"pause.{run.id}").label == "Pausing…"
    assert app.button(key=f"pause.{run.id}").disabled
    assert store.get(run.id).status == RunStatus.PAUSING


def test_a_paused_run_says_what_it_keeps_and_goes_on(open_page, in_state, store, texts):
    run = in_state("paused")
    app = open_page("run", run=run.id)
    assert "A paused run keeps its device and memory; Stop frees them." in texts(app)
    assert progress_of(app) == "epoch 3 of 3 · step 4 of 6 · paused"
    app.button(key=f"pause.{run.id}").click().run()
    assert store.get(run.id).status == RunStatus.RUNNING


def test_resume_puts_it_back_in_line(open_page, in_state, store):
    run = in_state("failed")
    app = open_page("run", run=run.id)
    app.button(key=f"resume.{run.id}").click().run()
    assert store.get(run.id).status == RunStatus.QUEUED
    assert app.button(key=f"stop.{run.id}").label == "Remove"


def test_a_finished_run_is_trained_on_and_fewer_epochs_are_refused_in_words(open_page, finished, store):
    app = open_page("run", run=finished.id)
    assert app.number_input(key=f"train_on.{finished.id}").value == 6
    app.number_input(key=f"train_on.{finished.id}").set_value(2)
    app.button(key=f"train_on.{finished.id}.go").click().run()
    assert "expected more than the run's 3, found 2" in app.warning[0].value
    assert store.get(finished.id).status == RunStatus.FINISHED
    app.number_input(key=f"train_on.{finished.id}").set_value(5)
    app.button(key=f"train_on.{finished.id}.go").click().run()
    assert (store.get(finished.id).status, store.get(finished.id).epochs) == (RunStatus.QUEUED, 5)


def test_what_the_state_does_not_allow_is_said(open_page, in_state, store):
    run = in_state("running")
    app = open_page("run", run=run.id)
    actions.stop(store, run.id)  # someone else, in the meantime
    app.button(key=f"pause.{run.id}").click().run()
    assert "only a running one can be paused" in app.warning[0].value


def test_a_waiting_run_shows_its_place_and_moves(open_page, store, in_state, texts):
    in_state("queued", name="first")
    second = in_state("queued", name="second")
    app = open_page("run", run=second.id)
    assert "Number 2 in the queue." in texts(app)
    assert app.button(key=f"place.{second.id}.later").disabled
    app.button(key=f"place.{second.id}.first").click().run()
    assert [run.name for run in store.queued()] == ["second", "first"]
    assert "Next in the queue" in texts(app)


def test_the_queue_stands_in_the_strip_of_every_page(open_page, store, in_state):
    runs = [in_state("queued", name=name) for name in ("a", "b", "c")]
    app = open_page("compare")
    app.button(key=f"queue.{runs[2].id}.earlier").click().run()
    assert [run.name for run in store.queued()] == ["a", "c", "b"]
    app.button(key=f"queue.{runs[0].id}.remove").click().run()
    assert [run.name for run in store.queued()] == ["c", "b"]
    assert store.get(runs[0].id).status == RunStatus.STOPPED


def test_a_run_that_takes_the_best_device_waits_for_the_one_there_is(open_page, in_state, texts):
    in_state("running", name="a", device="cpu")
    in_state("queued", name="b", device="auto")
    assert ":material/memory: auto]" not in texts(open_page("compare"))
    in_state("queued", name="c", device="cuda:1")
    assert ":material/memory: auto]" in texts(open_page("compare"))


def test_devices_are_named_where_runs_have_several(open_page, in_state, texts):
    in_state("queued", name="a", device="cuda:1")
    assert "cuda" not in texts(open_page("compare"))
    in_state("queued", name="b", device="cuda:0")
    in_state("running", name="c")
    said = texts(open_page("compare"))
    assert all(f":material/memory: {device}]" in said for device in ("cuda:1", "cuda"))
    assert ":material/memory: cpu]" not in said  # of active runs there is one
    in_state("running", name="d")
    assert texts(open_page("compare")).count(":material/memory: cpu]") == 2


def test_name_note_and_tags_and_a_name_that_does_not_fit(open_page, store, finished, texts):
    actions.set_tags(store, finished.id, ["kept"])
    app = open_page("run", run=finished.id)
    menu(app, finished).set_value("describe").run()
    app.text_input(key=f"describe.name.{finished.id}").set_value("two\nlines")
    next(button for button in app.button if button.label == "Save").click().run()
    assert "expected one line" in app.error[0].value
    assert store.get(finished.id).name == "a run"
    assert app.multiselect(key=f"describe.tags.{finished.id}").value == ["kept"]
    app.text_input(key=f"describe.name.{finished.id}").set_value("another name")
    app.text_area(key=f"describe.note.{finished.id}").set_value("why it was made")
    next(button for button in app.button if button.label == "Save").click().run()
    run = store.get(finished.id)
    assert (run.name, run.note) == ("another name", "why it was made")
    assert "dialog" not in app.session_state
    assert app.title[0].value == "another name"
    assert "why it was made" in texts(app)


def test_pin_and_archive(open_page, store, finished):
    app = open_page("run", run=finished.id)
    menu(app, finished).set_value("pin").run()
    assert store.get(finished.id).pinned
    menu(app, finished).set_value("archive").run()
    assert store.get(finished.id).archived
    assert menu(app, finished).options[1:3] == [":material/keep_off: Unpin", ":material/unarchive: Bring back from the archive"]


def test_delete_asks_naming_the_run_can_be_thought_better_of_and_leaves_its_page(open_page, store, finished, texts):
    app = open_page("run", run=finished.id)
    menu(app, finished).set_value("delete").run()
    assert "**a run** :gray[finished" in texts(app)
    app.button(key="delete.keep").click().run()
    assert [run.id for run in store.runs()] == [finished.id]
    assert "dialog" not in app.session_state
    menu(app, finished).set_value("delete").run()
    app.button(key="delete_really").click().run()
    assert store.runs() == []
    assert not store.folder(finished.id).exists()
    assert "There are no runs yet" in texts(app)


def test_delete_is_refused_in_words_while_it_trains(open_page, in_state):
    run = in_state("running")
    app = open_page("run", run=run.id)
    menu(app, run).set_value("delete").run()
    assert app.warning[0].value == "**a run** (running) cannot be deleted: it is being trained. Stop it first."
    assert "delete_really" not in [button.key for button in app.button]


def test_a_silent_run_can_be_given_up(open_page, in_state, store):
    run = in_state("running")
    app = open_page("run", run=run.id)
    assert f"give_up.{run.id}" not in [button.key for button in app.button]
    with store.database.write() as connection:
        long_ago = {"progress_at": time.time() - 90, "started_at": time.time() - 300}
        connection.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(**long_ago))
    app.run()
    assert "No heartbeat for 1 min 30 s." in app.warning[0].value
    app.button(key=f"give_up.{run.id}").click().run()
    assert store.get(run.id).status == RunStatus.INTERRUPTED


def test_an_ended_run_that_another_tab_resumed_is_drawn_as_waiting(open_page, in_state, store):
    run = in_state("stopped")
    app = open_page("run", run=run.id)
    from mtl_core.runs import resume_and_fork

    resume_and_fork.resume(store, run.id)
    app.run()
    assert app.button(key=f"stop.{run.id}").label == "Remove"


def test_a_run_deleted_elsewhere_leaves_no_trace_in_the_strip(open_page, in_state, store):
    run = in_state("running")
    app = open_page("compare")
    assert run.id in app.session_state["seen_active"]
    store.end(run.id, RunStatus.INTERRUPTED)
    actions.delete_run(store, run.id)
    app.run()
    assert not app.exception
    assert not app.error
