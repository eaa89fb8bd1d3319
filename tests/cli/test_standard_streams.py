"""Standard output and standard error that nobody reads: closed, a reader or a terminal that is gone, a full disk."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_core.cli.foreground import _progress
from mtl_core.cli.output import say
from mtl_core.events import Message
from mtl_core.machine.standard_streams import LossyStream

ROOT = Path(__file__).parents[2]
FAKE = ROOT / "tests" / "runs" / "fake_trainer.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="closes POSIX file descriptors")
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")


@pytest.fixture
def command(home, tmp_path, config, monkeypatch):
    """The command line with the fake engine, as a shell starts it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def shell(arguments, streams):
        words = [sys.executable, str(FAKE), *arguments]
        return subprocess.run(["sh", "-c", f'exec "$@" {streams}', "sh", *words], cwd=ROOT, capture_output=True, text=True, timeout=60)

    return shell


@pytest.fixture
def written(tmp_path, config):
    """Writes a config; its path."""

    def write(name):
        (tmp_path / "config.yaml").write_text(config(name).to_yaml(), encoding="utf-8")
        return str(tmp_path / "config.yaml")

    return write


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", [["runs"], ["runs", "--json"], ["train"]])
def test_closed_streams_are_no_error_and_no_files_of_ours(command, store, written, streams, arguments):
    given = [*arguments, written("fine")] if arguments == ["train"] else arguments
    done = command(given, streams)
    assert (done.returncode, done.stderr) == (0, "")
    assert [run.status for run in store.runs()] == (["finished"] if arguments == ["train"] else [])


def test_what_is_written_to_a_closed_stream_gets_into_no_file(tmp_path):
    """The number of a closed stream would go to the next file that is opened."""
    code = """if True:
        import os, sys
        from mtl_core.machine.standard_streams import open_closed_streams
        open_closed_streams()
        file = open(sys.argv[1], "w")
        os.write(2, b"a warning of a library")
        print("answer")
        print("said", file=sys.stderr)"""
    words = [sys.executable, "-c", code, str(tmp_path / "file")]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words], cwd=ROOT, timeout=60)
    assert (done.returncode, (tmp_path / "file").read_text()) == (0, "")


@FULL
@pytest.mark.parametrize("arguments", [["runs"], ["parts", "--json"], ["train"]])
def test_an_answer_on_a_full_disk_is_no_fault_of_the_program_and_loses_no_run(command, store, written, arguments):
    given = [*arguments, written("fine")] if arguments == ["train"] else arguments
    done = command(given, ">/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the answer cannot be written to standard output: No space left on device. What the command did stays done.")
    assert [run.status for run in store.runs()] == (["finished"] if arguments == ["train"] else [])
    assert command(["runs", "show", "nobody"], "2>/dev/full").returncode == 2  # what cannot be said is dropped, and the exit code stays


def test_ctrl_c_that_ends_the_reader_of_the_output_too_stops_the_run(started, store, written):
    """As in ``mtl train 2>&1 | tee log``. The run was recorded as failed."""
    process = started("train", written("waits"))
    assert "ready" in process.stderr.readline()
    process.stderr.close()
    process.stdout.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    run = store.runs()[0]
    assert (run.status, run.failure) == ("stopped", None)


class Gone(io.StringIO):
    """A terminal that was closed."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(5, "Input/output error")

    def flush(self):
        self.write("")

    def fileno(self):
        return self.number

    def isatty(self):
        return True


def test_a_terminal_that_is_gone_ends_no_training(tmp_path, config, monkeypatch):
    with open(tmp_path / "terminal", "wb") as file:
        monkeypatch.setattr(sys, "stderr", Gone(file.fileno()))
        with _progress(config("fine")) as show:
            show(Message("preparing"))
        say("afterwards")
        os.write(file.fileno(), b"dropped")
    assert (tmp_path / "terminal").read_bytes() == b""


def test_a_stream_that_is_there_is_written_as_ever():
    stream = io.StringIO()
    print("text", file=LossyStream(stream), flush=True)
    assert stream.getvalue() == "text\n"
