"""Boxes and outlines in VOC's and COCO's files that people bring: each is accepted rightly, repaired and said, or refused and said."""

from __future__ import annotations

import json

import pytest

from mtl_core.data.imports import ImportSpec, check, examine, propose
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.errors import DataError
from tests.data.imports.hostile.hostile_files import folder_with, turned


def boxed(tmp_path, box: str, name: str = "square", head: str = "", size: str = "") -> object:
    text = f"{head}<annotation>{size}<filename>good_0.png</filename><object><name>{name}</name><bndbox>{box}</bndbox></object></annotation>"
    root = folder_with(tmp_path / "in", {"xml/good_0.xml": text.encode(), "xml/good_2.xml": GOOD_XML})
    spec = ImportSpec.from_dict({"sources": [{"format": "voc", "folder": "xml"}], "splits": {"seed": 3}})
    return check(root, spec)


GOOD_XML = b"<annotation><object><name>square</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"


def corners(*values) -> str:
    return "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), values, strict=True))


BOXES = {  # box, what is said
    "outside": (corners(200, 200, 220, 220), "skipped/box_outside"),
    "reaches_out": (corners(30, 20, 90, 30), "repaired/box_cut"),
    "negative": (corners(-30, -30, 20, 20), "repaired/box_cut"),
    "turned_round": (corners(20, 20, 10, 10), "skipped/box_empty"),
    "zero": (corners(20, 20, 20, 20), "skipped/box_empty"),
    "nan": (corners("nan", 2, 20, 20), "skipped/box_not_a_number"),
    "infinite": (corners(1, 2, "inf", 20), "skipped/box_not_a_number"),
    "text": (corners("a", 2, 20, 20), "skipped/box_not_a_number"),
    "missing_side": ("<xmin>3</xmin>", "skipped/box_not_a_number"),
    "huge": (corners(1, 1, "1e300", "1e300"), "repaired/box_cut"),
}


@pytest.mark.parametrize("name", BOXES)
def test_odd_boxes(tmp_path, name):
    box, said = BOXES[name]
    report = boxed(tmp_path, box)
    assert said in [f"{row.outcome}/{row.kind}" for row in report.findings]
    [task] = report.tasks
    assert sum(task.labelled.values()) == 1 + said.startswith("repaired")  # an image whose only box is refused is not one without boxes
    assert task.class_counts == {"square": 1 + said.startswith("repaired")}


def test_boxes_of_a_turned_picture_are_said_to_be_read_upright(tmp_path):
    """Only where the file names no size: with one, boxes of the picture as it was stored are refused, and those of the upright one are right."""
    sizes = {
        "none": b"",
        "upright": b"<size><width>40</width><height>50</height></size>",
        "stored": b"<size><width>50</width><height>40</height></size>",
    }
    files = {f"{name}.jpg": turned() for name in sizes} | {f"xml/{n}.xml": GOOD_XML.replace(b"<object>", s + b"<object>") for n, s in sizes.items()}
    examined = examine(folder_with(tmp_path / "in", files), ImportSpec.from_dict({"sources": [{"format": "voc", "folder": "xml"}]}))
    said = {row.file: row.kind for row in examined.report.findings if row.task == "boxes"}
    assert said == {"none.jpg": "boxes_of_turned", "stored.jpg": "size_differs"}
    assert set(examined.targets[0].values) == {"none.jpg", "upright.jpg"}


XMLS = {
    "entity_bomb": (
        '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><annotation><x>&c;</x></annotation>',
        "skipped/xml_entities",
    ),
    "outside_entity": (
        '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><filename>&a;</filename></annotation>',
        "skipped/xml_entities",
    ),
    "cut_off": ("<annotation><object>", "skipped/damaged_xml"),
    "empty": ("", "skipped/damaged_xml"),
    "other": ("<html></html>", "skipped/other_xml"),
    "no_image": ("<annotation><filename>nowhere.png</filename></annotation>", "skipped/missing_image"),
    "size_differs": (GOOD_XML.decode().replace("<object>", "<size><width>9</width><height>9</height></size><object>"), None),
}


