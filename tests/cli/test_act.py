"""pause, proceed and stop: across processes, waited for or not."""

import json
import sys

import pytest

from mtl_core.__main__ import main
from mtl_core.events import RunEnded
from mtl_core.runs import actions
from mtl_core.runs.claims import held_by_us, take_controls

WAIT = 60  # seconds; a process that has not answered by then never will


def said(capsys):
    out, err = capsys.readouterr()
    return json.loads(out), err


@pytest.mark.skipif(sys.platform == "win32", reason="the exit code of a stopped process is POSIX")
def test_a_run_of_another_process_is_paused_let_go_on_and_stopped(home, store, started, tmp_path, config, capsys):
    (tmp_path / "config.yaml").write_text(config("waits").to_yaml(), encoding="utf-8")
    process = started("train", str(tmp_path / "config.yaml"))
    assert process.stderr.readline() == "ready\n"
    run_id = store.runs()[0].id
    for command, status in (("pause", "paused"), ("proceed", "running"), ("stop", "stopped")):
        assert main([command, run_id, "--wait", "--json"]) == 0
        report, err = said(capsys)
        assert (report["run"], report["status"], err) == (run_id, status, "")
    process.communicate(timeout=WAIT)
    assert process.returncode == 130
    lines = [line.text for line in store.log(run_id)]
    assert [line for line in lines if "at step 1" in line] == ["paused at step 1 (epoch 0.5)", "resumed at step 1 (epoch 0.5)"]


def test_without_waiting_the_request_is_left_and_the_state_said(store, config, capsys):
    run = store.create(config("mine"), columns=held_by_us("cpu"))
    assert main(["pause", run.id]) == 0
    assert capsys.readouterr().out.startswith(f"{run.id}  pausing  mine")
    assert main(["stop", run.id]) == 0
    assert capsys.readouterr().out.startswith(f"{run.id}  stopping  mine")
    assert [record.kind for record in take_controls(store, run.id)] == ["pause", "stop"]


@pytest.mark.parametrize(("command", "wanted"), [("pause", "paused"), ("stop", "stopped")])
def test_waiting_has_an_end(store, config, capsys, command, wanted):
    run = store.create(config(), columns=held_by_us("cpu"))
    assert main([command, run.id, "--wait", "--timeout", "0", "--json"]) == 1
    report, err = said(capsys)
    assert report["status"] == store.get(run.id).status
    assert err.startswith(f"error: run {run.id} is {store.get(run.id).status} after 0 s, not {wanted}.")


def test_proceed_has_not_reached_anything_before_the_trainer_knows(store, config, capsys):
    run = store.create(config(), columns=held_by_us("cpu") | {"status": "paused"})
    assert main(["proceed", run.id, "--wait", "--timeout", "0"]) == 1
    take_controls(store, run.id)
    assert main(["proceed", run.id, "--wait", "--timeout", "0"]) == 0


def test_a_run_that_ends_before_it_pauses_is_said(store, config, capsys, monkeypatch):
    run = store.create(config(), columns=held_by_us("cpu"))
    pause = actions.pause

    def then_it_ends(store, run_id):
        asked = pause(store, run_id)
        store.append(run_id, RunEnded("finished", 4, 2.0, 1.0, 1.0))
        return asked

    monkeypatch.setattr(actions, "pause", then_it_ends)
    assert main(["pause", run.id, "--wait"]) == 1
    assert f"run {run.id} is finished: it ended before it was paused" in capsys.readouterr().err


def test_a_queued_run_is_stopped_at_once(store, config, capsys):
    run = store.create(config())
    assert main(["stop", run.id, "--wait", "--timeout", "0"]) == 0
    assert store.get(run.id).status == "stopped"


@pytest.mark.parametrize(("command", "sentence"), [("pause", "only a running one can be paused"), ("proceed", "only a paused one can be let go on")])
def test_a_state_that_does_not_allow_it_exits_2(store, config, capsys, command, sentence):
    run = store.create(config())
    assert main([command, run.id, "--json"]) == 2
    report, err = said(capsys)
    assert report["status"] == "refused"
    assert [problem["field"] for problem in report["problems"]] == ["RUN"]
    assert f"run {run.id} is queued; {sentence}" in err
    assert store.get(run.id).status == "queued"


@pytest.mark.parametrize("command", ["pause", "proceed", "stop"])
def test_an_unknown_run_and_a_negative_timeout_exit_2(store, capsys, command):
    assert main([command, "nothing"]) == 2
    assert capsys.readouterr() == ("", "error: no run 'nothing': there are no runs yet\n")
    assert main([command, "nothing", "--timeout", "-1"]) == 2
    assert "Usage: " in capsys.readouterr().err
