"""Options of masks and depth: what a description can say, what the check asks, and that nothing crosses to another picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import ImportSpec, answer, examine, propose
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.errors import DataError

W, H = 24, 18


def built(root, masks: dict, make, count: int = 12, folder: str = "masks"):
    for n in range(count):
        for name, values in (("images", np.random.default_rng(n).integers(0, 99, (H, W, 3), np.uint8)), (folder, make(n))):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(root / name / f"{n:02}.png")
    spec = {"images": {"folders": ["images"], "size": [H, W]}, "sources": [{"format": "masks", "folder": folder, **masks}]}
    return ImportSpec.from_dict(spec)


def rendered(examined) -> np.ndarray:
    source = PreparedSource(examined)
    return np.concatenate([source.build(part, lambda share, what: None).targets["segments"] for part in ("train", "val", "test")])


def halves(left: int, right: int) -> np.ndarray:
    values = np.full((H, W), left, np.uint8)
    values[:, W // 2 :] = right
    return values


def test_a_class_of_number_255_is_a_class_unless_it_is_ignored(tmp_path):
    named = {"values": {0: "healthy", 255: "tumour"}}
    spec = built(tmp_path, named, lambda n: halves(0, 255))
    report = examine(tmp_path, spec).report
    assert report.tasks[0].task.classes == ("healthy", "tumour")
    spec = built(tmp_path, {**named, "ignore": [255]}, lambda n: halves(0, 255))
    assert examine(tmp_path, spec).report.tasks[0].task.classes == ("healthy",)


def test_two_numbers_of_one_name_are_one_class(tmp_path):
    examined = examine(tmp_path, built(tmp_path, {"values": {0: "ground", 4: "car", 9: "car"}}, lambda n: halves(4, 9)))
    assert examined.report.tasks[0].task.classes == ("ground", "car")
    assert np.unique(rendered(examined)).tolist() == [1]


@pytest.mark.parametrize(("threshold", "share"), [(128.0, 0.5), (32.0, 1.0)])
def test_a_threshold(tmp_path, threshold, share):
    options = {"values": {0: "ground", 255: "thing"}, "ignore": [], "threshold": threshold}
    examined = examine(tmp_path, built(tmp_path, options, lambda n: halves(40, 200)))
    assert (rendered(examined) == 1).mean() == share


@pytest.mark.parametrize(("reading", "classes", "seen"), [("classes", 3, {0, 2}), ("ignored", 2, {0, 255})])
def test_a_number_that_only_the_check_meets_is_a_problem_and_a_question(tmp_path, reading, classes, seen):
    options = {"values": {0: "ground", 1: "thing"}, "unlisted": "ask"}
    spec = built(tmp_path, options, lambda n: halves(0, 5 if n == 7 else 1))
    report = examine(tmp_path, spec).report
    [problem], [question] = [text for text in report.problems if "no class" in text], report.questions
    assert "5 (216 pixels in 1 masks, such as 'masks/07.png')" in problem
    examined = examine(tmp_path, answer(spec, question, reading))
    assert not [text for text in examined.report.problems if "no class" in text]
    assert len(examined.report.tasks[0].task.classes) == classes
    [odd] = [mask for mask in rendered(examined) if 1 not in mask]
    assert set(np.unique(odd)) == seen


def test_masks_of_missing_pictures_go_to_nobody(tmp_path):
    spec = built(tmp_path, {"values": {0: "ground", 1: "thing"}}, lambda n: halves(0, 1))
    for part, number in (("train", 0), ("test", 1)):
        (tmp_path / "images" / part).mkdir()
        (tmp_path / "masks" / part).mkdir()
        (tmp_path / f"images/{number:02}.png").rename(tmp_path / f"images/{part}/same.png")
        (tmp_path / f"masks/{number:02}.png").rename(tmp_path / f"masks/{part}/same.png")
    (tmp_path / "images/test/same.png").unlink()
    examined = examine(tmp_path, spec)
    assert set(examined.targets[0].values) == {"images/train/same.png", *(f"images/{n:02}.png" for n in range(2, 12))}
    assert examined.targets[0].values["images/train/same.png"].file == "masks/train/same.png"
    assert examined.report.counts["skipped/missing_image"] == 1


def test_a_picture_whose_mask_is_refused_is_unlabelled_not_empty(tmp_path):
    spec = built(tmp_path, {"per_class": "folder", "classes": {"a": "a"}}, lambda n: halves(0, 255), folder="masks/a")
    spec = ImportSpec.from_dict({**spec.to_dict(), "sources": [{**spec.sources[0].options, "format": "masks", "folder": "masks"}]})
    (tmp_path / "masks/a/03.png").write_bytes(b"broken")
    examined = examine(tmp_path, spec)
    assert "images/03.png" not in examined.targets[0].values
    assert examined.report.counts["skipped/mask"] == 1


def test_colours_between_listed_ones(tmp_path):
    def edges(n):
        values = np.zeros((H, W, 3), np.uint8)
        values[:, W // 2 :] = (200, 0, 0)
        values[:, W // 2] = (180, 9, 4)
        return values

    colours = {"#000000": "ground", "#c80000": "thing"}
    near = examine(tmp_path, built(tmp_path, {"colours": colours, "nearest": True}, edges))
    assert (rendered(near) == 1).mean() == 0.5
    exact = examine(tmp_path, built(tmp_path, {"colours": colours}, edges))
    assert (rendered(exact) == 255).mean() == pytest.approx(1 / W)


def test_classes_of_one_mask_each_that_overlap(tmp_path):
    spec = built(tmp_path, {}, lambda n: halves(0, 255), folder="masks/right")
    built(tmp_path, {}, lambda n: np.where(np.arange(W) > W - 4, halves(0, 255), 0).astype(np.uint8), folder="masks/edge")
    options = {"format": "masks", "folder": "masks", "per_class": "folder", "classes": {"edge": "edge", "right": "right"}}
    examined = examine(tmp_path, ImportSpec.from_dict({**spec.to_dict(), "sources": [options]}))
    assert examined.report.counts["note/overlap"] == 12
    assert np.unique(rendered(examined), return_counts=True)[1].tolist() == [12 * H * 12, 12 * H * 3, 12 * H * 9]  # the smaller lies above
    parted = examine(tmp_path, ImportSpec.from_dict({**spec.to_dict(), "sources": [{**options, "separate": True}]}))
    assert [target.name for target in parted.targets] == ["segments_edge", "segments_right"]
    assert (tmp_path / "masks").is_dir()


@pytest.mark.parametrize("options", [{}, {"colours": {"red": "thing"}}, {"per_class": "folder"}])
def test_descriptions_of_masks_that_are_refused(tmp_path, options):
    with pytest.raises(DataError, match="masks"):
        examine(tmp_path, built(tmp_path, options, lambda n: halves(0, 1)))


def test_looking_and_checking_reads_each_name_few_times(tmp_path, monkeypatch):
    """600 folders: the number of files' names that are compared grows with the files, not with their square."""
    from mtl_core.data.imports.looking import matching, pairing

    compared = []
    monkeypatch.setattr(pairing, "plain_part", lambda name: compared.append(name) or name.lower())
    monkeypatch.setattr(matching, "plain_part", lambda name: compared.append(name) or name.lower())
    image, mask = Image.new("RGB", (9, 9), "red"), Image.new("L", (9, 9), 1)
    mask.putpixel((3, 3), 0)
    image.putpixel((2, 2), (9, 9, 9))
    for n in range(300):
        for name, picture in (("rgb", image), ("mask", mask)):
            (tmp_path / f"take{n:03}/{name}").mkdir(parents=True)
            picture.save(tmp_path / f"take{n:03}/{name}/0001.png")
    proposal = propose(tmp_path)
    assert [source.options["folder"] for source in proposal.spec.sources if source.format == "masks"] == ["*/mask"]
    report = examine(tmp_path, proposal.spec).report
    assert sum(report.tasks[0].labelled.values()) == 300
    assert len(compared) < 600 * 60
