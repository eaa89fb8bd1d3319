"""Composed data are prepared in a process of their own."""

import signal
import sys

import psutil
import pytest

from mtl_core.data import preparation_process
from mtl_core.data import prepare as preparing
from mtl_core.data.prepare import prepare, prepare_here
from mtl_core.data.sources.digit_scenes import DigitScenes, DigitScenesOptions
from mtl_core.data.sources.digits import Digits

SIZES = {"train_size": 6, "val_size": 3, "test_size": 3}


@pytest.fixture
def scenes(monkeypatch):
    """Few scenes, which count as many, on a machine of several cores."""
    monkeypatch.setattr(preparation_process, "FROM", 12)
    monkeypatch.setattr(preparation_process, "cores", lambda: 2)
    return DigitScenes(DigitScenesOptions(**SIZES, image_size=32))


@pytest.fixture
def here(monkeypatch):
    """The sources that this process prepared itself."""
    made = []
    monkeypatch.setattr(preparing, "prepare_here", lambda source, *given: made.append(source) or prepare_here(source, *given))
    return made


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ended():
    return not [child for child in psutil.Process().children() if preparation_process.PROGRAM in " ".join(child.cmdline())]


def test_the_files_are_those_that_this_process_makes(scenes, tmp_path, here):
    said = []
    prepare(scenes, tmp_path / "elsewhere", lambda share, what: said.append((share, what)))
    assert here == []
    assert (0.98 * 6 / 12, "train: 6 of 6 scenes composed") in said
    prepare_here(scenes, tmp_path / "here", lambda share, what: None)
    made = files(tmp_path / "elsewhere")
    assert len(made) == 3 * (1 + 2 * 7) + 1  # in each split the images, and values and labels of seven targets; meta.json
    assert made == files(tmp_path / "here")


def test_a_preparation_that_is_stopped_ends_its_process_and_leaves_nothing(scenes, tmp_path, here):
    class StoppedError(Exception):
        pass

    def stop(share, what):
        raise StoppedError

    with pytest.raises(StoppedError):
        prepare(scenes, tmp_path, stop)
    assert (list(tmp_path.iterdir()), here, ended()) == ([], [], True)


def test_data_are_made_here_where_the_process_is_killed(scenes, tmp_path, here, monkeypatch):
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    started = preparation_process.subprocess.Popen
    monkeypatch.setattr(preparation_process.subprocess, "Popen", lambda command, **given: started([sys.executable, "-c", killed], **given))
    prepare(scenes, tmp_path)
    assert here == [scenes]


def test_a_process_whose_reader_has_gone_ends(scenes, tmp_path):
    """The server was killed while data were prepared."""
    process = preparation_process.start(scenes, tmp_path)
    process.stdout.close()
    assert process.wait() not in (0, -signal.SIGKILL)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".preparing-")]


@pytest.mark.parametrize(
    ("source", "cores", "is_worthwhile"),
    [
        (DigitScenes(DigitScenesOptions()), 2, True),
        (DigitScenes(DigitScenesOptions()), 1, False),
        (DigitScenes(DigitScenesOptions(**SIZES)), 2, False),
        (Digits(Digits.Options()), 2, False),
    ],
)
def test_a_process_is_started_where_it_is_sooner(source, cores, is_worthwhile, monkeypatch):
    monkeypatch.setattr(preparation_process, "cores", lambda: cores)
    assert preparation_process.is_worthwhile(source) == is_worthwhile
