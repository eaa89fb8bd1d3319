"""``predict`` writes into a user's folder: every name is its own, nothing of the user's is replaced, a killed one is gone on with."""

import io
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl_core.__main__ import main
from mtl_core.cli import prediction_folder
from mtl_core.cli.prediction_folder import PROGRESS, prepare
from mtl_core.errors import NotPossibleError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(trained, monkeypatch):
    monkeypatch.setenv("MTL_HOME", str(trained.store.home))
    return trained.run.id


@pytest.fixture
def photos(tmp_path):
    return make(tmp_path / "photos", "cat.jpg", "dog.png")


def make(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for name in names:
        Image.fromarray(random.integers(0, 256, (24, 30, 3), dtype=np.uint8)).save(folder / name)
    return folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(arguments, capsys):
    assert main(["predict", *map(str, arguments)]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
@pytest.mark.parametrize("way", ["the folder", "a link to it", "through another", "one picture", "a picture that is a link", "in capitals"])
def test_nothing_is_written_among_the_pictures(run, photos, tmp_path, monkeypatch, capsys, way, force):
    before = contents(photos)
    images, out = photos, photos
    if way == "a link to it":
        out = tmp_path / "link"
        out.symlink_to(photos, target_is_directory=True)
    elif way == "through another":
        (tmp_path / "other").mkdir()
        out = tmp_path / "other" / ".." / "photos"
    elif way == "one picture":
        images = photos / "dog.png"
    elif way == "a picture that is a link":
        images = tmp_path / "elsewhere" / "dog.png"
        images.parent.mkdir()
        images.symlink_to(photos / "dog.png")
    elif way == "in capitals":  # as a file system that ignores them answers
        out = tmp_path / "PHOTOS"
        real_exists, real_stat, real_dir = Path.exists, os.stat, Path.is_dir
        monkeypatch.setattr(Path, "exists", lambda path, **more: real_exists(photos if path == out else path, **more))
        monkeypatch.setattr(Path, "is_dir", lambda path, **more: real_dir(photos if path == out else path, **more))
        monkeypatch.setattr(os, "stat", lambda path, **more: real_stat(photos if path == out else path, **more))
    said = refused([run, images, "--out", out, *force], capsys)
    assert "is the folder of the picture" in said
    assert contents(photos) == before


def planned(folder, *names, tasks=("segments", "depth"), **options):
    """Files by picture, for pictures of these names."""
    images = [make(folder, name) / name for name in names]
    return {job.image.name: job.files for job in prepare(images, folder.parent / "out", {}, tasks, False, **options).jobs}


@pytest.mark.parametrize(
    "names",
    [
        ("cat.jpg", "cat-segments.jpg"),
        ("cat-segments.jpg", "cat.jpg"),
        ("cat.jpg", "cat.png", "cat-2.png"),
        ("A.jpg", "a.jpg"),
        ("A.jpg", "a-SEGMENTS.png", "a-2.png", "a-2-depth.bmp"),
        ("caf\u00e9.jpg", "cafe\u0301.png"),
        ("x" * 240 + "1.jpg", "x" * 240 + "2.jpg"),
    ],
)
def test_no_two_files_have_one_name_whatever_the_file_system(tmp_path, names):
    files = planned(tmp_path / "photos", *names)
    written = [name for each in files.values() for name in each.values()]
    assert len(written) == 4 * len(names)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in written}) == len(written)
    assert max(len(os.fsencode(name)) for name in written) <= 255


