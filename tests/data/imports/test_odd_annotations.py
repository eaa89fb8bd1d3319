"""Other things that annotation tools really write, one test each: what is read, said and asked."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports import ImportSpec, answer, check, examine, propose
from mtl_core.data.imports.checking.frames import stretch
from tests.data.imports.annotation_writers import write_json, write_picture, write_text

COUNT = 6
BOX = [20, 16, 40, 34]


def pictures(root, folder="images", end="png", count=COUNT):
    for number in range(count):
        write_picture(root / folder / f"{number}.{end}", seed=number + len(folder))
    return root


def coco(root, annotations, categories=("a", "b"), file="c.json", **entry):
    listed = [{"id": n, "file_name": f"{n}.png", "width": 96, "height": 72, **entry} for n in range(COUNT)]
    names = [{"id": n, "name": name} for n, name in enumerate(categories)]
    write_json(root / file, {"images": listed, "annotations": annotations, "categories": names})


def each(**changes):
    return [{"id": n, "image_id": n, "category_id": n % 2, "bbox": BOX, **changes} for n in range(COUNT)]


def looked(root):
    proposal = propose(root)
    return proposal, examine(root, proposal.spec)


def boxes(examined, key):
    target = next(target for target in examined.targets if target.kind == "detection")
    return np.round(target.values[key].astype(float), 2).tolist()


def mask(examined, key):
    target = next(target for target in examined.targets if target.kind == "segmentation")
    return target.values[key].render(stretch((96, 72), (96, 72)))


def test_two_coco_categories_of_one_name_are_one_class(tmp_path):
    coco(pictures(tmp_path), each(), ("shirt", "shirt "))
    _, examined = looked(tmp_path)
    assert examined.report.tasks[0].class_counts == {"shirt": 6}
    assert examined.report.counts["repaired/same_name"] == 1


def test_coco_keypoints_that_no_category_names_have_placeholders(tmp_path):
    coco(pictures(tmp_path), each(keypoints=[1, 2, 2] * 3, num_keypoints=3))
    proposal, examined = looked(tmp_path)
    assert any("no file names the 3 points" in note for note in proposal.notes)
    assert sum(examined.report.tasks[0].class_counts.values()) == 6


@pytest.mark.parametrize(
    ("annotation", "word"),
    [({"segments_info": [], "file_name": "0.png", "image_id": 0}, "panoptic"), ({"caption": "a cat", "image_id": 0, "id": 0}, "captions")],
)
def test_other_coco_files_are_recognised(tmp_path, annotation, word):
    coco(pictures(tmp_path), [annotation])
    [note] = propose(tmp_path).files
    assert (note.read, word in note.reason) == (False, True)


def test_coco_crowds_are_ignored_and_no_boxes(tmp_path):
    counts = [10 * 72, 20 * 72, 66 * 72]
    crowd = {"id": 77, "image_id": 0, "category_id": 0, "bbox": [10, 0, 20, 72], "iscrowd": 1, "segmentation": {"size": [72, 96], "counts": counts}}
    coco(pictures(tmp_path), [*each(segmentation=[[40, 16, 60, 16, 60, 50, 40, 50]]), crowd])
    _, examined = looked(tmp_path)
    assert len(boxes(examined, "images/0.png")) == 1
    assert (mask(examined, "images/0.png") == IGNORE).sum() == 20 * 72


def test_coco_boxes_of_outlines_where_bbox_is_missing(tmp_path):
    annotations = [{k: v for k, v in thing.items() if k != "bbox"} | {"segmentation": [[20, 16, 60, 16, 60, 50]]} for thing in each()]
    coco(pictures(tmp_path), annotations)
    _, examined = looked(tmp_path)
    assert boxes(examined, "images/0.png") == [[20, 16, 60, 50, 0]]


def test_coco_polygon_without_the_list_around_it(tmp_path):
    coco(pictures(tmp_path), each(segmentation=[20, 16, 60, 16, 60, 50, 20, 50]))
    _, examined = looked(tmp_path)
    assert (mask(examined, "images/0.png") == 1).sum() == 40 * 34


def test_coco_lists_in_any_order(tmp_path):
    pictures(tmp_path)
    coco(tmp_path, each())
    data = json.loads((tmp_path / "c.json").read_text())
    write_json(tmp_path / "c.json", {name: data[name] for name in ("annotations", "categories", "images")})
    _, examined = looked(tmp_path)
    assert examined.report.tasks[0].class_counts == {"a": 3, "b": 3}


def test_coco_train_and_val_over_one_folder_ask_once(tmp_path):
    pictures(tmp_path, count=12)
    for part, first in (("train", 0), ("val", 6)):
        listed = [{"id": n, "file_name": f"{n}.png", "width": 96, "height": 72} for n in range(first, first + 5)]
        things = [{"id": n, "image_id": n, "category_id": 0, "bbox": BOX} for n in range(first, first + 5)]
        write_json(tmp_path / f"instances_{part}.json", {"images": listed, "annotations": things, "categories": [{"id": 0, "name": "a"}]})
    proposal, examined = looked(tmp_path)
    assert [question.name for question in proposal.questions] == ["unlisted"]
    assert proposal.questions[0].examples == ("images/11.png", "images/5.png")
    report = check(tmp_path, answer(proposal.spec, proposal.questions[0], "empty"))
    assert (sum(report.tasks[0].labelled.values()), report.tasks[0].class_counts) == (12, {"a": 10})
    assert sum(examined.report.tasks[0].labelled.values()) == 10


def test_yolo_lines_with_a_confidence(tmp_path):
    pictures(tmp_path)
    for n in range(COUNT):
        write_text(tmp_path / "labels" / f"{n}.txt", "0 0.5 0.5 0.25 0.5 0.83\n")
    proposal, examined = looked(tmp_path)
    assert boxes(examined, "images/0.png") == [[36, 18, 60, 54, 0]]
    assert any("a confidence or a track number" in note for note in proposal.notes)


def test_yolo_labels_in_pixels_are_not_trained_on_as_empty_pictures(tmp_path):
    pictures(tmp_path)
    for n in range(COUNT):
        write_text(tmp_path / "labels" / f"{n}.txt", "0 0.5 0.5 0.25 0.5\n" if n % 2 else "0 48 36 24 36\n")
    write_text(tmp_path / "data.yaml", "names: [a]\n")
    proposal, examined = looked(tmp_path)
    assert set(next(t for t in examined.targets if t.kind == "detection").values) == {"images/1.png", "images/3.png", "images/5.png"}
    assert any("are no objects" in note for note in proposal.notes) or examined.report.counts["skipped/boxes_refused"] == 3


def test_yolo_pose_without_kpt_shape_is_asked_for(tmp_path):
    pictures(tmp_path)
    for n in range(COUNT):
        write_text(tmp_path / "labels" / f"{n}.txt", "0 0.5 0.5 0.4 0.4 0.45 0.45 2 0.55 0.55 2\n")
    proposal, examined = looked(tmp_path)
    [question] = [question for question in proposal.questions if question.name == "points"]
    assert (question.taken, [reading.name for reading in question.readings]) == ("pose-3", ["outline", "pose-2", "pose-3"])
    assert boxes(examined, "images/0.png") == np.round([[28.8, 21.6, 67.2, 50.4, 0]], 2).tolist()


def test_yolo_pictures_without_a_text_file_are_asked_for(tmp_path):
    pictures(tmp_path)
    for n in range(4):
        write_text(tmp_path / "labels" / f"{n}.txt", "0 0.5 0.5 0.25 0.5\n")
    proposal, _ = looked(tmp_path)
    [question] = proposal.questions
    report = check(tmp_path, answer(proposal.spec, question, "empty"))
    assert sum(report.tasks[0].labelled.values()) == 6


def test_present_and_counts_are_of_the_boxes_that_are_left(tmp_path):
    pictures(tmp_path)
    things = each()
    things += [{"id": 90 + n, "image_id": n, "category_id": 1, "bbox": [50, 50, 0, 4]} for n in (0, 2, 4)]
    coco(tmp_path, things)
    values = propose(tmp_path).spec.to_dict()
    values["sources"][0] |= {"present": "present", "counts": "count"}
    examined = examine(tmp_path, ImportSpec.from_dict(values))
    found = {target.name: target.values for target in examined.targets}
    assert [found["present"][f"images/{n}.png"] for n in range(2)] == [(0,), (1,)]
    assert [found["count_b"][f"images/{n}.png"] for n in range(2)] == [0.0, 1.0]


def test_labelme_circles_masks_groups_and_points(tmp_path):
    pictures(tmp_path)
    piece = io.BytesIO()
    Image.fromarray(np.ones((10, 20), bool)).save(piece, "PNG")
    shapes = [
        {"label": "sun", "shape_type": "circle", "points": [[48, 36], [58, 36]]},
        {"label": "bar", "shape_type": "mask", "points": [[5, 50], [24, 59]], "mask": base64.b64encode(piece.getvalue()).decode()},
        {"label": "nose", "shape_type": "point", "points": [[3, 3]]},
    ]
    for n in range(COUNT):
        entry = {"shapes": shapes if n else shapes[2:], "imagePath": f"{n}.png", "imageHeight": 72, "imageWidth": 96}
        write_json(tmp_path / "images" / f"{n}.json", entry)
    proposal, examined = looked(tmp_path)
    assert boxes(examined, "images/1.png") == [[38, 26, 58, 46, 1], [5, 50, 25, 60, 0]]
    drawn = mask(examined, "images/1.png")
    assert ((drawn == 1).sum(), abs((drawn == 2).sum() - np.pi * 100) < 8) == (200, True)
    assert "images/0.png" not in next(t for t in examined.targets if t.kind == "detection").values  # a point alone: not nothing
    assert any("6 points and lines" in note for note in proposal.notes)


def test_labelme_flags_are_tags(tmp_path):
    pictures(tmp_path)
    for n in range(COUNT):
        flags = {"blurred": n % 2 == 0, "night": n % 3 == 0}
        write_json(tmp_path / "images" / f"{n}.json", {"flags": flags, "shapes": [], "imagePath": f"{n}.png", "imageHeight": 72, "imageWidth": 96})
    _, examined = looked(tmp_path)
    [tags] = examined.targets
    assert (tags.kind, tags.classes, tags.values["images/0.png"]) == ("multi_label", ("blurred", "night"), (0, 1))


def test_cvat_masks_turned_boxes_and_lines(tmp_path):
    pictures(tmp_path)
    shapes = '<mask label="a" rle="0, 12" left="10" top="20" width="4" height="3"/><polyline label="b" points="1,1;5,5"/>'
    shapes += '<box label="b" xtl="40" ytl="30" xbr="60" ybr="40" rotation="90.0"/>'
    listed = "".join(f'<image id="{n}" name="{n}.png" width="96" height="72">{shapes}</image>' for n in range(COUNT))
    write_text(tmp_path / "annotations.xml", f"<annotations>{listed}</annotations>")
    _, examined = looked(tmp_path)
    assert boxes(examined, "images/0.png") == [[10, 20, 14, 23, 0], [45, 25, 55, 45, 1]]
    assert (mask(examined, "images/0.png") == 1).sum() == 12
    assert {"note/turned_boxes", "note/other_shape"} <= set(examined.report.counts)


def test_cvat_tracks_of_a_video(tmp_path):
    for n in range(10):
        write_picture(tmp_path / "images" / f"frame_{n:06}.png", seed=n)
    ends = '<box frame="2" outside="0" keyframe="1" xtl="10" ytl="10" xbr="20" ybr="20"/>'
    ends += '<box frame="6" outside="0" keyframe="1" xtl="30" ytl="10" xbr="40" ybr="20"/>'
    ends += '<box frame="8" outside="1" keyframe="1" xtl="30" ytl="10" xbr="40" ybr="20"/>'
    meta = (
        "<meta><task><start_frame>0</start_frame><stop_frame>9</stop_frame><original_size><width>96</width><height>72</height></original_size></task>"
    )
    write_text(tmp_path / "annotations.xml", f'<annotations>{meta}</meta><track id="0" label="car">{ends}</track></annotations>')
    _, examined = looked(tmp_path)
    found = {n: boxes(examined, f"images/frame_{n:06}.png") for n in range(10)}
    assert [len(found[n]) for n in range(10)] == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    assert (found[4], found[7]) == ([[20, 10, 30, 20, 0]], [[30, 10, 40, 20, 0]])


def label_studio(root, result, **task):
    tasks = [{"id": n, "data": {"image": f"/data/upload/1/0a1b2c3d-{n}.png"}, "annotations": [{"result": result}], **task} for n in range(COUNT)]
    write_json(root / "p.json", tasks)


def region(kind="rectanglelabels", **value):
    value = {"x": 25, "y": 25, "width": 50, "height": 25, "rotation": 0, kind: ["cat"], **value}
    return {"type": kind, "original_width": 96, "original_height": 72, "value": value}


def test_label_studio_turns_rectangles_about_their_corner(tmp_path):
    label_studio(pictures(tmp_path), [region(rotation=90)])
    _, examined = looked(tmp_path)
    assert boxes(examined, "images/0.png") == [[6, 18, 24, 66, 0]]
    assert examined.report.counts == {"note/turned_boxes": 1}


def test_label_studio_tasks_that_nobody_has_seen_are_not_labelled(tmp_path):
    label_studio(pictures(tmp_path), [region()])
    tasks = json.loads((tmp_path / "p.json").read_text())
    tasks[0]["annotations"], tasks[1]["annotations"][0]["was_cancelled"], tasks[2]["annotations"][0]["result"] = [], True, []
    write_json(tmp_path / "p.json", tasks)
    _, examined = looked(tmp_path)
    assert set(next(t for t in examined.targets if t.kind == "detection").values) == {f"images/{n}.png" for n in range(2, COUNT)}
    assert boxes(examined, "images/2.png") == []


def test_label_studio_min_and_local_files(tmp_path):
    pictures(tmp_path)
    value = {**region()["value"], "original_width": 96, "original_height": 72}
    tasks = [{"image": f"/data/local-files/?d=set/images/{n}.png", "id": n, "label": [value], "annotation_id": n} for n in range(COUNT)]
    write_json(tmp_path / "min.json", tasks)
    _, examined = looked(tmp_path)
    assert boxes(examined, "images/0.png") == [[24, 18, 72, 36, 0]]


def test_label_studio_brushes_leave_a_picture_unlabelled(tmp_path):
    label_studio(pictures(tmp_path), [region(), region("brushlabels", format="rle", rle=[1, 2])])
    write_json(
        tmp_path / "p.json",
        [*json.loads((tmp_path / "p.json").read_text())[1:], {"id": 0, "data": {"image": "0.png"}, "annotations": [{"result": [region()]}]}],
    )
    _, examined = looked(tmp_path)
    assert set(next(t for t in examined.targets if t.kind == "detection").values) == {"images/0.png"}
    assert examined.report.counts["skipped/outline"] == 5


def test_via_asks_which_attribute_is_the_class(tmp_path):
    pictures(tmp_path)
    shape = {"name": "rect", "x": 20, "y": 16, "width": 40, "height": 34}
    regions = {"0": {"shape_attributes": shape, "region_attributes": {"colour": "red", "kind": {"cat": True}}}}
    write_json(tmp_path / "via.json", {f"{n}.png1": {"filename": f"{n}.png", "size": 1, "regions": regions} for n in range(COUNT)})
    proposal, examined = looked(tmp_path)
    [question] = proposal.questions
    assert (question.name, question.taken) == ("attribute", "colour")
    assert examined.report.tasks[0].class_counts == {"red": 6}
    assert check(tmp_path, answer(proposal.spec, question, "kind")).tasks[0].class_counts == {"cat": 6}


def test_via_without_attributes_and_with_tags_of_files(tmp_path):
    pictures(tmp_path)
    regions = [{"shape_attributes": {"name": "circle", "cx": 48, "cy": 36, "r": 10}, "region_attributes": {}}]
    entries = {
        f"{n}": {"filename": f"{n}.png", "size": 1, "regions": regions, "file_attributes": {"light": ["day", "night"][n % 2]}} for n in range(COUNT)
    }
    write_json(tmp_path / "via.json", entries)
    _, examined = looked(tmp_path)
    assert boxes(examined, "images/0.png") == [[38, 26, 58, 46, 0]]
    assert next(t for t in examined.targets if t.name == "tags").classes == ("day", "night")


def test_wider_faces_that_are_not_valid_and_pictures_without(tmp_path):
    pictures(tmp_path)
    text = "".join(f"{n}.png\n2\n10 10 20 20 0 0 0 0 0 0\n50 10 20 20 0 0 0 1 0 0\n" for n in range(COUNT - 1))
    write_text(tmp_path / "faces.txt", text + f"{COUNT - 1}.png\n0\n0 0 0 0 0 0 0 0 0 0\n")
    _, examined = looked(tmp_path)
    assert boxes(examined, "images/0.png") == [[10, 10, 30, 30, 0]]
    assert boxes(examined, f"images/{COUNT - 1}.png") == []


def test_voc_of_rolabelimg_is_the_box_around_the_turned_one(tmp_path):
    pictures(tmp_path)
    box = "<robndbox><cx>48</cx><cy>36</cy><w>20</w><h>10</h><angle>1.5707963267948966</angle></robndbox>"
    for n in range(COUNT):
        write_text(tmp_path / "xml" / f"{n}.xml", f"<annotation><filename>{n}</filename><object><name>a</name>{box}</object></annotation>")
    _, examined = looked(tmp_path)
    assert boxes(examined, "images/0.png") == [[43, 26, 53, 46, 0]]


def test_geojson_and_a_table_of_predictions_are_recognised(tmp_path):
    pictures(tmp_path)
    write_json(tmp_path / "map.json", {"type": "FeatureCollection", "features": []})
    write_json(tmp_path / "results.json", [{"image_id": 1, "category_id": 1, "bbox": BOX, "score": 0.5}])
    write_text(tmp_path / "train.tfrecord", "x")
    write_text(tmp_path / "page.xml", "<PcGts></PcGts>")
    reasons = {note.files: note.reason for note in propose(tmp_path).files}
    assert {file: word in reasons[file] for file, word in (("map.json", "GeoJSON"), ("results.json", "COCO results"))} == dict.fromkeys(
        ("map.json", "results.json"), True
    )
    assert "TFRecord" in reasons["train.tfrecord"]
    assert "PAGE XML" in reasons["page.xml"]
