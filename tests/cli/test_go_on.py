"""resume and fork, here in the foreground."""

import json
import signal
import sys

import pytest

from mtl_core.__main__ import main
from mtl_core.events import RunEnded, RunStarted
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.claims import claim, held_by_us

WAIT = 60  # seconds; a process that has not answered by then never will


@pytest.fixture
def ended(store, config):
    """Make a run that has ended with this status."""

    def make(name="fine", status="stopped"):
        run = store.create(config(name), columns=held_by_us("cpu"))
        store.append(run.id, RunStarted(4, {}))
        store.append(run.id, RunEnded(status, 2, 1.0, 1.0, 1.0))
        return store.get(run.id)

    return make


@pytest.fixture
def parent(store, ended, write_checkpoint):
    """A finished run with the state of epochs 1 (the best) and 2 (the best of digit)."""
    run = ended("parent", "finished")
    write_checkpoint(store.folder(run.id), 1, 2, best=True)
    write_checkpoint(store.folder(run.id), 2, 4, best_of=["digit"])
    return run


def said(capsys):
    out, err = capsys.readouterr()
    return json.loads(out), err


def test_a_stopped_run_is_gone_on_with_and_reported_like_train(store, engine, ended, capsys):
    run = ended()
    assert main(["resume", run.id, "--json"]) == 0
    report, err = said(capsys)
    assert err == ""
    assert list(report) == ["run", "status", "metrics", "steps_per_second", "seconds"]
    assert (report["run"], report["status"], report["metrics"]["test/digit/accuracy"]["best"]) == (run.id, "finished", 0.75)
    assert [line.text for line in store.log(run.id)][2] == "stopped after 2 steps (1 epoch) in 1.0 s"
    assert [line.text for line in store.log(run.id)][3] == "resumed after it was stopped"
    assert len(store.runs()) == 1


def test_a_failure_exits_1_as_with_train(engine, ended, capsys):
    assert main(["resume", ended("nan").id, "--json"]) == 1
    report, err = said(capsys)
    assert (report["status"], report["failure"]["kind"]) == ("failed", "non_finite")
    assert err.startswith("error: the loss of task 'digit' is not a number (NaN) at step 2.")


def test_a_finished_run_is_trained_on_to_more_epochs(store, engine, ended, capsys):
    run = ended(status="finished")
    assert main(["resume", run.id]) == 2
    assert f"run {run.id} is finished; to continue it, train it on to more than its 2 epochs" in capsys.readouterr().err
    assert main(["resume", run.id, "--epochs", "2"]) == 2
    assert "epochs: expected more than the run's 2, found 2; give the new total" in capsys.readouterr().err
    assert store.get(run.id).status == "finished"
    assert main(["resume", run.id, "--epochs", "5"]) == 0
    assert (store.get(run.id).epochs, store.get(run.id).status) == (5, "finished")


def test_a_run_that_is_held_is_refused_and_nothing_changes(store, engine, config, capsys):
    run = store.create(config(), columns=held_by_us("cpu"))
    assert main(["resume", run.id, "--json"]) == 2
    report, err = said(capsys)
    assert (report["run"], report["status"], report["problems"][0]["field"]) == (None, "refused", "RUN")
    assert f"run {run.id} is running; only a run that has ended can be resumed or trained on" in err
    assert store.get(run.id).holder == run.holder


@pytest.mark.parametrize("command", ["resume", "fork"])
def test_what_trains_here_never_stands_in_the_queue(store, engine, parent, ended, capsys, monkeypatch, command):
    """A dashboard that looks at the queue the moment the run is made or resumed finds nothing to take."""
    seen = []
    for name in ("resume", "fork"):
        original = getattr(resume_and_fork, name)

        def and_look(*arguments, original=original, **named):
            run = original(*arguments, **named)
            seen.append((run.status.value, claim(store, run.id, "cpu", alone=False)))
            return run

        monkeypatch.setattr(resume_and_fork, name, and_look)
    arguments = {"resume": ["resume", ended().id], "fork": ["fork", parent.id, "--epoch", "1"]}[command]
    assert main(arguments) == 0
    assert seen == [("running", "")]