@pytest.mark.parametrize("name", XMLS)
def test_odd_xml(tmp_path, name):
    text, said = XMLS[name]
    file = "xml/good_0.xml" if said is None else "xml/odd.xml"
    root = folder_with(tmp_path / "in", {file: text.encode(), "xml/good_2.xml": GOOD_XML})
    report = check(root, ImportSpec.from_dict({"sources": [{"format": "voc", "folder": "xml"}]}))
    assert (said or "skipped/size_differs") in [f"{row.outcome}/{row.kind}" for row in report.findings]
    assert sum(report.tasks[0].labelled.values()) == 1
    assert not any("root:" in row.message for row in report.findings)


def coco(**changes) -> dict:
    return {
        "images": [{"id": 7, "file_name": "good_0.png", "width": 50, "height": 40}, {"id": 9, "file_name": "good_1.png", "width": 50, "height": 40}],
        "categories": [{"id": 3, "name": "a"}, {"id": 90, "name": "b"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 90, "bbox": [5, 5, 10, 10], "iscrowd": 0}],
        **changes,
    }


def thing(**changes) -> list[dict]:
    return [*coco()["annotations"], {"id": 2, "image_id": 9, "category_id": 3, "bbox": [1, 1, 4, 4], "iscrowd": 0, **changes}]


COCOS = {
    "unknown_category": (thing(category_id=55), "skipped/unknown_class", 1),
    "unknown_image": (thing(image_id=55), "skipped/missing_image", 1),
    "double_id": (thing(id=1), "skipped/duplicate_id", 1),
    "no_box": (thing(bbox=None), "skipped/bad_box", 1),
    "short_box": (thing(bbox=[1, 2]), "skipped/bad_box", 1),
    "text_box": (thing(bbox=["1", "2", "3", "4"]), "skipped/bad_box", 1),
    "nan_box": (thing(bbox=[float("nan"), 1, 2, 3]), "skipped/box_not_a_number", 1),
    "negative_box": (thing(bbox=[5, 5, -3, -3]), "skipped/box_empty", 1),
    "crowd": (thing(iscrowd=1), "note/crowd", 1),
    "list_id": (thing(image_id=[1]), "skipped/missing_image", 1),
    "no_object": ([*coco()["annotations"], "text"], "skipped/bad_object", 1),
    "rle_too_long": (thing(segmentation={"size": [40, 50], "counts": [0, 10**12]}), "skipped/outline", 2),
    "rle_cut": (thing(segmentation={"size": [40, 50], "counts": "ooooo"}), "skipped/outline", 2),
    "rle_other_size": (thing(segmentation={"size": [4, 5], "counts": [20]}), "skipped/outline", 2),
    "polygon_of_two": (thing(segmentation=[[1, 2, 3, 4]]), "skipped/outline", 2),
    "polygon_nan": (thing(segmentation=[[1, 2, 3, 4, float("nan"), 6]]), "skipped/outline", 2),
}


@pytest.mark.parametrize("name", COCOS)
def test_odd_coco(tmp_path, name):
    annotations, said, boxes = COCOS[name]
    root = folder_with(tmp_path / "in", {"c.json": json.dumps(coco(annotations=annotations)).encode()})
    spec = {"sources": [{"format": "coco", "file": "c.json", "segments": "instances", "present": ""}], "splits": {"seed": 1}}
    examined = examine(root, ImportSpec.from_dict(spec))
    assert said in examined.report.counts
    assert "note/category_gaps" in examined.report.counts
    assert sum(examined.report.tasks[0].class_counts.values()) == boxes
    PreparedSource(examined).build("train", lambda share, what: None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"images": 3}', b"[" * 100_000])
def test_json_that_is_none(tmp_path, content):
    root = folder_with(tmp_path, {"c.json": content})
    assert propose(root).spec.sources[0].format == "class_folders"
    with pytest.raises(DataError, match=r"'c\.json' is not"):
        check(root, ImportSpec.from_dict({"sources": [{"format": "coco", "file": "c.json"}]}))
