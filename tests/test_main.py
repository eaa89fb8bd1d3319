"""The command line: exit codes, what goes to which stream, and JSON that is JSON."""

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_core.__main__ import main
from mtl_core.presets import load_presets
from mtl_core.runs.store import open_store

ROOT = Path(__file__).parents[1]
FAKE = ROOT / "tests" / "runs" / "fake_trainer.py"
WAIT = 60  # seconds; a process that has not answered by then never will
REPORT_KEYS = ["run", "status", "metrics", "steps_per_second", "seconds"]

CONFIG = """
name: {name}
data: {{name: digits}}
tasks: {{digit: {{}}}}
backbone: {{name: mlp}}
epochs: 2
device: cpu
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where this test's runs go; not made yet."""
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the processes that tests start
    return tmp_path / "home"


@pytest.fixture
def engine(monkeypatch):
    """The engine without torch, in the place of the real one."""
    spec = importlib.util.spec_from_file_location("fake_trainer", FAKE)
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def written(tmp_path):
    """Write a config whose name tells the fake engine what to do; its path."""

    def write(name="fine"):
        path = tmp_path / "config.yaml"
        path.write_text(CONFIG.format(name=name), encoding="utf-8")
        return str(path)

    return write


def started(*arguments):
    """The command line with the fake engine, as a process of its own."""
    return subprocess.Popen([sys.executable, str(FAKE), *arguments], cwd=ROOT, stdout=-1, stderr=-1, text=True)


