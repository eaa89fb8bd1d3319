"""A label never moves to another picture: folders in names agree, names that occur in several parts mean the part's own, two targets are said."""

from __future__ import annotations

import json

import pytest

from mtl_core.data.imports import ImportSpec, check, examine, propose
from mtl_core.data.imports.formats import AmbiguousImageError, ImageIndex
from tests.data.imports.annotation_writers import WRITERS, Thing, write_picture, write_set, write_text

SQUARE = Thing("cat", (20.0, 16.0, 60.0, 50.0))
SMALL = Thing("dog", (5.0, 5.0, 15.0, 25.0))


@pytest.mark.parametrize(
    ("keys", "reference", "near", "found"),
    [
        (["train/3.jpg", "test/4.jpg"], "test/3.jpg", "", None),  # the picture is missing
        (["train/3.jpg"], "test/3.jpg", "", None),
        (["data/train/3.jpg"], "train/3.jpg", "", "data/train/3.jpg"),
        (["train/3.jpg"], "data/train/3.jpg", "", "train/3.jpg"),
        (["images/3.jpg"], "D:\\work\\upload\\1\\images\\3.jpg", "", "images/3.jpg"),
        (["photos/3.jpg"], "/home/me/project/3.jpg", "", "photos/3.jpg"),
        (["train/images/3.jpg", "valid/images/4.jpg"], "valid/images/3.jpg", "", None),
        (["cat/3.jpg", "dog/4.jpg"], "dog/3.jpg", "", None),
        (["cat/3.jpg", "dog/4.jpg"], "3.jpg", "", "cat/3.jpg"),
        (["a/3.jpg", "b/3.jpg"], "3.jpg", "a", "a/3.jpg"),
        (["a/3.jpg", "b/3.jpg", "b/4.jpg"], "4.jpg", "a", None),  # 'a' has pictures of the same names as 'b': its file means its own
        (["train/images/3.jpg", "test/images/3.jpg"], "3", "test/labels", "test/images/3.jpg"),
        (["train/images/3.jpg", "test/images/4.jpg"], "3", "test/labels", None),
        (["images/train/3.jpg", "images/val/3.jpg"], "val/3", "labels", "images/val/3.jpg"),
        (["Train/3.JPG"], "train/3.jpg", "", "Train/3.JPG"),
        (["img/3.jpg"], "../img/3.jpg", "xml", "img/3.jpg"),
        (["3.jpg"], "train/3.jpg", "", "3.jpg"),
        (["x/a.b.jpg"], "a.b", "", "x/a.b.jpg"),
    ],
)
def test_the_folders_of_a_name_agree_with_the_picture(keys, reference, near, found):
    assert ImageIndex(keys).find(reference, near=near) == found


def test_names_that_fit_several_are_refused():
    with pytest.raises(AmbiguousImageError, match="fits 2 images"):
        ImageIndex(["a/3.jpg", "b/3.jpg"]).find("3.jpg")


def spec_for(kind: str, root) -> dict:
    spec = propose(root).spec.to_dict()
    assert [source["format"] for source in spec["sources"]] == [kind]
    return spec


@pytest.mark.parametrize("kind", WRITERS)
def test_labels_of_a_missing_picture_go_nowhere(tmp_path, kind):
    """The pictures lie in train/ and test/ under one set of numbers; those of test/ are gone, their labels stay."""
    names = [f"{number}.png" for number in range(8)]
    root = write_set(kind, tmp_path / "test", {name: [SMALL if kind != "wider" else SQUARE] for name in names})
    for name in names:
        (root / "images" / name).unlink()
    for number, name in enumerate(names):
        write_picture(tmp_path / "train" / "images" / name, seed=number)
    examined = examine(tmp_path, ImportSpec.from_dict({"sources": []}))  # the pictures themselves are fine
    assert examined.report.images == 8
    proposal = propose(tmp_path)
    assert sum(task.labelled for task in proposal.tasks) == 0
    assert any(not note.read for note in proposal.files)


