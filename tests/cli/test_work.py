"""queue puts runs in line, work trains them."""

import json
import signal
import sys

import pytest

from mtl_core.__main__ import main
from mtl_core.events import RunEnded
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.jobs import NOT_TAKEN

WAIT = 60  # seconds; a process that has not answered by then never will


def test_a_config_is_queued_with_its_place(store, engine, config, tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text(config("mine").to_yaml(), encoding="utf-8")
    assert main(["queue", str(path), "--set", "epochs=7"]) == 0
    run = store.queued()[0]
    out, err = capsys.readouterr()
    assert out == f"{run.id}  queued as number 1  mine\n"
    assert all(way in err for way in ("opened in a browser", "serve.py", "work --queue"))  # who will train it, and who will not
    assert run.epochs == 7
    assert main(["queue", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["status"], report["queue_position"]) == ("queued", 2)


def test_whether_a_dashboard_is_open_is_not_claimed(store, engine, config, tmp_path, capsys):
    """The command cannot know: one may be open on this machine or on another."""
    (tmp_path / "run.yaml").write_text(config("mine").to_yaml(), encoding="utf-8")
    assert main(["queue", str(tmp_path / "run.yaml")]) == 0
    said = capsys.readouterr().err
    assert "waits" not in said
    assert "if one was opened in a browser or started by serve.py; else 'work --queue'" in said


def test_a_config_that_cannot_be_trained_is_not_queued(store, engine, config, tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text(config().to_yaml(), encoding="utf-8")
    assert main(["queue", str(path), "--set", "tasks.digits.loss_weight=1", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["problems"][0]["field"] == "tasks.digits"
    assert "did you mean 'digit'" in err
    assert main(["queue"]) == 2
    assert store.runs() == []


def test_one_run_is_trained_or_says_why_not(store, engine, config, capsys):
    run = store.create(config("fine"))
    assert main(["work", run.id]) == 0
    assert store.get(run.id).status == "finished"
    assert main(["work", run.id]) == NOT_TAKEN
    assert capsys.readouterr().err.startswith(f"error: run {run.id} cannot be claimed: it is finished")
    assert main(["work", store.create(config("nan")).id]) == 1


def test_the_whole_queue_is_trained_in_its_order(store, engine, config, capsys):
    ids = [store.create(config(name)).id for name in ("fine", "nan", "fine")]
    assert main(["work", "--queue"]) == 1
    lines = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert lines == [[ids[0], "finished", "fine"], [ids[1], "failed", "nan"], [ids[2], "finished", "fine"]]
    assert main(["work", "--queue"]) == 0  # nothing waits
    assert capsys.readouterr() == ("", "")


def test_a_busy_device_is_waited_for(store, engine, config, capsys, monkeypatch):
    busy, waiting = store.create(config(), columns=held_by_us("cpu")), store.create(config("fine"))
    looks = []

    def it_ends(seconds):
        looks.append(store.get(waiting.id).status.value)
        store.append(busy.id, RunEnded("finished", 1, 1.0, 1.0, 1.0))

    monkeypatch.setattr("mtl_core.cli.work_commands.time.sleep", it_ends)
    assert main(["work", "--queue"]) == 0
    assert (looks, store.get(waiting.id).status) == (["queued"], "finished")


@pytest.mark.parametrize("arguments", [["work"], ["work", "x", "--queue"]])
def test_wrong_usage_exits_2(store, capsys, arguments):
    assert main(arguments) == 2
    assert "give either a RUN or --queue" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_saves_the_run_and_leaves_the_rest_waiting(store, config, started, number, code):
    first, second = store.create(config("waits")), store.create(config("fine"))
    process = started("work", "--queue")
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=WAIT)
    assert process.returncode == code
    assert [store.get(run.id).status for run in (first, second)] == ["interrupted", "queued"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("whole_queue", [False, True])
def test_a_signal_before_training_is_obeyed_at_once(store, config, started, whole_queue):
    """Importing PyTorch and preparing data take seconds in which nobody looks whether a stop was asked for, and leave nothing to be saved."""
    first, second = store.create(config("prepares")), store.create(config("fine"))
    process = started("work", *(["--queue"] if whole_queue else [first.id]))
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=WAIT)
    assert (process.returncode, err) == (0, "")
    assert [store.get(run.id).status for run in (first, second)] == ["interrupted", "queued"]
    assert store.log(first.id)[-1].text == "interrupted: the program was ended"