def test_a_finished_run_prints_one_json_object(home, engine, written, capsys):
    assert main(["train", written(), "--json"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert err == ""
    assert list(report) == REPORT_KEYS
    assert (report["status"], report["steps_per_second"]) == ("finished", 8.0)
    assert report["metrics"] == {
        "test/digit/accuracy": {"best": 0.75, "last": 0.75, "higher_is_better": True},
        "test/digit/loss": {"best": None, "last": None, "higher_is_better": False},
        "val/digit/accuracy": {"best": 0.8, "last": 0.8, "higher_is_better": True},
        "val/digit/loss": {"best": 0.5, "last": 1.0, "higher_is_better": False},
    }
    run = open_store(home).get(report["run"])
    assert (run.status, run.seconds) == ("finished", report["seconds"])


def test_a_finished_run_prints_a_table_to_read(home, engine, written, capsys):
    assert main(["train", written()]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][1:3] == ["finished", "fine"]
    assert lines[1] == ["metric", "better", "best", "last", "chosen", "regret", "unit", "best", "epoch"]
    assert ["val/digit/accuracy", "↑", "0.8", "0.8", "0.8", "0", "2"] in lines
    assert ["val/digit/loss", "↓", "0.5", "1", "1", "0.5", "1"] in lines


def test_a_failed_run_says_why_and_exits_1(home, engine, written, capsys):
    assert main(["train", written("nan"), "--json"]) == 1
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert list(report) == [*REPORT_KEYS, "failure"]
    assert (report["status"], report["failure"]["kind"]) == ("failed", "non_finite")
    assert err.startswith("error: the loss of task 'digit' is not a number (NaN) at step 2.")
    assert "Traceback" not in err + out


def test_a_fault_of_the_program_exits_1_and_names_the_log(home, engine, written, capsys):
    assert main(["train", written("fault")]) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    log = Path(err.rstrip().rpartition("The full log is in ")[2])
    assert "KeyError: 'surprise'" in log.read_text(encoding="utf-8")


def test_data_that_cannot_be_read_exits_2(home, engine, written, capsys):
    assert main(["train", written("bad data"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["failure"]["message"] == "images.gz ends too early; fetch it again"
    assert err.startswith("error: images.gz ends too early; fetch it again\n")


@pytest.mark.parametrize(
    ("arguments", "field", "sentence"),
    [
        (["--set", "tasks.digits.loss_weight=1"], "tasks.digits", "did you mean 'digit'"),
        (["--set", "tasks.digit.loss_weight=-1"], "tasks.digit.loss_weight", "expected at least 0, found -1"),
        (["--set", "tasks.digit.loss_weight=.nan"], "tasks.digit.loss_weight", "finite number"),
        (["--set", "epoch=3"], "epoch", "did you mean 'epochs'"),
        (["--set", "epochs"], "", "not of the form key=value"),
    ],
)
def test_a_bad_setting_is_named_and_nothing_is_written(home, engine, written, capsys, arguments, field, sentence):
    assert main(["train", written(), "--json", *arguments]) == 2
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["run"], report["status"], report["metrics"]) == (None, "refused", {})
    assert [problem["field"] for problem in report["problems"]] == [field]
    assert sentence in report["problems"][0]["message"]
    assert err.startswith("error: ")
    assert sentence in err
    assert not home.exists()


def test_a_missing_file_and_an_unknown_preset_exit_2(home, engine, capsys):
    assert main(["train", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err == (
        "error: cannot read the config file 'nowhere.yaml': there is no such file. Give the path of a YAML file in UTF-8, or --preset NAME.\n"
    )
    assert main(["train", "--preset", "digit-scene"]) == 2
    assert "did you mean 'digit-scenes'" in capsys.readouterr().err
    assert not home.exists()


def test_a_home_that_cannot_be_used_exits_2(tmp_path, monkeypatch, engine, written, capsys):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "file"))
    assert main(["train", written(), "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["problems"][0]["field"] == "MTL_HOME"
    assert "needs a folder" in err
    assert main(["runs"]) == 2
    assert capsys.readouterr() == ("", err)


@pytest.mark.parametrize(
    "arguments", [["train"], ["train", "a.yaml", "--preset", "b"], ["nonsense"], ["train", "--nonsense"], ["runs", "--json", "show", "x"]]
)
def test_wrong_usage_exits_2_and_says_how(home, arguments, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: python -m mtl_core")
    assert not home.exists()


def test_an_unexpected_error_is_short_and_its_log_is_named(home, monkeypatch, capsys):
    def surprise():
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("mtl_core.cli.list_commands.open_store", surprise)
    assert main(["runs"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: an unexpected ZeroDivisionError: surprise. ")
    assert len(err.splitlines()) == 1
    log = Path(err.split()[-1])
    assert log.read_text(encoding="utf-8").startswith("Traceback")
    log.unlink()


def test_runs_are_listed_and_shown(home, engine, written, capsys):
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.startswith(f"No runs yet in {home}")
    for name in ("fine", "nan"):
        main(["train", written(name)])
    capsys.readouterr()
    newest, oldest = open_store().runs()
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[newest.id, "failed"], [oldest.id, "finished"]]
    assert main(["runs", "--json"]) == 0
    assert [(run["run"], run["status"]) for run in json.loads(capsys.readouterr().out)] == [(newest.id, "failed"), (oldest.id, "finished")]
    assert main(["runs", "show", oldest.id, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["run"], shown["status"], shown["failure"]) == (oldest.id, "finished", None)
    assert shown["config"] == oldest.config.to_dict()
    assert (shown["metrics"]["val/digit/loss"]["best"], shown["metrics"]["val/digit/loss"]["last"]) == (0.5, 1.0)
    assert shown["metrics"]["loss_weight/digit"]["higher_is_better"] is None
    assert main(["runs", "show", newest.id]) == 0
    out = capsys.readouterr().out
    assert newest.failure["cure"] in out
    assert newest.config.to_yaml() in out


def test_scalars_as_csv(home, engine, written, capsys):
    main(["train", written(), "--json"])
    run_id = json.loads(capsys.readouterr().out)["run"]
    assert main(["runs", "scalars", run_id, "--csv"]) == 0
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert rows[0] == ["step", "epoch", "key", "value", "wall_time"]
    assert [row[:4] for row in rows if row[2] == "val/digit/loss"] == [["2", "1.0", "val/digit/loss", "0.5"], ["4", "2.0", "val/digit/loss", "1.0"]]
    assert len(rows) == 1 + 4 * 3 + 2 * 3 + 2
    assert main(["runs", "scalars", run_id]) == 0
    assert capsys.readouterr().out.split()[:5] == rows[0]


def test_an_unknown_run_exits_2(home, capsys):
    assert main(["runs", "show", "nothing"]) == 2
    assert capsys.readouterr() == ("", "error: no run 'nothing': there are no runs yet\n")


def test_presets_are_a_line_each_name_first(home, capsys):
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [tuple(part.strip() for part in line.split("  ", 1)) for line in lines] == [(p.name, p.title) for p in load_presets()]
    assert main(["presets", "--json"]) == 0
    assert [preset["name"] for preset in json.loads(capsys.readouterr().out)] == [preset.name for preset in load_presets()]
    assert not home.exists()


def test_data_sets_are_listed_with_their_tasks(home, capsys):
    assert main(["data", "list", "--json"]) == 0
    found = {source["name"]: source for source in json.loads(capsys.readouterr().out)}
    assert {"digits", "digit_scenes", "mnist"} <= found.keys()
    assert {"name": "digit", "kind": "classification"} in found["digits"]["tasks"]
    assert main(["data", "list"]) == 0
    assert any(line.startswith("digits ") and "digit (classification)" in line for line in capsys.readouterr().out.splitlines())


def test_every_command_explains_itself(capsys):
    acting = ("train", "resume", "fork", "pause", "proceed", "stop", "queue", "work", "presets", "runs", "data")
    listing = ("show", "scalars", "delete", "archive", "unarchive", "pin", "unpin", "rename", "note", "tag", "move", "interrupt")
    for arguments in ([], *([name] for name in acting), *(["runs", name] for name in listing), ["data", "list"]):
        assert main([*arguments, "--help"]) == 0
        assert capsys.readouterr().out.startswith("Usage: python -m mtl_core")


def test_reading_and_keeping_order_does_not_import_torch(home, engine, written, capsys):
    """One command after another, in one process without torch."""
    main(["train", written(), "--json"])
    run = json.loads(capsys.readouterr().out)["run"]
    commands = [
        *(["runs"], ["presets"], ["data", "list"], ["runs", "scalars", run, "--csv"], ["runs", "show", run], ["fork", run, "--list"]),
        *(["stop", run, "--wait"], ["runs", "archive", run], ["runs", "rename", run, "x"], ["runs", "tag", run, "x"]),
        ["runs", "delete", run, "--yes"],
    ]
    code = "import sys; from mtl_core.__main__ import main\n"
    code += f"for command in {commands}: print(*command, main(command), 'torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=WAIT)
    assert done.stderr.splitlines() == [f"{' '.join(command)} 0 False" for command in commands]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_the_state_and_exits_130(home, written, number):
    process = started("train", written("waits"), "--json")
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT)
    report = json.loads(out)
    assert process.returncode == 130
    assert list(report) == REPORT_KEYS
    assert report["status"] == "stopped"
    assert "stopping: saving the state" in err
    assert "Traceback" not in err
    store = open_store(home)
    assert store.get(report["run"]).status == "stopped"
    assert "epoch 0: checkpoint saved" in [line.text for line in store.log(report["run"])]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_second_ctrl_c_ends_at_once_and_the_run_is_interrupted(home, written):
    process = started("train", written("deaf"))
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "\n"
    assert process.stderr.readline().startswith("stopping: ")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT)
    assert process.returncode == -signal.SIGINT  # which a shell calls 130
    assert [run.status for run in open_store(home).runs()] == ["interrupted"]


def test_a_reader_that_goes_away_is_no_error(home, written):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, str(FAKE), "train", written(), "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, timeout=WAIT)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_progress_bar(home, written):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, str(FAKE), "train", written(), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=WAIT)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert json.loads(done.stdout)["status"] == "finished"
    assert "preparing" in shown
    assert "epoch 2/2  loss 0.25" in shown
    assert "100%" in shown


def test_the_real_engine_trains_from_the_command_line(home, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG.format(name="real"), encoding="utf-8")
    command = [sys.executable, "-m", "mtl_core", "train", str(tmp_path / "config.yaml"), "--json", "--set", "epochs=1", "--set", "precision=fp32"]
    done = subprocess.run([*command, "--set", "layout=contiguous"], cwd=ROOT, capture_output=True, text=True, timeout=WAIT)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["status"] == "finished"
    assert report["metrics"]["test/digit/accuracy"]["higher_is_better"] is True
    assert report["metrics"]["val/digit/accuracy"]["best"] > 0.2  # chance is 0.1
