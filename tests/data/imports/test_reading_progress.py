"""Looking, counting, checking and previewing say what they read, and end where they are cancelled: no step is silent."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import Cancelled, describe, examine, preview, propose, reading_progress

OBJECTS = 900


@pytest.fixture
def packed(tmp_path):
    """A zip with a picture in each of two folders, COCO of a few hundred objects, YOLO lines and a table."""
    images = [{"id": n, "file_name": f"{n}.png", "width": 32, "height": 24} for n in range(8)]
    objects = [{"id": n, "image_id": n % 8, "category_id": 1, "bbox": [1, 2, 9, 8], "area": 72} for n in range(OBJECTS)]
    coco = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "cat"}]}
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for n in range(8):
            Image.fromarray(np.full((24, 32, 3), 20 * n, np.uint8)).save(tmp_path / "p.png")
            archive.write(tmp_path / "p.png", f"images/{n}.png")
        archive.writestr("objects.json", json.dumps(coco))
        archive.writestr("labels.csv", "file,kind\n" + "".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(8)))
    return tmp_path / "set.zip"


@pytest.fixture(autouse=True)
def _each_file_is_said(monkeypatch):
    monkeypatch.setattr(reading_progress, "INTERVAL", -1.0)


def looks(path):
    spec = propose(path).spec
    keys = ["images/0.png"]
    return {
        "look": lambda tell, stop: propose(path, progress=tell, cancelled=stop),
        "count": lambda tell, stop: describe(path, spec, tell, stop),
        "check": lambda tell, stop: examine(path, spec, tell, stop),
        "preview": lambda tell, stop: preview(path, spec, keys, stop),
    }


@pytest.mark.parametrize("step", ["look", "count", "check"])
def test_each_file_of_targets_that_is_read_is_said(packed, step):
    said = []
    looks(packed)[step](lambda share, what: said.append((share, what)), lambda: False)
    assert any("objects.json" in what and "coco" in what.lower() for _, what in said)
    assert any("labels.csv" in what for _, what in said)
    assert [share for share, _ in said] == sorted(share for share, _ in said)
    assert said[0] == (0.0, "listing the files")


def test_how_much_is_read_of_a_large_file_is_said(packed, monkeypatch):
    monkeypatch.setattr(reading_progress, "_LARGE", 100)
    said = []
    propose(packed, progress=lambda share, what: said.append(what))
    assert any("objects.json (0 of 0 MB)" in what for what in said)


@pytest.mark.parametrize("step", ["look", "count", "check", "preview"])
def test_a_step_ends_wherever_it_is_cancelled(packed, step):
    work, asked = looks(packed)[step], []

    def count() -> bool:
        asked.append(1)
        return False

    work(lambda share, what: None, count)
    for end in range(len(asked)):
        left = iter([False] * end)
        with pytest.raises(Cancelled):
            work(lambda share, what: None, lambda left=left: next(left, True))
