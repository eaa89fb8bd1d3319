"""Pictures beyond 8 bits keep one range per set, in the import and in predictions; odd kinds of pictures are read or said."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from mtl_core.data.imports import ImportSpec, answer, examine, propose
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.data.imports.picture_reading import read_picture
from mtl_core.inference.image_reading import as_image, read_image


def classes(root, one, ending: str = "png", count: int = 8):
    for name in ("x", "y"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for n in range(count):
            image = one(name, n)
            image.save(root / name / f"{name}{n}.{ending}")
    return root


def ramp(top: float, kind=np.uint16):
    return lambda name, n: Image.fromarray((np.linspace(0, top, 48 * 36).reshape(36, 48) * (0.5 + n / 14)).astype(kind))


@pytest.mark.parametrize(
    ("top", "kind", "levels", "asked"),
    [
        (4095, np.uint16, (0, 4095), True),
        (255, np.uint16, (0, 255), False),
        (1000, np.uint16, (0, 1023), True),
        (65535, np.uint16, None, False),
        (1.0, np.float32, (0, 1), False),
        (200.5, np.float32, (0, 255), True),
    ],
)
def test_one_range_for_the_whole_set(tmp_path, top, kind, levels, asked):
    root = classes(tmp_path, ramp(top, kind), "tif" if kind is np.float32 else "png")
    proposal = propose(root)
    assert proposal.spec.images.levels == levels
    assert [question.name for question in proposal.questions] == ["levels"] * asked
    assert ImportSpec.from_yaml(proposal.spec.to_yaml()).images.levels == levels
    examined = examine(root, proposal.spec)
    assert examined.report.skipped == 0
    low, high = levels or (0, 65535)
    for part in ("train", "val", "test"):
        data = PreparedSource(examined).build(part, lambda share, what: None)
        for row, key in enumerate(key for key in examined.facts if examined.split[key] == part):
            raw = np.asarray(Image.open(root / key)).astype(np.float64)
            wanted = (raw - low) / (high - low) * 255
            assert np.abs(data.images[row, 0] - wanted).max() <= 0.51  # the same number is the same brightness in every picture
            assert (read_image(root / key, levels)[..., 0] == data.images[row, 0]).all()  # and in predictions


def test_an_answer_changes_the_range_and_the_digest(tmp_path):
    root = classes(tmp_path, ramp(4095))
    proposal = propose(root)
    wide = answer(proposal.spec, proposal.questions[0], "sixteen")
    assert wide.images.levels is None
    assert examine(root, wide).report.digest != examine(root, proposal.spec).report.digest


def test_what_lies_beyond_the_range_is_said(tmp_path):
    root = classes(tmp_path, ramp(4095))
    spec = ImportSpec.from_dict({**propose(root).spec.to_dict(), "images": {"levels": [0, 2000]}})
    assert examine(root, spec).report.counts["repaired/beyond_levels"] > 0


def test_a_description_without_a_range_means_what_it_meant(tmp_path):
    root = classes(tmp_path, ramp(4095))
    spec = ImportSpec.from_dict({"sources": [{"format": "class_folders"}]})
    images = PreparedSource(examine(root, spec)).build("train", lambda share, what: None).images
    assert images.max() == 16  # 4095 of 65535


def test_a_picture_of_one_level_is_a_finding(tmp_path):
    root = classes(tmp_path, lambda name, n: Image.new("L", (20, 20), 0 if n == 3 else 7) if n in (3, 4) else ramp(255, np.uint8)(name, n))
    found = [row.file for row in examine(root, propose(root).spec).report.findings if row.kind == "one_level"]
    assert sorted(found) == ["x/x3.png", "x/x4.png", "y/y3.png", "y/y4.png"]


@pytest.mark.parametrize("values", [np.full((4, 4), 4095, np.uint16), np.full((4, 4), 4095, np.int32)])
def test_arrays_and_pillow_images_keep_the_range_too(values):
    assert np.unique(as_image(values, (0, 4095))).tolist() == [255]
    assert np.unique(as_image(Image.fromarray(values.astype(np.uint16)), (0, 4095))).tolist() == [255]


def test_float_pictures_without_a_range_are_refused_with_what_to_do(tmp_path):
    root = classes(tmp_path, ramp(1, np.float32), "tif")
    report = examine(root, ImportSpec.from_dict({"sources": [{"format": "class_folders"}]})).report
    assert report.skipped == 16
    assert "images.levels" in report.findings[0].message


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)).save(file, kind)
    return file.getvalue()


def test_heic_is_read_as_phones_write_it():
    pytest.importorskip("pillow_heif")
    picture = read_picture(encoded("HEIF"), "IMG_1.HEIC")
    assert (picture.size, picture.image.mode, picture.changes) == ((48, 32), "RGB", ())


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read_whatever_it_is_called():
    assert [kind for kind, _ in read_picture(encoded("AVIF"), "web.jpg").changes] == ["wrong_extension"]
    assert read_picture(encoded("AVIF"), "web.avif").changes == ()


def test_endings_that_are_not_read_are_counted_with_what_to_do(tmp_path):
    root = classes(tmp_path, ramp(255, np.uint8))
    for n in range(3):
        (root / f"x/{n}.CR2").write_bytes(b"raw")
    (root / "depth.exr").write_bytes(b"exr")
    notes = {note.files: (note.count, note.read) for note in propose(root).files}
    assert (notes["*.cr2"], notes["*.exr"]) == ((3, False), (1, False))


def test_all_pictures_of_a_stack_are_offered(tmp_path):
    def stack(name, n):
        frames = [Image.fromarray(np.random.default_rng(5 * n + k).integers(0, 255, (36, 48), np.uint8)) for k in range(5)]
        frames[0].save(tmp_path / name / f"{name}{n}.tif", save_all=True, append_images=frames[1:])
        return frames[0]

    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        for n in range(6):
            stack(name, n)
    proposal = propose(tmp_path)
    [question] = proposal.questions
    assert (question.name, question.taken, proposal.images) == ("frames", "first", 12)
    examined = examine(tmp_path, answer(proposal.spec, question, "all"))
    assert examined.report.images == 60
    assert sum(examined.report.tasks[0].labelled.values()) == 60
    for file in (tmp_path / "x").iterdir():  # a stack's pictures stay in one part
        assert len({part for key, part in examined.split.items() if key.startswith(f"x/{file.name}")}) == 1
