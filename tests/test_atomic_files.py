"""Files and folders are there whole or not at all, and a failure leaves nothing behind."""

import os

import pytest

from mtl_core.atomic_files import atomic_folder, atomic_write, write_synced, write_text


def full(*_):
    raise OSError(28, "No space left on device")


def write(path, make_content):
    with atomic_write(path) as file:
        file.write(b"half")
        file.write(make_content())


def fill(place, make_content):
    with atomic_folder(place) as folder:
        write_synced(folder / "one", b"1")
        write_synced(folder / "two", make_content())


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("where", ["in the block", "os.fsync", "os.replace"])
def test_a_write_that_fails_leaves_what_was_there(where, before, tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    if before:
        path.write_text(before)

    if where != "in the block":
        monkeypatch.setattr(where, full)
    with pytest.raises(OSError, match="No space"):
        write(path, full if where == "in the block" else lambda: b"new")
    assert names(tmp_path) == (["a.txt"] if before else [])
    assert before is None or path.read_text() == before


def test_a_reader_sees_the_old_content_until_the_new_one_is_whole_and_on_the_disk(tmp_path, monkeypatch):
    """Content first, then its name, then the folder's entry."""
    path, done, replace = tmp_path / "a.txt", [], os.replace
    write_text(path, "old")
    monkeypatch.setattr("os.fsync", lambda descriptor: done.append(f"sync {'folder' if os.path.isdir(f'/proc/self/fd/{descriptor}') else 'file'}"))
    monkeypatch.setattr("os.replace", lambda *names: (done.append("name"), replace(*names)))
    with atomic_write(path) as file:
        file.write("né".encode())
        assert path.read_text() == "old"
    assert path.read_text(encoding="utf-8") == "né"
    assert done == ["sync file", "name", "sync folder"]
    assert names(tmp_path) == ["a.txt"]


def test_a_link_is_replaced_never_written_through(tmp_path):
    (tmp_path / "theirs.txt").write_text("theirs")
    (tmp_path / "a.txt").symlink_to(tmp_path / "theirs.txt")
    write_text(tmp_path / "a.txt", "ours")
    assert ((tmp_path / "theirs.txt").read_text(), (tmp_path / "a.txt").read_text()) == ("theirs", "ours")
    assert not (tmp_path / "a.txt").is_symlink()


def test_a_folder_gets_its_name_when_it_is_filled(tmp_path):
    place = tmp_path / "deep" / "folder"
    with atomic_folder(place) as folder:
        write_synced(folder / "one", b"1")
        assert not place.exists()
    assert names(place) == ["one"]
    with pytest.raises(OSError, match="No space"):
        fill(tmp_path / "other", full)
    assert names(tmp_path) == ["deep", "folder", "one"]


def test_a_folder_that_somebody_else_has_made_meanwhile_stays(tmp_path):
    place = tmp_path / "folder"
    with atomic_folder(place) as folder:
        write_synced(folder / "ours", b"1")
        place.mkdir()
        write_synced(place / "theirs", b"2")
    assert names(tmp_path) == ["folder", "theirs"]
