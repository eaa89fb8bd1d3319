"""Zips, folders and links that people bring: nothing outside them is read, and nothing is unpacked beyond measure."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import check, examine, propose
from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.errors import DataError
from tests.data.imports.hostile.hostile_files import SMOOTH, encoded, folder_with, png


def zipped(path: Path, entries: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(12):
            file.writestr(f"{('cat', 'dog')[number % 2]}/good_{number}.png", png(Image.fromarray(np.roll(np.asarray(SMOOTH), number + 1, 0))))
        for name, content in entries.items():
            file.writestr(name, content)
        for name, target in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(entry, target)
    return path


ZIPS = {
    "traversal": ({"../../evil.png": png()}, "skipped/zip_traversal"),
    "hidden_traversal": ({"cat/../../evil.png": png()}, "skipped/zip_traversal"),
    "absolute": ({"/tmp/evil.png": png()}, "skipped/zip_absolute"),
    "drive": ({"C:/evil.png": png()}, "skipped/zip_absolute"),
    "nested": ({"cat/more.zip": b"PK"}, "skipped/nested_archive"),
    "bomb": ({"cat/x.png": b"\0" * (40 << 20)}, "skipped/zip_bomb"),
}


@pytest.mark.parametrize("name", ZIPS)
def test_odd_zips(tmp_path, name):
    entries, said = ZIPS[name]
    path = zipped(tmp_path / "in.zip", entries)
    before = sorted(tmp_path.rglob("*"))
    report = check(path, propose(path).spec)
    assert (report.images, report.problems) == (12, ())
    assert said in report.counts
    assert report.groups() == {"file": 1}
    assert sorted(tmp_path.rglob("*")) == before


def test_links_in_a_zip_are_not_followed(tmp_path):
    path = zipped(tmp_path / "in.zip", {}, {"cat/evil.png": "/etc/passwd"})
    assert check(path, propose(path).spec).counts == {"skipped/link": 1}


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"not a zip", zlib.compress(b"x" * 100)])
def test_what_is_no_zip(tmp_path, content):
    (tmp_path / "in.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"is not a readable zip|holds no files"):
        propose(tmp_path / "in.zip")


def test_a_zip_that_would_fill_the_disk_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", b"\0" * (70 << 20))
    with pytest.raises(DataError, match=r"would unpack to .* times its size"):
        propose(tmp_path / "in.zip")


def test_a_damaged_zip_entry_is_one_skipped_picture(tmp_path):
    path = zipped(tmp_path / "in.zip", {"cat/x.bmp": encoded(SMOOTH, "BMP")})
    content = bytearray(path.read_bytes())
    place = content.index(b"cat/x.bmp") + 200
    content[place : place + 20] = b"\xff" * 20
    path.write_bytes(bytes(content))
    report = check(path, propose(path).spec)
    assert (report.images, report.skipped) == (12, 1)


def test_links_out_of_a_folder_are_not_followed(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.png").write_bytes(png())
    root = folder_with(tmp_path / "in", {})
    (root / "cat" / "file.png").symlink_to(tmp_path / "secret" / "s.png")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "circle").symlink_to(root)
    (root / "cat" / "dangling.png").symlink_to(root / "nowhere.png")
    report = check(root, propose(root).spec)
    assert report.images == 12
    assert {row.kind for row in report.findings} == {"link", "unreadable"}
    assert report.groups() == {"file": len(report.findings)}


@pytest.mark.parametrize("way", ["zip", "folder"])
def test_folders_of_thousands_of_levels_are_left_out(tmp_path, way):
    for number in range(4):
        path = tmp_path / "set" / "images" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (9, 12, 3), dtype=np.uint8)).save(path)
    content, root = (tmp_path / "set" / "images" / "0.png").read_bytes(), tmp_path / "set"
    if way == "zip":
        root = tmp_path / "set.zip"
        with zipfile.ZipFile(root, "w") as packed:
            for number in range(4):
                packed.writestr(f"images/{number}.png", (tmp_path / "set" / "images" / f"{number}.png").read_bytes())
            packed.writestr("a/" * 3000 + "x.png", content)
    else:
        deep = root / "/".join(["a"] * 65)
        deep.mkdir(parents=True)
        (deep / "x.png").write_bytes(content)
    proposal = propose(root)
    assert proposal.images == 4
    report = examine(root, proposal.spec).report
    [found] = [row for row in report.findings if row.kind == "deep"]
    assert report.groups()["file"] == 1
    assert "more than 64 folders" in found.message
    assert len(found.file) <= 300


@pytest.mark.parametrize("swapped", ["link", "pipe"])
def test_a_file_that_is_swapped_after_the_look_is_not_read(tmp_path, swapped):
    secret = tmp_path / "secret.csv"
    secret.write_text("nobody is to read this")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "m.csv").write_text("image,label\n")
    with Tree(tmp_path / "set", Findings()) as tree:
        (tmp_path / "set" / "m.csv").unlink()
        if swapped == "link":
            (tmp_path / "set" / "m.csv").symlink_to(secret)
        else:
            os.mkfifo(tmp_path / "set" / "m.csv")
        with pytest.raises(UnreadableError, match="replaced by a link that leads out of the folder"):
            tree.read("m.csv", 1000)


@pytest.mark.parametrize("path", ["~no_such_user_at_all/x", "x" * 300, "a\0b", "/" + "a/" * 3000])
def test_a_path_that_no_file_system_has_is_refused_in_words(path):
    with pytest.raises(DataError, match="the folder or zip: "):
        Tree(path, Findings())
