"""Environment variables: each is read and checked in one place, and a mistake is told before anything is begun."""

import json
import re
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
        ("MTL_EXECUTOR", "proces", "expected thread or process, found 'proces'; did you mean 'process'?"),
        ("MTL_EXECUTOR", "carrier pigeon", "expected thread or process, found 'carrier pigeon'."),
        ("MTL_EXECUTR", "thread", "there is no such setting; did you mean MTL_EXECUTOR?"),
        ("MTL_HOMES", "/x", "did you mean MTL_HOME?"),
        ("MTL_DATA_FOLDER", "/x", "did you mean MTL_DATA_FOLDERS?"),
        ("MTL_DATA_ROOT", __file__, "expected a folder, found the file"),
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


def test_every_variable_is_known_and_read_in_one_place():
    named = {path: set(re.findall(r"MTL_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8"))) for path in _sources()}
    assert set().union(*named.values()) <= {variable.name for variable in settings.VARIABLES}
    reading = re.compile(r"environ(\.get\(|\[)\s*f?[\"'](MTL_|\{)|environ\.get\([A-Z]")
    assert [path.name for path in _sources() if reading.search(path.read_text(encoding="utf-8"))] == []


def _sources():
    return [ROOT / "app.py", ROOT / "serve.py", *(path for folder in ("mtl_core", "ui", "pages") for path in (ROOT / folder).rglob("*.py"))]


def test_the_guide_has_the_table_of_them():
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    rows = [f"| `{variable.name}` | {variable.about} | {variable.default} |" for variable in settings.VARIABLES]
    assert "\n".join(["| variable | sets | where it is not set |", "|---|---|---|", *rows]) in guide
