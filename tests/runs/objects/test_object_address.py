"""The address of the object store: the setting, the command that sends what is older than it, and what is shown of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from imported_sets import config_on, pictures
from object_stores import checkpoint

from mtl_core.__main__ import main
from mtl_core.data.imports import get_imported
from mtl_core.errors import StoreError, UnreachableObjectsError
from mtl_core.runs.looks import note_look
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.store import open_store


def test_the_command_sends_what_was_made_before_there_was_an_object_store(tmp_path, monkeypatch, capsys, config):
    store = open_store(tmp_path / "home")
    run = store.create(config())
    name = checkpoint(store.folder(run.id), 1)
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "home"))
    assert main(["runs", "send"]) == 2
    assert "set MTL_ARTIFACTS_URL" in capsys.readouterr().err
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"file://{tmp_path / 'objects'}")
    assert main(["runs", "send"]) == 0
    assert capsys.readouterr().out == "whole in the object store: 1 of 1 runs\n"
    assert (tmp_path / "objects" / run.id / "checkpoints" / name / "state.pt").is_dir()
    (tmp_path / "objects").chmod(0o700)
    (tmp_path / "objects").rename(tmp_path / "elsewhere")
    (tmp_path / "objects").write_text("a file")
    note_look(store.place(run.id), "evaluated", 1)
    assert main(["runs", "send"]) == 1
    out, err = capsys.readouterr()
    assert out == "whole in the object store: 0 of 1 runs\n"
    assert run.id in err
    assert "cannot be used" in err


def test_the_commands_for_data_sets(tmp_path, monkeypatch, capsys):
    folder = pictures(tmp_path / "mine")
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "home"))
    assert main(["data", "import", str(folder), "--name", "early", "--accept"]) == 0
    assert main(["data", "send"]) == 2
    assert "set MTL_ARTIFACTS_URL" in capsys.readouterr().err
    objects = tmp_path / "objects"
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"file://{objects}")
    assert main(["data", "send"]) == 0
    assert capsys.readouterr().out == "sent to the object store: 1 of 1 data sets that waited here\n"
    assert len(list(objects.glob("*/set.json/*"))) == 1
    assert main(["data", "send"]) == 0
    assert capsys.readouterr().out == "sent to the object store: 0 of 0 data sets that waited here\n"
    objects.rename(tmp_path / "elsewhere")
    objects.write_text("a file")
    assert main(["data", "import", str(folder), "--name", "late", "--accept"]) == 0
    assert "'late' is on this machine alone: the object store" in capsys.readouterr().err
    assert main(["data", "send"]) == 1
    out, err = capsys.readouterr()
    assert out == "sent to the object store: 0 of 1 data sets that waited here\n"
    assert "late  the object store" in err
    objects.unlink()
    (tmp_path / "elsewhere").rename(objects)
    assert main(["data", "send"]) == 0
    assert main(["data", "delete", "early", "--yes"]) == 0
    capsys.readouterr()
    assert main(["data", "list", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out) if one["title"].startswith("imported, ")] == ["late"]
    assert len(list(objects.glob("*/set.json/*"))) == 1


@pytest.mark.database
def test_commands_on_one_machine_know_the_sets_of_another(empty, tmp_path, monkeypatch, capsys):
    folder = pictures(tmp_path / "mine")
    monkeypatch.setenv("MTL_STORE_URL", empty.url)
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"file://{tmp_path / 'objects'}")
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "here"))
    assert main(["data", "import", str(folder), "--name", "days", "--accept"]) == 0
    [task] = [task.name for task in get_imported("days").tasks]
    folder.rename(tmp_path / "on no other machine")
    (tmp_path / "config.yaml").write_text(config_on("days", tasks={task: {}}).to_yaml(), encoding="utf-8")
    for machine, command in (("first", ["queue"]), ("second", ["race", "--methods", "fixed,dwa"]), ("third", ["data", "show", "days"])):
        monkeypatch.setenv("MTL_HOME", str(tmp_path / machine))
        capsys.readouterr()
        assert main([*command, *([] if "data" in command else [str(tmp_path / "config.yaml")])]) == 0, capsys.readouterr().err
    assert open_store(tmp_path / "here").count() == 3


def test_the_address_is_a_setting(tmp_path, monkeypatch, config):
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"file://{tmp_path / 'objects'}/")
    store = open_store(tmp_path / "home")
    run = store.create(config())
    assert {path.relative_to(tmp_path / "objects").parts[:2] for path in (tmp_path / "objects").rglob("*") if path.is_file()} == {
        (run.id, "config.yaml")
    }
    assert open_store(tmp_path / "home").artifacts is store.artifacts


def test_a_store_with_objects_is_not_opened_without_their_address(tmp_path, monkeypatch):
    """Else checkpoints that are not on this machine would count as damaged."""
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"file://{tmp_path / 'objects'}")
    open_store(tmp_path / "home")
    monkeypatch.delenv("MTL_ARTIFACTS_URL")
    process_slot("swept stores").pop(str(tmp_path / "home"))  # as in another process
    for _ in range(2):
        with pytest.raises(StoreError, match="MTL_ARTIFACTS_URL is not set"):
            open_store(tmp_path / "home")


def test_the_address_is_shown_without_its_password(two):
    from mtl_core.runs.objects.bucket import Bucket

    bucket = Bucket("nonsense://user:secret@host/runs")
    with pytest.raises(UnreachableObjectsError) as caught:
        bucket.write("a", b"")
    assert "nonsense://host/runs" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_the_setting_nothing_of_it_is_loaded(tmp_path):
    code = (
        "import sys; from mtl_core.runs.store import open_store; store = open_store(sys.argv[1])\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('fsspec', 'filelock', 's3fs') or 'object_artifacts' in name))\n"
        "import sqlite3; print(sorted(row[0] for row in sqlite3.connect(store.home / 'store.sqlite').execute("
        "\"select name from sqlite_master where name = 'artifacts'\")))"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MTL_")}
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "home")], capture_output=True, text=True, cwd=root, env=clean, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]
