"""Environment variables: each is read and checked in one place, and a mistake is told before anything is begun."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mtl_core import settings
from mtl_core.__main__ import main
from mtl_core.errors import ConfigError

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MTL_EXECUTOR", "proces", "expected thread, process or ray, found 'proces'; did you mean 'process'?"),
        ("MTL_EXECUTOR", "carrier pigeon", "expected thread, process or ray, found 'carrier pigeon'."),
        ("MTL_THREADS", "two", "expected a whole number from 1 to 1024, found 'two'"),
        ("MTL_THREADS", "0", "expected a whole number from 1 to 1024, found '0'"),
        ("MTL_THREADS", "1.5", "found '1.5'"),
        ("MTL_THREADS", "-2", "found '-2'"),
        ("MTL_EXECUTR", "thread", "there is no such setting; did you mean MTL_EXECUTOR?"),
        ("MTL_ARTIFACTS_URL", "ss3://bucket/runs", "'ss3' is no kind of object store that can be written; did you mean s3?"),
        ("MTL_ARTIFACTS_URL", "/mnt/share", "expected an address such as s3://bucket/prefix, or file:///mnt/share for a folder"),
        ("MTL_ARTIFACTS_URL", "https://host/runs", "'https' is no kind of object store that can be written."),
        ("MTL_ARTIFACT_URL", "s3://bucket/runs", "there is no such setting; did you mean MTL_ARTIFACTS_URL?"),
        ("MTL_HOMES", "/x", "did you mean MTL_HOME?"),
        ("MTL_DATA_FOLDER", "/x", "did you mean MTL_DATA_FOLDERS?"),
        ("MTL_DATA_ROOT", __file__, "expected a folder, found the file"),
        ("MTL_DATA_ROOT", "~no_such_user_at_all/x", "'~no_such_user_at_all' is no user of this machine"),
        ("MTL_HOME", "~no_such_user_at_all", "is no user of this machine"),
        ("MTL_DATA_FOLDERS", f"/tmp{os.pathsep}/{'x' * 300}", "at most 4,000 bytes and 255 for each name in it"),
    ],
)
def test_a_mistake_ends_every_command_with_2(monkeypatch, capsys, home, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=re.escape(said)):
        settings.check()
    for command in (["runs"], ["train", "--preset", "digits-quick"], ["presets"]):
        assert main(command) == 2
        out, err = capsys.readouterr()
        assert (out, err.startswith(f"error: {name}: "), said in err) == ("", True, True)
    assert main(["runs", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["problems"][0]["field"] == name
    assert main(["runs", "--help"]) == 0
    assert not home.exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("MTL_SOMETHING_ELSE", "1", "MTL_SOMETHING_ELSE: there is no such setting."), ("MTL_DATA_FOLDERS", "/no/such/folder", "does not exist")],
)
def test_what_may_be_a_mistake_is_said_and_keeps_nothing_from_beginning(monkeypatch, capsys, name, value, said):
    monkeypatch.setenv(name, value)
    assert main(["presets"]) == 0
    assert said in capsys.readouterr().err


def test_what_is_empty_is_not_set(monkeypatch, tmp_path):
    for variable in settings.VARIABLES:
        monkeypatch.setenv(variable.name, " ")
    monkeypatch.chdir(tmp_path)
    assert (settings.problems(), settings.remarks()) == ([], [])
    assert (settings.home(), settings.executor(), settings.data_root(), settings.mnist_root()) == (tmp_path / "runs", "", "", "")
    assert settings.data_folders() == ["~", "."]


SPINS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def test_threads_are_set_for_the_whole_process_before_torch_is_imported_and_those_that_wait_sleep_soon():
    """In new processes: the number belongs to the process, and these tests share one. OpenMP itself says how long its threads wait."""
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", *SPINS)}
    environment = kept | {"MTL_THREADS": "1", "OMP_DISPLAY_ENV": "VERBOSE"}
    given = "from mtl_core import settings; settings.use_threads()"
    shown = "import torch, threading; found = [torch.get_num_threads()]"
    shown += "; other = threading.Thread(target=lambda: found.append(torch.get_num_threads())); other.start(); other.join(); print(found)"
    for code, is_set in ((f"{given}; {shown}", True), (f"import torch; {given}; {shown}", False)):
        done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[1, 1]"
        assert not is_set or sys.platform != "linux" or "GOMP_SPINCOUNT = '10000'" in done.stderr  # PyTorch has GNU OpenMP on Linux only


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch has GNU OpenMP on Linux only")
@pytest.mark.parametrize(
    ("given", "told"),
    [({"GOMP_SPINCOUNT": "77"}, "'77'"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "'0'")],
    ids=["the user's", "the user's policy"],
)
def test_threads_wait_as_long_as_the_user_says(given, told):
    """PyTorch's OpenMP alone is loaded."""
    environment = {name: value for name, value in os.environ.items() if name not in SPINS} | {"OMP_DISPLAY_ENV": "VERBOSE"} | given
    openmp = next((Path(find_spec("torch").origin).parent / "lib").glob("libgomp*"))
    code = f"from mtl_core import settings; settings.use_threads(); import ctypes; ctypes.CDLL({str(openmp)!r})"
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"GOMP_SPINCOUNT = {told}" in done.stderr


def test_every_way_in_sets_the_threads(monkeypatch):
    asked = []
    monkeypatch.setattr(settings, "use_threads", lambda: asked.append(True))
    assert main(["presets"]) == 0
    assert asked == [True]
    for name in ("app.py", "serve.py"):
        assert re.search(r"^ +(settings\.)?use_threads\(\)$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_variable_is_known_and_read_in_one_place():
    named = {path: set(re.findall(r"MTL_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8"))) for path in _sources()}
    assert set().union(*named.values()) <= {variable.name for variable in settings.VARIABLES}
    reading = re.compile(r"environ(\.get\(|\[)\s*f?[\"'](MTL_|\{)|environ\.get\([A-Z]")
    assert [path.name for path in _sources() if reading.search(path.read_text(encoding="utf-8"))] == []


def _sources():
    return [ROOT / "app.py", ROOT / "serve.py", *(path for folder in ("mtl_core", "ui", "pages") for path in (ROOT / folder).rglob("*.py"))]
