"""Names and texts from outside reach a terminal as text: none of their characters commands it."""

import json

import numpy as np
import pytest
from PIL import Image

from mtl_core.__main__ import main
from mtl_core.cli.output import emit_data
from mtl_core.presets import get_preset
from mtl_core.runs import actions
from mtl_core.runs.store import open_store
from mtl_core.terminal_text import visible

TITLE = "\x1b]0;owned\x07"  # would change the window's title
CLEAR = "\x9b2J"  # would clear the screen
TURNED = "\u202egnp.exe"  # would read backwards
HOSTILE = f"{TITLE}{CLEAR}{TURNED}"


def acted_on(text: str) -> list[str]:
    return [character for character in text if not character.isprintable() and character != "\n"]


def said(capsys, *arguments: str) -> str:
    capsys.readouterr()
    main(list(arguments))
    out, err = capsys.readouterr()
    return out + err


@pytest.fixture
def run(home):
    """With such a name, note and log."""
    store = open_store()
    config = get_preset("digits-quick").config.model_copy(update={"name": f"a{HOSTILE}\nanother line"})
    run = store.create(config)
    actions.set_note(store, run.id, f"note{HOSTILE}")
    return run.id


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs",),
        ("runs", "--json"),
        ("runs", "show", "2"),
        ("runs", "show", f"2{HOSTILE}"),
        ("runs", "delete", "2", "--yes"),
        ("runs", "move", "2", "1"),
        ("runs", "rename", "2"),
        ("stop", "2"),
        ("train", f"/{HOSTILE}"),
        ("train", "--preset", HOSTILE),
        ("train", "--preset", "digits-quick", "--set", f"{HOSTILE}=1"),
        ("predict", HOSTILE, f"/{HOSTILE}"),
        ("data", "check", f"/{HOSTILE}"),
        ("data", "show", HOSTILE),
        (HOSTILE,),
    ],
    ids=lambda arguments: " ".join(arguments)[:20].encode("ascii", "ignore").decode().replace("\x1b", ""),
)
def test_no_command_lets_them_through(run, capsys, arguments):
    assert acted_on(said(capsys, *arguments)) == []


def test_a_name_takes_one_line_of_the_list(run, capsys):
    assert len(said(capsys, "runs").splitlines()) == 2


def test_json_says_the_same_value(run, capsys):
    assert json.loads(said(capsys, "runs", "--json"))[0]["name"] == f"a{HOSTILE}\nanother line"


def test_files_and_classes_of_a_strangers_folder(tmp_path, home, capsys):
    for number, name in enumerate((f"cat{HOSTILE}", "dog")):
        (tmp_path / "in" / name).mkdir(parents=True)
        for row in range(6):
            pixels = np.random.default_rng(6 * number + row).integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "in" / name / f"{row}{HOSTILE}.png")
        (tmp_path / "in" / name / f"broken{HOSTILE}.png").write_bytes(b"x")
    for arguments in (
        ("check", str(tmp_path / "in")),
        ("import", str(tmp_path / "in"), "--name", "pets"),
        ("show", "pets"),
        ("delete", "pets", "--yes"),
    ):
        text = said(capsys, "data", *arguments)
        assert acted_on(text) == []
        assert "pets" in text or "x1b" in text


def test_what_programs_read_is_unchanged_unless_a_terminal_shows_it(capsys, monkeypatch):
    emit_data(HOSTILE)
    assert capsys.readouterr().out == HOSTILE + "\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    emit_data(HOSTILE)
    assert acted_on(capsys.readouterr().out) == []


def test_ordinary_text_stays():
    text = "Größe 3\n\tкошка 猫 \u200d é – ↑"
    assert visible(text) == text
    assert visible("a\r\nb\rc") == "a\nb\\rc"
    assert visible(" a\n b\t", one_line=True) == "a b"


def test_the_log_file_of_a_run_commands_nothing(tmp_path):
    store = open_store(tmp_path)
    run = store.create(get_preset("digits-quick").config)
    store.note(run.id, "warning", f"image '{HOSTILE}' left out")
    written = (store.folder(run.id) / "log.txt").read_text(encoding="utf-8")
    assert acted_on(written) == []
    assert r"\x1b]0;owned\x07\x9b2J\u202egnp.exe" in written