@pytest.mark.parametrize("kind", WRITERS)
def test_names_that_occur_in_two_parts_mean_the_parts_own(tmp_path, kind):
    """Roboflow's and others' layout: numbers start again in each part."""
    for part, thing in (("train", SQUARE), ("valid", SMALL)):
        write_set(kind, tmp_path / part, {f"{number}.png": [thing] for number in range(6)})
    for number in range(6):
        write_picture(tmp_path / "valid" / "images" / f"{number}.png", seed=100 + number)
    proposal = propose(tmp_path)
    examined = examine(tmp_path, proposal.spec)
    boxes = next(target for target in examined.targets if target.kind == "detection")
    assert len(boxes.values) == 12
    shift = 1 if kind == "voc" else 0
    for key, rows in boxes.values.items():
        box = (SQUARE if key.startswith("train/") else SMALL).box
        assert rows[0, :4].tolist() == pytest.approx((box[0] - shift, box[1] - shift, *box[2:]), abs=1e-3)
    assert not [row for row in examined.report.findings if row.outcome == "skipped"]


def doubled(kind: str, root) -> dict:
    """A second list of objects of the picture 0.png."""
    if kind in ("coco", "via", "label_studio", "createml"):
        [file] = list(root.glob("*.json"))
        data = json.loads(file.read_text())
        if kind == "coco":
            data["images"].append({**data["images"][0], "id": 77})
            data["annotations"].append({**data["annotations"][0], "id": 77, "image_id": 77})
        elif kind == "via":
            data["_via_img_metadata"]["again"] = data["_via_img_metadata"]["0.png123"]
        else:
            data.append(data[0])
        file.write_text(json.dumps(data))
    elif kind == "cvat":
        file = root / "annotations.xml"
        text = file.read_text()
        first = text[text.index("<image ") : text.index("</image>") + 8]
        file.write_text(text.replace("</annotations>", f"{first}</annotations>"))
    elif kind == "wider":
        file = root / "wider_face_train_bbx_gt.txt"
        file.write_text(file.read_text() + "\n".join(file.read_text().splitlines()[:3]) + "\n")
    else:
        folder, end = {"yolo": ("labels", "txt"), "voc": ("Annotations", "xml"), "labelme": ("images", "json")}.get(kind, ("", "txt"))
        folder = folder or {"kitti": "label_2", "dota": "labelTxt"}[kind]
        text = (root / folder / f"0.{end}").read_text()
        write_text(root / folder / "again" / f"0.{end}", text)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_second_list_of_objects_of_one_picture_is_said(tmp_path, kind):
    root = write_set(kind, tmp_path, {f"{number}.png": [SQUARE, SMALL][: 1 if kind == "wider" else 2] for number in range(8)})
    spec = ImportSpec.from_dict(spec_for(kind, root))
    before = check(root, spec)
    doubled(kind, root)
    report = check(root, spec)
    assert report.counts.get("skipped/duplicate", 0) + report.counts.get("skipped/ambiguous_image", 0) == 1
    assert report.tasks[0].class_counts == before.tasks[0].class_counts


def test_two_foreign_names_of_one_picture_are_both_refused(tmp_path):
    for number in range(6):
        write_picture(tmp_path / "pics" / f"{number}.png", seed=number)
    images = [{"id": n, "file_name": f"C:/one/{n}.png", "width": 96, "height": 72} for n in range(6)]
    images.append({"id": 9, "file_name": "C:/two/0.png", "width": 96, "height": 72})
    annotations = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 9, 9]} for n in (*range(6), 9)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "a"}]}
    (tmp_path / "c.json").write_text(json.dumps(content))
    report = check(tmp_path, propose(tmp_path).spec)
    assert report.counts["skipped/ambiguous_image"] == 2
    assert report.tasks[0].class_counts == {"a": 5}


@pytest.mark.parametrize("kind", ["yolo", "voc", "kitti", "dota"])
def test_very_many_folders_are_one_source(tmp_path, kind):
    """A source goes over all files once: one for each folder would make the look grow with their square."""
    for part in range(25):
        write_set(kind, tmp_path / f"seq{part}", {f"{number}.png": [SQUARE, SMALL] for number in range(2)})
    proposal = propose(tmp_path)
    assert len(proposal.spec.sources) == 1
    assert proposal.tasks[0].labelled == 50
