"""Whether a checkpoint is whole, and copies of it: files that changed or are missing are noticed, a copy is complete before it has its name."""

import json
import shutil

import pytest

from mtl_core.errors import TrainingError
from mtl_core.training import checkpoint_files
from mtl_core.training.checkpoint_files import (
    FORMAT,
    DamagedCheckpointError,
    check_files,
    copy_for_fork,
    newest_first,
    put_aside,
    read_meta,
)
from tests.training.test_checkpoint_files import there


def test_whole_files_pass(folder, three):
    for name in three:
        check_files(folder, name)


@pytest.mark.parametrize("file", ["model.safetensors", "state.pt"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:50] + bytes([content[50] ^ 1]) + content[51:],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content + b"\0",
    ],
    ids=["a flipped bit", "cut off", "empty", "longer"],
)
def test_a_changed_file_is_noticed(folder, three, file, spoil):
    path = folder / "checkpoints" / three[2] / file
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DamagedCheckpointError, match=rf"{file}' is not what was written \(its {path.stat().st_size:,} bytes have another SHA-256\)"):
        check_files(folder, three[2])
    check_files(folder, three[1])


@pytest.mark.parametrize("file", ["model.safetensors", "state.pt", "meta.json"])
def test_a_missing_file_is_noticed(folder, three, file):
    (folder / "checkpoints" / three[2] / file).unlink()
    with pytest.raises(DamagedCheckpointError, match=rf"{file}' cannot be read"):
        check_files(folder, three[2])


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": "x"}', '{"format": 2, "position": 5, "execution": {}}'])
def test_a_meta_file_that_cannot_be_used_is_noticed(folder, three, content):
    (folder / "checkpoints" / three[2] / "meta.json").write_text(content)
    with pytest.raises(DamagedCheckpointError, match=r"meta.json' cannot be read"):
        read_meta(folder, three[2])


def test_a_newer_format_is_refused_as_such_and_not_as_damage(folder, write_checkpoint):
    name = write_checkpoint(folder, 1, 10, format=FORMAT + 1)
    for look in (read_meta, check_files):
        with pytest.raises(TrainingError, match=r"newer version of the program \(format 3, this one reads up to 2\). Update the program") as caught:
            look(folder, name)
        assert not isinstance(caught.value, DamagedCheckpointError)
    assert there(folder) == [name]


def test_the_first_format_had_no_sums_and_is_read(folder, write_checkpoint):
    name = write_checkpoint(folder, 1, 10)
    path = folder / "checkpoints" / name / "meta.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps({key: meta[key] for key in ("position", "execution")}))
    check_files(folder, name)
    assert read_meta(folder, name)["position"]["epoch"] == 1


def test_putting_aside_overwrites_nothing(folder, three, write_checkpoint):
    parent, name = folder / "checkpoints", three[2]
    for number, suffix in enumerate((".damaged", ".damaged2", ".damaged3")):
        (parent / name / "state.pt").write_bytes(bytes([number]))
        put_aside(folder, name)
        assert (parent / f"{name}{suffix}" / "state.pt").read_bytes() == bytes([number])
        assert not (parent / name).exists()
        write_checkpoint(folder, 3, 30, keep=False)
    assert (parent / f"{name}.damaged" / "state.pt").read_bytes() == bytes([0])
    shutil.rmtree(parent / name)
    put_aside(folder, name)  # one that is gone is no error
    assert f"{name}.damaged4" not in there(folder)


def test_a_copy_is_complete_before_it_has_its_name(folder, three, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "link_or_copy", full)
    with pytest.raises(OSError, match="No space left"):
        copy_for_fork(folder, three[1], tmp_path / "fork")
    assert newest_first(tmp_path / "fork") == []


def test_a_copy_where_files_cannot_be_shared_is_a_real_one(folder, three, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    copy_for_fork(folder, three[1], tmp_path / "fork")
    check_files(tmp_path / "fork", three[1])
    copied = tmp_path / "fork" / "checkpoints" / three[1] / "state.pt"
    assert copied.stat().st_ino != (folder / "checkpoints" / three[1] / "state.pt").stat().st_ino
