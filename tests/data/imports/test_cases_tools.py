"""Annotations as tools write them: LabelMe, CVAT, VIA, Label Studio, DOTA, KITTI, and what is recognised only."""

from __future__ import annotations

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports import answer, check, propose
from tests.data.imports.annotation_writers import write_json, write_text
from tests.data.imports.test_cases_annotations import COUNT, boxes_of, images, looked, mask_of, yolo


def test_f01_labelme(tmp_path):
    images(tmp_path, "")
    shapes = [
        {"label": "cat", "points": [[20, 16], [60, 16], [60, 50], [20, 50]], "group_id": None, "shape_type": "polygon", "flags": {}},
        {"label": "dog", "points": [[15, 15], [5, 5]], "shape_type": "rectangle", "flags": {}},
    ]
    for n in range(COUNT):
        entry = {"version": "5.0.1", "flags": {}, "shapes": shapes, "imagePath": f"..\\img\\{n}.jpg", "imageData": None}
        write_json(tmp_path / f"{n}.json", {**entry, "imageHeight": 72, "imageWidth": 96})
    _, examined, questions = looked(tmp_path)
    assert (boxes_of(examined, "0.jpg"), questions) == ([[20, 16, 60, 50, 0], [5, 5, 15, 15, 1]], {})
    assert [(mask_of(examined, "0.jpg") == value).sum() for value in (1, IGNORE)] == [40 * 34, 100]


def test_f02_cvat(tmp_path):
    images(tmp_path)
    shapes = '<box label="cat" xtl="20.0" ytl="16.0" xbr="60.0" ybr="50.0"/><polygon label="cat" points="1,1;9,1;9,9"/><tag label="day"/>'
    listed = "".join(f'<image id="{n}" name="{n}.jpg" width="96" height="72">{shapes}</image>' for n in range(COUNT))
    write_text(tmp_path / "annotations.xml", f"<annotations><version>1.1</version>{listed}</annotations>")
    _, examined, _ = looked(tmp_path)
    assert boxes_of(examined, "images/0.jpg") == [[20, 16, 60, 50, 0], [1, 1, 9, 9, 0]]
    assert {target.name for target in examined.targets} == {"boxes", "object_masks", "tags"}


def test_f03_via(tmp_path):
    images(tmp_path, "")
    shape = {"name": "polygon", "all_points_x": [20, 60, 60, 20], "all_points_y": [16, 16, 50, 50]}
    regions = [{"shape_attributes": shape, "region_attributes": {"type": "cat"}}]
    write_json(tmp_path / "via.json", {f"{n}.jpg123": {"filename": f"{n}.jpg", "size": 123, "regions": regions} for n in range(COUNT)})
    _, examined, questions = looked(tmp_path)
    assert (boxes_of(examined, "0.jpg"), questions) == ([[20, 16, 60, 50, 0]], {})
    assert (mask_of(examined, "0.jpg") == 1).sum() == 40 * 34


def test_f04_label_studio(tmp_path):
    images(tmp_path)
    value = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["cat"]}
    result = [{"type": "rectanglelabels", "original_width": 96, "original_height": 72, "value": value}]
    result.append({"type": "choices", "from_name": "light", "value": {"choices": ["day"]}})
    tasks = [{"id": n, "data": {"image": f"/data/upload/1/abcd-{n}.jpg"}, "annotations": [{"result": result}]} for n in range(COUNT)]
    write_json(tmp_path / "project.json", tasks)
    _, examined, _ = looked(tmp_path)
    assert boxes_of(examined, "images/0.jpg") == [[24, 18, 72, 54, 0]]
    assert {target.name: target.kind for target in examined.targets} == {"boxes": "detection", "tags": "classification"}


def test_f05_supervisely_f06_datumaro_are_recognised(tmp_path):
    images(tmp_path, "ds0/img")
    write_json(tmp_path / "meta.json", {"classes": [{"title": "cat", "shape": "polygon"}], "tags": []})
    for n in range(COUNT):
        objects = [{"classTitle": "cat", "geometryType": "polygon", "points": {"exterior": [[20, 16], [60, 16], [60, 50]]}}]
        write_json(tmp_path / "ds0" / "ann" / f"{n}.jpg.json", {"size": {"height": 72, "width": 96}, "tags": [], "objects": objects})
    write_json(tmp_path / "default.json", {"info": {}, "categories": {"label": {}}, "items": [{"id": "0", "annotations": []}]})
    reasons = {note.files: note.reason for note in propose(tmp_path).files}
    assert "Supervisely; export it as COCO" in reasons["ds0/ann/*.json"]
    assert "Datumaro" in reasons["default.json"]


def test_f07_turned_boxes_of_yolo(tmp_path):
    proposal, examined, questions = looked(yolo(tmp_path, "0 0.3 0.2 0.7 0.3 0.6 0.8 0.2 0.7\n", "names: {0: plane}\n"))
    assert questions["points"].taken == "turned"
    assert boxes_of(examined, "images/0.jpg") == [[19.2, 14.4, 67.2, 57.6, 0]]
    assert examined.report.counts == {"note/turned_boxes": 1}
    outlined = check(tmp_path, answer(proposal.spec, questions["points"], "outline"))
    assert [task.task.name for task in outlined.tasks] == ["boxes", "object_masks"]


def test_f08_dota(tmp_path):
    images(tmp_path, end="png")
    for n in range(COUNT):
        write_text(tmp_path / "labelTxt" / f"{n}.txt", "imagesource:GoogleEarth\ngsd:0.14\n20.0 16.0 60.0 18.0 58.0 50.0 18.0 48.0 plane 0\n")
    _, examined, _ = looked(tmp_path)
    assert (boxes_of(examined, "images/0.png"), examined.report.counts) == ([[18, 16, 60, 50, 0]], {"note/turned_boxes": 1})


def test_f09_kitti(tmp_path):
    images(tmp_path, "image_2", "png")
    lines = (
        "Car 0.00 0 -1.57 20.00 16.00 60.00 50.00 1.5 1.6 3.9 1.0 1.0 20.0 -1.5\nDontCare -1 -1 -10 2.0 2.0 9.0 9.0 -1 -1 -1 -1000 -1000 -1000 -10\n"
    )
    for n in range(COUNT):
        write_text(tmp_path / "label_2" / f"{n}.txt", lines)
    _, examined, _ = looked(tmp_path)
    assert (boxes_of(examined, "image_2/0.png"), examined.report.counts) == ([[20, 16, 60, 50, 0]], {"note/ignored_areas": 1})