@pytest.mark.parametrize("name", ["cat.json", "cat.png", "cat-segments.png", "dog-depth.png"])
def test_any_file_in_the_way_is_seen_before_the_first_is_written(run, photos, tmp_path, capsys, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    assert f"'{out / name}' exists already, and nothing was written" in refused([run, photos, "--out", out], capsys)
    assert contents(out) == {name: b"mine"}
    assert main(["predict", run, str(photos), "--out", str(out), "--force"]) == 0
    assert (out / name).read_bytes() != b"mine"


def test_force_replaces_no_picture_and_writes_through_no_link(run, photos, tmp_path, capsys):
    out, mine = tmp_path / "out", tmp_path / "mine.txt"
    out.mkdir()
    os.link(photos / "cat.jpg", out / "dog.png")
    before = contents(photos)
    assert "is one of the pictures to predict and is never replaced" in refused([run, photos, "--out", out, "--force"], capsys)
    (out / "dog.png").unlink()
    mine.write_text("mine")
    (out / "dog.png").symlink_to(mine)
    assert main(["predict", run, str(photos), "--out", str(out), "--force"]) == 0
    assert (mine.read_text(), (out / "dog.png").is_symlink(), contents(photos)) == ("mine", False, before)


def test_a_folder_inside_the_pictures_is_no_input(run, photos, capsys):
    for force in ([], ["--force"]):
        assert main(["predict", run, str(photos), "--out", str(photos / "predicted"), *force, "--json"]) == 0
        done = json.loads(capsys.readouterr().out)["images"]
        assert [Path(each["file"]).name for each in done] == ["cat.jpg", "dog.png"]


KILLED = """
import os, sys
from mtl_core.cli import predict_commands
real, done = predict_commands._write, []
def write(predictor, job, image, prediction, folder):
    if len(done) == 1:  # in the middle of the second picture's files
        folder.write(job, "picture", b"half")
        os.kill(os.getpid(), 9)
    done.append(job)
    return real(predictor, job, image, prediction, folder)
predict_commands._write = write
from mtl_core.__main__ import main
main(sys.argv[1:])
"""


def test_a_killed_predict_goes_on_where_it_stopped(run, photos, tmp_path, capsys):
    make(photos, "owl.png")
    out, whole = tmp_path / "out", tmp_path / "whole"
    arguments = ["predict", run, str(photos), "--out", str(out)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, capture_output=True, timeout=120)
    assert killed.returncode == -9
    stamps = {path.name: path.stat().st_mtime_ns for path in out.glob("cat*")}
    assert sorted(stamps) == ["cat-depth.png", "cat-segments.png", "cat.json", "cat.png"]
    assert (out / "dog.png").read_bytes() == b"half"
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)

    assert main([*arguments, "--json"]) == 0
    said = capsys.readouterr()
    assert "1 of 3 images are done" in said.err
    assert len(json.loads(said.out)["images"]) == 3
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("cat*")} == stamps
    assert main(["predict", run, str(photos), "--out", str(whole)]) == 0
    assert contents(out) == contents(whole)
    assert "exists already" in refused(arguments[1:], capsys)  # it is finished: nothing is replaced

    (copy / "cat.png").write_bytes(b"mine")  # written by the user since
    assert f"'{copy / 'cat.png'}' exists already" in refused([run, photos, "--out", copy], capsys)
    assert (copy / "cat.png").read_bytes() == b"mine"


def test_another_network_does_not_go_on_with_it(tmp_path):
    images, out = [make(tmp_path / "photos", "cat.jpg") / "cat.jpg"], tmp_path / "out"
    folder = prepare(images, out, {"epoch": 1}, [], False)
    folder.write(folder.jobs[0], "picture", b"one")
    assert prepare(images, out, {"epoch": 1}, [], False).jobs == folder.jobs
    with pytest.raises(NotPossibleError, match="exists already"):
        prepare(images, out, {"epoch": 2}, [], False)


def test_one_at_work_is_not_taken_over(tmp_path, monkeypatch):
    images, out = [make(tmp_path / "photos", "cat.jpg") / "cat.jpg"], tmp_path / "out"
    prepare(images, out, {}, [], False)
    head = json.loads((out / PROGRESS).read_text().splitlines()[0])
    (out / PROGRESS).write_text(json.dumps(head | {"pid": head["pid"] + 1}) + "\n")
    monkeypatch.setattr(prediction_folder, "process_lives", lambda owner: True)
    with pytest.raises(NotPossibleError, match="another 'predict'"):
        prepare(images, out, {}, [], False)


def test_a_plan_from_elsewhere_names_no_file_outside(tmp_path):
    images, out = [make(tmp_path / "photos", "cat.jpg") / "cat.jpg"], tmp_path / "out"
    prepare(images, out, {}, [], False)
    head = json.loads((out / PROGRESS).read_text().splitlines()[0])
    head["names"] = {str(images[0]): {"values": "../precious.json", "picture": "cat.png"}}
    (out / PROGRESS).write_text(json.dumps(head) + "\n")
    assert prepare(images, out, {}, [], False).jobs[0].files == {"values": "cat.json", "picture": "cat.png"}


def test_a_picture_whose_name_is_no_text_is_predicted_and_named(run, photos, tmp_path, monkeypatch, capsysbinary):
    """File systems take any bytes as a name. The JSON gives the name that opens the file."""
    odd = os.fsencode(photos) + b"/a\x80.png"
    shutil.copy(photos / "dog.png", odd)
    assert main(["predict", run, str(photos), "--out", str(tmp_path / "folder"), "--json"]) == 0
    named = json.loads(capsysbinary.readouterr().out)["images"][0]
    assert (os.fsencode(named["file"]), named["picture"]) == (odd, "a\udc80.png")
    assert json.loads((tmp_path / "folder" / "a\udc80.json").read_bytes()) == named
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(odd + b"\n"), encoding="utf-8"))
    assert main(["predict", run, "-", "--out", str(tmp_path / "list"), "--json"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["images"] == [named]
