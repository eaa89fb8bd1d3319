"""Masks and depth maps that people bring: each is accepted rightly, or refused and said. No pickle is opened."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import ImportSpec, check, examine
from mtl_core.data.imports.imported_source import PreparedSource
from tests.data.imports.hostile.hostile_files import FLOAT, SIXTEEN, SMOOTH, bomb, encoded, folder_with, noise, png


def masked(tmp_path, content: bytes, **options):
    good = png(Image.fromarray(np.ones((40, 50), np.uint8)))
    root = folder_with(tmp_path / "in", {"m/good_0.png": content, "m/good_1.png": good})
    source = {"format": "masks", "folder": "m", "values": {0: "ground", 1: "thing"}, **options}
    return examine(root, ImportSpec.from_dict({"images": {"exclude": ["m"]}, "sources": [source]}))


MASKS = {
    "other_size": (png(Image.new("L", (9, 9))), "skipped/size_differs", 1),
    "unlisted": (png(Image.fromarray(np.full((40, 50), 77, np.uint8))), "note/unlisted_value", 2),
    "colours": (png(Image.merge("RGB", (*SMOOTH.split()[:2], Image.new("L", SMOOTH.size)))), "skipped/mask", 1),
    "damaged": (noise(), "skipped/mask", 1),
    "empty": (b"", "skipped/mask", 1),
    "bomb": (bomb(), "skipped/mask", 1),
    "float": (encoded(FLOAT, "TIFF"), "skipped/mask", 1),
    "grey_in_three": (png(Image.fromarray(np.ones((40, 50), np.uint8)).convert("RGB")), "", 2),
    "palette": (png(Image.fromarray(np.ones((40, 50), np.uint8)).convert("P")), "", 2),
}


@pytest.mark.parametrize("name", MASKS)
def test_odd_masks(tmp_path, name):
    content, said, labelled = MASKS[name]
    examined = masked(tmp_path, content)
    assert [f"{row.outcome}/{row.kind}" for row in examined.report.findings] == ([said] if said else [])
    assert sum(examined.report.tasks[0].labelled.values()) == labelled
    split = examined.split["cat/good_0.png"]
    if labelled == 2:
        data = PreparedSource(examined).build(split, lambda share, what: None)
        row = [key for key in examined.facts if examined.split[key] == split].index("cat/good_0.png")
        assert np.unique(data.targets["segments"][row]).tolist() == [255 if name == "unlisted" else 1]


def depths(tmp_path, name: str, content: bytes):
    root = folder_with(tmp_path / "in", {f"depth/{name}": content})
    spec = {"images": {"exclude": ["depth"]}, "sources": [{"format": "depth", "folder": "depth", "scale": 0.001}]}
    return check(root, ImportSpec.from_dict(spec))


def npy(values) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/mtl_core_was_run_by_a_pickle"),))


DEPTHS = {
    "pickled": ("good_0.npy", npy(np.array([Trap()], object)), "skipped/depth", 0),
    "cut_off": ("good_0.npy", npy(np.ones((40, 50)))[:300], "skipped/depth", 0),
    "no_npy": ("good_0.npy", b"nothing", "skipped/depth", 0),
    "huge_header": ("good_0.npy", npy(np.ones((1, 1))).replace(b"(1, 1)", b"(999999, 999999)"), "skipped/depth", 0),
    "text_array": ("good_0.npy", npy(np.array(["a", "b"])), "skipped/depth", 0),
    "three_channels": ("good_0.png", png(Image.merge("RGB", (*SMOOTH.split()[:2], Image.new("L", SMOOTH.size)))), "skipped/depth", 0),
    "nothing_measured": ("good_0.png", png(Image.fromarray(np.zeros((40, 50), np.uint16))), "skipped/no_measurement", 0),
    "other_size": ("good_0.npy", npy(np.ones((4, 5))), "skipped/size_differs", 0),
    "some_measured": ("good_0.png", png(SIXTEEN), "note/no_measurement", 1),
    "infinite": ("good_0.npy", npy(np.where(np.eye(40, 50) > 0, np.inf, 5.0)), "note/no_measurement", 1),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_odd_depth(tmp_path, name):
    file, content, said, labelled = DEPTHS[name]
    report = depths(tmp_path, file, content)
    assert [f"{row.outcome}/{row.kind}" for row in report.findings] == [said]
    assert sum(report.tasks[0].labelled.values()) == labelled
    assert not Path("/tmp/mtl_core_was_run_by_a_pickle").exists()
