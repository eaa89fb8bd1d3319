"""What annotation tools really write, each case from a public report, with its right outcome: read rightly, said, or asked."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports import ImportSpec, answer, check, examine, propose
from mtl_core.data.imports.checking.frames import stretch
from tests.data.imports.annotation_writers import write_json, write_picture, write_text

COUNT = 12

BOX = [20, 16, 40, 34]  # x, y, width, height

SIZE = {"width": 96, "height": 72}


def images(root, folder="images", end="jpg", count=COUNT, **options):
    for number in range(count):
        write_picture(root / folder / f"{number}.{end}", seed=number, **options)
    return root


def yolo(root, line: str, data: str = "names: [a, b]\n", files: dict | None = None):
    images(root)
    for number in range(COUNT):
        write_text(root / "labels" / f"{number}.txt", (files or {}).get(number, line))
    if data:
        write_text(root / "data.yaml", data)
    return root


def coco(root, annotations: list, categories=((1, "a"), (2, "b")), named=lambda n: f"{n}.jpg", ids=int, count=COUNT, **options):
    images(root, count=count, **options)
    listed = [{"id": ids(n + 1), "file_name": named(n), **SIZE} for n in range(COUNT)]
    content = {"images": listed, "annotations": annotations, "categories": [{"id": k, "name": name} for k, name in categories]}
    write_json(root / "annotations.json", content)
    return root


def each(**changes) -> list:
    return [{"id": n + 1, "image_id": n + 1, "category_id": 1 + n % 2, "bbox": BOX, "area": 1360, "iscrowd": 0, **changes} for n in range(COUNT)]


def boxes_of(examined, key: str, task: str = "boxes") -> list:
    target = next(target for target in examined.targets if target.name == task)
    return [[round(float(value), 2) for value in row] for row in target.values[key]]


def mask_of(examined, key: str) -> np.ndarray:
    target = next(target for target in examined.targets if target.kind == "segmentation")
    return target.values[key].render(stretch((96, 72), (96, 72)))


def looked(root):
    proposal = propose(root)
    return proposal, examine(root, proposal.spec), {question.name: question for question in proposal.questions}


OUTLINE = "0 0.2083 0.2222 0.625 0.2222 0.625 0.6944 0.4 0.75 0.2083 0.6944\n"


def test_a01_outlines_of_yolo_give_masks_and_mixed_lines_are_told(tmp_path):
    box = "1 0.8 0.1 0.2 0.1\n"
    proposal, examined, questions = looked(yolo(tmp_path, OUTLINE, files=dict.fromkeys(range(0, COUNT, 4), OUTLINE + box)))
    assert questions == {}  # points that lie outside of the box of the first four numbers are no keypoints
    assert any("3 lines are boxes, 12 outlines" in note for note in proposal.notes)
    assert examined.report.tasks[0].class_counts == {"a": 12, "b": 3}
    mask = mask_of(examined, "images/0.jpg")
    assert mask[30, 30] == 1
    assert mask[7, 76] == IGNORE  # a box without outline
    assert mask[60, 5] == 0


@pytest.mark.parametrize(
    ("line", "shape"), [("0 0.5 0.5 0.1 0.1 0.9 0.9\n", "[1, 2]"), ("0 0.5 0.5 0.1 0.1 0.45 0.45 2 0.55 0.55 2\n", "[2, 3]")], ids=["a02", "a02b"]
)
def test_a02_pose_lines_are_boxes_and_keypoints(tmp_path, line, shape):
    proposal, examined, questions = looked(yolo(tmp_path, line, f"names: [hero]\nkpt_shape: {shape}\n"))
    assert set(questions) <= {"mirror"}
    assert boxes_of(examined, "images/0.jpg") == [[43.2, 32.4, 52.8, 39.6, 0]]
    assert examined.report.counts == {}
    assert {task.name: task.kind for task in proposal.tasks} == {"boxes": "detection", "points": "keypoints"}


def test_a03_columns_of_a_tracker_are_named(tmp_path):
    proposal, examined, questions = looked(yolo(tmp_path, "0 0.5 0.5 0.1 0.1 0.87 14\n", "names: [car]\n"))
    assert (questions, boxes_of(examined, "images/0.jpg")) == ({}, [[43.2, 32.4, 52.8, 39.6, 0]])
    assert any("a confidence and a track number" in note for note in proposal.notes)


NAMES = {
    "classes.txt": "cat\ndog\n",
    "labels.txt": "cat\ndog\n",
    "obj.names": "cat\ndog\n",
    "_darknet.labels": "cat\ndog\n",
    "notes.json": '{"categories": [{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}], "info": {}}',
    "deep/data.yaml": "names:\n  0: cat\n  1: dog\n",
    "labels/classes.txt": "cat\ndog\n",
}


@pytest.mark.parametrize("file", NAMES)
def test_a04_a05_names_of_classes_are_found_where_tools_leave_them(tmp_path, file):
    root = yolo(tmp_path, "1 0.42 0.46 0.42 0.47\n", "")
    write_text(root / file, NAMES[file])
    _, examined, questions = looked(root)
    assert (examined.report.tasks[0].class_counts, questions) == ({"cat": 0, "dog": 12}, {})


def test_a04_without_names_there_are_placeholders_to_rename(tmp_path):
    proposal, examined, _ = looked(yolo(tmp_path, "1 0.42 0.46 0.42 0.47\n", ""))
    assert examined.report.tasks[0].class_counts == {"class 0": 0, "class 1": 12}
    assert any("Rename them" in note for note in proposal.notes)


def test_a05_two_files_that_name_the_classes_otherwise_are_a_question(tmp_path):
    root = yolo(tmp_path, "1 0.42 0.46 0.42 0.47\n", "names: [cat, dog]\n")
    write_text(root / "old.yaml", "names: [dog, cat]\n")
    proposal, examined, questions = looked(root)
    assert questions["names"].taken == "data.yaml"
    assert examined.report.tasks[0].class_counts == {"cat": 0, "dog": 12}
    other = check(root, answer(proposal.spec, questions["names"], "old.yaml"))
    assert other.tasks[0].class_counts == {"cat": 12, "dog": 0}
    write_text(root / "old.yaml", "names: [cat, dog]\n")
    assert propose(root).questions == ()  # the same names: no question


def test_a05_an_empty_text_file_is_a_picture_without_objects(tmp_path):
    _, examined, _ = looked(yolo(tmp_path, "1 0.4 0.4 0.2 0.2\n", files={3: ""}))
    assert boxes_of(examined, "images/3.jpg") == []
    assert sum(examined.report.tasks[0].labelled.values()) == COUNT


def test_a06_a_supercategory_without_objects_is_no_class(tmp_path):
    for part, count in (("train", 8), ("valid", 3), ("test", 3)):
        for number in range(count):
            write_picture(tmp_path / part / f"{part}{number}.jpg", seed=1000 * count + number)
        listed = [{"id": n, "file_name": f"{part}{n}.jpg", **SIZE} for n in range(count)]
        objects = [{"id": n, "image_id": n, "category_id": 1 + n % 2, "bbox": BOX, "segmentation": [], "iscrowd": 0} for n in range(count)]
        categories = [{"id": 0, "name": "fishes", "supercategory": "none"}]
        categories += [{"id": n, "name": name, "supercategory": "fishes"} for n, name in ((1, "peix"), (2, "taca"))]
        write_json(tmp_path / part / "_annotations.coco.json", {"images": listed, "annotations": objects, "categories": categories})
    proposal, examined, questions = looked(tmp_path)
    assert examined.report.tasks[0].class_counts == {"peix": 8, "taca": 6}
    assert (examined.report.counts["note/supercategory"], questions) == (3, {})
    assert proposal.tasks[0].labelled == 14


@pytest.mark.parametrize(
    ("annotations", "ids"),
    [
        ([{**thing, "image_id": str(thing["image_id"])} for thing in each()], int),
        ([{**thing, "image_id": float(thing["image_id"]), "category_id": float(thing["category_id"]), "iscrowd": 0.0} for thing in each()], float),
    ],
    ids=["a07", "a08"],
)
def test_a07_a08_ids_are_equal_by_value(tmp_path, annotations, ids):
    _, examined, questions = looked(coco(tmp_path, annotations, ids=ids))
    assert (examined.report.tasks[0].class_counts, questions) == ({"a": 6, "b": 6}, {})
    assert examined.report.counts == {"note/other_ids": 1}


def test_a07_a_detection_task_without_any_object_is_a_problem(tmp_path):
    report = check(coco(tmp_path, []), propose(tmp_path).spec)
    assert any("'boxes' has no object in any picture" in problem for problem in report.problems)


def test_a09_small_objects_stay_on_large_ones(tmp_path):
    large, small = [[10, 10, 90, 10, 90, 66, 10, 66]], [[40, 30, 56, 30, 56, 44, 40, 44]]
    annotations = []
    for n in range(COUNT):
        annotations.append({"id": 2 * n + 1, "image_id": n + 1, "category_id": 2, "bbox": [40, 30, 16, 14], "segmentation": small})
        annotations.append({"id": 2 * n + 2, "image_id": n + 1, "category_id": 1, "bbox": [10, 10, 80, 56], "segmentation": large})
    _, examined, _ = looked(coco(tmp_path, annotations))
    assert (mask_of(examined, "images/0.jpg") == 2).sum() == 224


def test_a10_a_box_without_outline_is_ignored_in_the_mask(tmp_path):
    outline = [[20, 16, 60, 16, 60, 50, 20, 50]]
    annotations = [{**thing, "segmentation": outline if thing["id"] % 2 else []} for thing in each()]
    _, examined, _ = looked(coco(tmp_path, annotations))
    assert np.unique(mask_of(examined, "images/0.jpg")).tolist() == [0, 1]
    without = mask_of(examined, "images/1.jpg")
    assert (without == IGNORE).sum() == 40 * 34
    [said] = [row.message for row in examined.report.findings if row.kind == "box_without_outline"]
    assert said.startswith("6 objects")


def test_a11_corners_written_as_sizes_are_asked_for(tmp_path):
    root = coco(tmp_path, each(bbox=[50, 40, 94, 70]))
    proposal, examined, questions = looked(root)
    assert questions["bbox"].taken == "corners"
    assert boxes_of(examined, "images/0.jpg") == [[50, 40, 94, 70, 0]]
    report = check(root, answer(proposal.spec, questions["bbox"], "sizes"))
    assert report.counts["note/boxes_as_corners"] == 1


def test_a12_boxes_of_the_upright_picture_are_read_there(tmp_path):
    proposal, examined, questions = looked(coco(tmp_path, each(bbox=[10, 50, 40, 44]), exif=6))
    assert questions == {}
    assert boxes_of(examined, "images/0.jpg") == [[10, 50, 50, 94, 0]]
    assert any("12 fit only the upright picture" in note for note in proposal.notes)


def test_a12_boxes_that_fit_both_ways_are_asked_for(tmp_path):
    root = coco(tmp_path, each(bbox=[10, 10, 30, 30], segmentation=[[10, 10, 40, 10, 40, 40]]), exif=6)
    proposal, examined, questions = looked(root)
    assert questions["turned"].taken == "refuse"
    assert not next(target for target in examined.targets if target.name == "boxes").values
    upright = examine(root, answer(proposal.spec, questions["turned"], "upright"))
    assert boxes_of(upright, "images/0.jpg") == [[10, 10, 40, 40, 0]]
    assert sum(upright.report.tasks[2].labelled.values()) == COUNT  # the masks, too


def test_a13_paths_of_windows(tmp_path):
    _, examined, questions = looked(coco(tmp_path, each(), named=lambda n: f"D:\\data\\upload\\1\\images\\{n}.jpg"))
    assert (boxes_of(examined, "images/0.jpg"), questions) == ([[20, 16, 60, 50, 0]], {})


def test_a14_pictures_that_no_file_names_are_asked_for(tmp_path):
    root = coco(tmp_path, each(), count=COUNT + 6)
    proposal, examined, questions = looked(root)
    question = questions["unlisted"]
    assert (question.taken, question.examples) == ("unlabelled", tuple(f"images/{n}.jpg" for n in range(12, 18)))
    assert sum(examined.report.tasks[0].labelled.values()) == COUNT
    empty = check(root, answer(proposal.spec, question, "empty"))
    assert [sum(task.labelled.values()) for task in empty.tasks] == [COUNT + 6, COUNT + 6]
    assert empty.tasks[0].class_counts == {"a": 6, "b": 6}


def voc_xml(filename: str, corners=(21, 17, 60, 50), part: str = "") -> str:
    box = "".join(f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    size = "<size><width>96</width><height>72</height></size>"
    return f"<annotation><filename>{filename}</filename>{size}<object><name>cat</name><bndbox>{box}</bndbox>{part}</object></annotation>"


def test_g01_parts_of_objects_are_no_objects(tmp_path):
    images(tmp_path)
    part = "<part><name>head</name><bndbox><xmin>25</xmin><ymin>20</ymin><xmax>35</xmax><ymax>30</ymax></bndbox></part>"
    for n in range(COUNT):
        write_text(tmp_path / "xml" / f"{n}.xml", voc_xml(f"{n}.jpg", part=part))
    _, examined, _ = looked(tmp_path)
    assert boxes_of(examined, "images/0.jpg") == [[20, 16, 60, 50, 0]]


@pytest.mark.parametrize("ending", ["", ".png"])
def test_g02_one_stem_as_jpg_and_png(tmp_path, ending):
    """The name in the XML decides; without an ending it is asked for."""
    images(tmp_path, "")
    images(tmp_path, "", "png")
    for n in range(COUNT):
        write_text(tmp_path / f"{n}.xml", voc_xml(f"{n}{ending}"))
    proposal, examined, questions = looked(tmp_path)
    target = next(target for target in examined.targets if target.name == "boxes")
    assert set(target.values) == {f"{n}{ending or '.jpg'}" for n in range(COUNT)}
    assert ("extension" in questions) == (not ending)
    if not ending:
        other = examine(tmp_path, answer(proposal.spec, questions["extension"], "png"))
        assert set(next(t for t in other.targets if t.name == "boxes").values) == {f"{n}.png" for n in range(COUNT)}


@pytest.mark.parametrize(
    ("corners", "asked", "left"),
    [((21, 17, 60, 50), True, 20), ((0, 17, 60, 50), False, 0), ((21, 17, 96, 50), False, 20)],
    ids=["neither", "zero", "width"],
)
def test_corners_of_voc_count_from_0_or_1_as_the_files_show(tmp_path, corners, asked, left):
    images(tmp_path)
    for n in range(COUNT):
        write_text(tmp_path / "xml" / f"{n}.xml", voc_xml(f"{n}.jpg", corners))
    proposal, examined, questions = looked(tmp_path)
    assert (boxes_of(examined, "images/0.jpg")[0][0], "origin" in questions) == (left, asked)
    if asked:
        other = examine(tmp_path, answer(proposal.spec, questions["origin"], "from-0"))
        assert boxes_of(other, "images/0.jpg") == [[21, 17, 60, 50, 0]]


def test_descriptions_written_before_mean_the_same(tmp_path):
    root = yolo(tmp_path, "0 0.5 0.5 0.1 0.1\n")
    spec = ImportSpec.from_dict({"sources": [{"format": "yolo", "folder": "labels", "names": "data.yaml"}]})
    report = check(root, spec)
    assert [(task.task.name, task.class_counts) for task in report.tasks] == [("boxes", {"a": 12, "b": 0})]