def test_a_fork_is_a_new_run_with_its_parents_state(store, engine, parent, capsys):
    assert main(["fork", parent.id, "--epoch", "1", "--set", "optimizer.lr=0.001", "--json"]) == 0
    report, err = said(capsys)
    assert (report["status"], err) == ("finished", "")
    run = store.get(report["run"])
    assert (run.parent, run.parent_epoch, run.parent_step, run.config.optimizer.lr) == (parent.id, 1, 2, 0.001)
    assert (store.folder(run.id) / "checkpoints" / "epoch_0001_step_00000002" / "state.pt").is_file()


@pytest.mark.parametrize(("word", "epoch"), [("best", 1), ("last", 2), ("best:digit", 2)])
def test_best_and_last_are_epochs_too(store, engine, parent, capsys, word, epoch):
    assert main(["fork", parent.id, "--epoch", word, "--set", "epochs=3", "--json"]) == 0
    assert store.get(said(capsys)[0]["run"]).parent_epoch == epoch


def test_the_last_epoch_of_a_run_stopped_within_one_is_the_last_whole_one(store, engine, parent, write_checkpoint, capsys):
    write_checkpoint(store.folder(parent.id), 2, 5, step_in_epoch=1, keep=False)
    assert main(["fork", parent.id, "--epoch", "last", "--set", "epochs=3", "--json"]) == 0
    assert store.get(said(capsys)[0]["run"]).parent_step == 4


@pytest.mark.parametrize(
    ("arguments", "field", "sentence"),
    [
        (["--epoch", "7"], "RUN", "has no state of epoch 7. Kept epochs: 1, 2"),
        (["--epoch", "2"], "epochs", "2 leaves nothing to train after epoch 2"),
        (["--epoch", "1", "--set", "batch_size=3"], "batch_size", "start a new run to change it"),
        (["--epoch", "1", "--set", "tasks.ink.loss_weight=1"], "tasks.ink", "the parent was not trained on it"),
    ],
)
def test_a_fork_that_cannot_be_is_refused_and_nothing_is_made(store, engine, parent, capsys, arguments, field, sentence):
    assert main(["fork", parent.id, "--json", *arguments]) == 2
    report, err = said(capsys)
    assert (report["status"], [problem["field"] for problem in report["problems"]]) == ("refused", [field])
    assert sentence in err
    assert [run.id for run in store.runs()] == [parent.id]


def test_a_run_that_keeps_nothing_cannot_be_forked(store, engine, ended, capsys):
    run = ended()
    assert main(["fork", run.id, "--epoch", "best"]) == 2
    assert f"run {run.id} has no checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["fork", "x"], ["fork", "x", "--epoch", "first"], ["fork", "x", "--epoch", "-1"], ["resume"]])
def test_wrong_usage_exits_2(store, capsys, arguments):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("Usage: ")


def test_kept_epochs_are_listed(parent, capsys):
    assert main(["fork", parent.id, "--list", "--json"]) == 0
    kept = [{"epoch": 1, "step": 2, "best": True, "last": False, "best_of": []}]
    kept.append({"epoch": 2, "step": 4, "best": False, "last": True, "best_of": ["digit"]})
    assert said(capsys)[0] == {"run": parent.id, "kept": kept}
    assert main(["fork", parent.id, "--list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["epoch", "step", "is"],
        ["1", "2", "best"],
        ["2", "4", "last", "best:digit"],
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_stops_a_resumed_run_and_exits_130(store, config, started):
    run = store.create(config("waits"))
    actions.stop(store, run.id)
    process = started("resume", run.id, "--json")
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT)
    assert process.returncode == 130
    assert json.loads(out)["status"] == store.get(run.id).status == "stopped"
    assert "stopping: saving the state" in err
