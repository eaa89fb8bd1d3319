"""People's boxes and masks with something odd about them: scaled, in shares, counted, or missing for some pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import answer, examine, propose
from mtl_core.data.imports.spec import ImportSpec
from mtl_core.errors import DataError
from tests.data.imports.test_peoples_sets import asked, findings, photo, photos, tasks


def coco(root, boxes, size=(24, 18), count=8, segments=False):
    photos(root, count)
    image = [{"id": n, "file_name": f"img{n + 1:03}.png", "width": size[0], "height": size[1]} for n in range(count)]
    outline = [[boxes[0], boxes[1], boxes[0] + boxes[2], boxes[1], boxes[0] + boxes[2], boxes[1] + boxes[3]]]
    objects = [{"id": n, "image_id": n, "category_id": 1, "bbox": boxes, **({"segmentation": outline} if segments else {})} for n in range(count)]
    (root / "a.json").write_text(json.dumps({"images": image, "annotations": objects, "categories": [{"id": 1, "name": "car"}]}))


@pytest.mark.parametrize(("box", "taken"), [([0.25, 0.5, 0.5, 0.25], "shares"), ([0.25, 0.5, 0.75, 0.75], "share_corners")])
def test_shares_in_a_coco_file_are_asked(tmp_path, box, taken):
    coco(tmp_path, box)
    proposal = propose(tmp_path)
    assert asked(proposal, "bbox").taken == taken
    [first, *_] = examine(tmp_path, proposal.spec).targets[0].values.values()
    assert first[0].tolist() == [6, 9, 18, 13.5, 0]


def test_boxes_of_a_pixel_are_a_problem_whatever_the_format(tmp_path):
    coco(tmp_path, [0.25, 0.5, 0.5, 0.25])
    proposal = propose(tmp_path)
    problems = examine(tmp_path, answer(proposal.spec, asked(proposal, "bbox"), "sizes")).report.problems
    assert any("8 of 8 boxes are no larger than a pixel" in problem for problem in problems)


def test_objects_of_pictures_scaled_since_are_asked_and_scaled(tmp_path):
    coco(tmp_path, [4, 8, 20, 12], size=(48, 36), segments=True)
    proposal = propose(tmp_path)
    assert asked(proposal, "size").taken == "scale"
    examined = examine(tmp_path, proposal.spec)
    boxes, segments = (next(target for target in examined.targets if target.kind == kind) for kind in ("detection", "segmentation"))
    assert next(iter(boxes.values.values()))[0].tolist() == [2, 4, 12, 10, 0]
    [(_, outline)] = next(iter(segments.values.values())).shapes
    assert outline.polygons[0].tolist() == [[2, 4], [12, 4], [12, 10]]
    refused = examine(tmp_path, answer(proposal.spec, asked(proposal, "size"), "refuse"))
    assert not refused.targets[0].values
    assert findings(refused, "size_differs")


def test_objects_of_another_shape_of_picture_stay_refused(tmp_path):
    coco(tmp_path, [4, 8, 20, 12], size=(48, 48))
    proposal = propose(tmp_path)
    assert asked(proposal, "size") is None
    assert not examine(tmp_path, proposal.spec).targets[0].values


def yolo(root, classes, names=("red", "green", "blue")):
    photos(root, len(classes))
    (root / "labels").mkdir()
    for n, number in enumerate(classes):
        (root / "labels" / f"img{n + 1:03}.txt").write_text(f"{number} 0.5 0.5 0.2 0.2\n")
    (root / "classes.txt").write_text("\n".join(names))


@pytest.mark.parametrize(
    ("classes", "taken", "named"),
    [([0, 1, 2, 0, 1, 2, 3], "zero", ("red", "green", "blue", "class 3")), ([1, 2, 3, 1, 2, 3], "one", ("class 0", "red", "green", "blue"))],
)
def test_a_list_of_names_that_is_too_short_is_kept_and_asked(tmp_path, classes, taken, named):
    yolo(tmp_path, classes)
    proposal = propose(tmp_path)
    assert (asked(proposal, "counted_from").taken, tasks(proposal)["boxes"][1]) == (taken, named)


@pytest.mark.parametrize(
    ("train", "val"), [("train.txt", "valid.txt"), ("train_list.txt", "validation_list.txt"), ("images_train.lst", "images_val.lst")]
)
def test_lists_of_parts_with_paths_of_another_machine_are_taken(tmp_path, train, val):
    yolo(tmp_path, [0, 1, 2] * 4)
    for name, numbers in ((train, range(1, 9)), (val, range(9, 13))):
        (tmp_path / name).write_text("".join(f"/home/me/darknet/data/img{n:03}.png\n" for n in numbers))
    splits = propose(tmp_path).spec.splits
    assert (splits.how, splits.train, splits.val) == ("lists", [train], [val])


def masks(root, arrays, folder="masks", images="images"):
    for n, values in enumerate(arrays):
        photo(root / images / f"m{n:03}.png", n)
        if values is not None:
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(root / folder / f"m{n:03}.png")


def test_numbers_that_count_objects_are_asked(tmp_path):
    arrays = []
    for n in range(12):
        values = np.zeros((18, 24), np.uint8)
        for k in range(1 + n % 4):
            values[4:12, 6 * k : 6 * k + 4] = k + 1
        arrays.append(values)
    masks(tmp_path, arrays)
    proposal = propose(tmp_path)
    question = asked(proposal, "objects")
    assert question.taken == "classes"
    chosen = examine(tmp_path, answer(proposal.spec, question, "objects"))
    assert chosen.targets[0].classes == ("background", "object")


def test_pictures_without_a_mask_are_asked_and_can_be_all_background(tmp_path):
    spot = np.zeros((18, 24), np.uint8)
    spot[4:12, 6:14] = 255
    masks(tmp_path, [spot] * 9 + [None] * 3)
    proposal = propose(tmp_path)
    assert (asked(proposal, "unmasked").taken, tasks(proposal)["segments"][2]) == ("unlabelled", 9)
    chosen = examine(tmp_path, answer(proposal.spec, asked(proposal, "unmasked"), "nothing"))
    assert len(chosen.targets[0].values) == 12


def test_pictures_without_a_mask_are_no_question_where_black_is_ignored(tmp_path):
    spot = np.zeros((18, 24), np.uint8)
    spot[4:12, 6:14] = 1
    masks(tmp_path, [spot] * 9 + [None] * 3)
    (tmp_path / "masks" / "classes.yaml").write_text("classes:\n  0: unlabeled\n  1: person\n")
    proposal = propose(tmp_path)
    [source] = proposal.spec.sources
    assert (source.options["ignore"], "unmasked" in [question.name for question in proposal.questions]) == ([0, 255], False)
    values = proposal.spec.model_dump()
    values["sources"][0]["unmasked"] = "first"
    with pytest.raises(DataError, match="'unlabeled', but these pixels are ignored"):
        examine(tmp_path, ImportSpec.model_validate(values))
