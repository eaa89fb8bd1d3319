"""Named points of COCO and YOLO: what is proposed, read, said and asked, and where the points land in the prepared images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.cocoeval import Params

from mtl_core.data.dataset import Task
from mtl_core.data.imports import ImportSpec, answer, check, examine, import_dataset, propose
from mtl_core.data.imports.checking.frames import RESIZES, placement
from mtl_core.data.imports.formats.annotations.point_look import PERSON, PERSON_EDGES, PERSON_MIRROR, PERSON_SIGMAS, mirror_by_names
from mtl_core.data.imports.formats.annotations.point_sets import PointSet, usable_points
from mtl_core.data.imports.import_library import get_imported
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.errors import ConfigError
from mtl_core.tasks.keypoints import Keypoints
from tests.data.imports.annotation_writers import write_json, write_picture, write_text

COUNT, SIZE = 8, (96, 72)

FACE = ["left_eye", "right_eye", "nose"]

POINTS = [30, 20, 2, 50, 22, 1, 40, 30, 2]  # of three points

ROWS = [[30, 20, 2], [50, 22, 1], [40, 30, 2]]

BOX = [20, 10, 40, 30]

HUMAN = {"id": 1, "name": "face", "keypoints": FACE, "skeleton": [[1, 3], [2, 3]]}


def thing(image: int, points=POINTS, box=BOX, **more) -> dict:
    return {"image_id": image, "category_id": 1, "bbox": box, "area": 1200, "iscrowd": 0, "keypoints": points, "num_keypoints": 3, **more}


def coco(root: Path, objects: list[dict], categories=(HUMAN,), file="points.json", images=range(COUNT), **picture) -> Path:
    for number in images:
        write_picture(root / "images" / f"{number}.png", SIZE, seed=number, **picture)
    listed = [{"id": number, "file_name": f"{number}.png", "width": SIZE[0], "height": SIZE[1]} for number in images]
    numbered = [{"id": number, **entry} for number, entry in enumerate(objects, 1)]
    write_json(root / file, {"images": listed, "annotations": numbered, "categories": list(categories)})
    return root


def yolo(root: Path, lines: dict[int, str] | str, data: str) -> Path:
    for number in range(COUNT):
        write_picture(root / "images" / f"{number}.png", SIZE, seed=number)
        write_text(root / "labels" / f"{number}.txt", lines if isinstance(lines, str) else lines.get(number, ""))
    write_text(root / "data.yaml", data)
    return root


def looked(root: Path, **answers):
    proposal = propose(root)
    questions = {question.name: question for question in proposal.questions}
    spec = proposal.spec
    for name, reading in answers.items():
        spec = answer(spec, questions[name], reading)
    return proposal, examine(root, spec), questions


def points_of(examined, task="points") -> dict[str, list]:
    [found] = [target for target in examined.targets if target.name == task]
    return {key.removeprefix("images/").removesuffix(".png"): np.round(value, 6).tolist() for key, value in found.values.items()}


def task_of(examined, name="points") -> Task:
    return next(task for task in examined.tasks if task.name == name)


def test_coco_points_are_a_task_with_lines_mirror_and_boxes_beside_it(tmp_path):
    proposal, examined, questions = looked(coco(tmp_path, [thing(n) for n in range(COUNT)]))
    assert questions == {}
    assert {task.name: task.kind for task in proposal.tasks} == {"boxes": "detection", "points": "keypoints"} | {"present": "multi_label"}
    task = task_of(examined)
    assert (task.classes, task.edges, task.mirror_points, task.sigmas) == (tuple(FACE), ((0, 2), (1, 2)), (1, 0, 2), ())
    assert points_of(examined) == {str(n): ROWS for n in range(COUNT)}
    assert examined.report.problems == ()
    [summary] = [summary for summary in examined.report.tasks if summary.task.name == "points"]
    assert summary.class_counts == dict.fromkeys(FACE, COUNT)


def test_a_person_has_the_sigmas_that_pycocotools_has(tmp_path):
    human = {"id": 1, "name": "person", "keypoints": PERSON, "skeleton": [[a + 1, b + 1] for a, b in PERSON_EDGES]}
    _, examined, _ = looked(coco(tmp_path, [thing(n, [10, 10, 2] * 17) for n in range(COUNT)], [human]))
    task = task_of(examined)
    assert task.sigmas == pytest.approx(tuple(Params(iouType="keypoints").kpt_oks_sigmas), rel=1e-12)
    assert task.mirror_points == tuple(PERSON_MIRROR)
    assert [[a + 1, b + 1] for a, b in task.edges] == [[a + 1, b + 1] for a, b in PERSON_EDGES]
    assert len(PERSON_SIGMAS) == len(PERSON) == 17


@pytest.mark.parametrize("skeleton", [[[0, 2], [1, 2]], [[1, 3], [2, 3]]], ids=["counts from 0", "counts from 1"])
def test_lines_of_the_skeleton(tmp_path, skeleton):
    _, examined, _ = looked(coco(tmp_path, [thing(0)], [HUMAN | {"skeleton": skeleton}]))
    assert task_of(examined).edges == ((0, 2), (1, 2))


def test_an_image_without_objects_has_no_point_and_objects_without_points_leave_it_unlabelled(tmp_path):
    objects = [thing(0), thing(1, [0] * 9), thing(2, [0] * 9), thing(2, box=[1, 1, 5, 5])]
    _, examined, _ = looked(coco(tmp_path, objects, images=range(4)))
    assert points_of(examined) == {"0": ROWS, "2": ROWS, "3": [[0, 0, 0]] * 3}
    assert examined.report.counts["note/no_points"] == 1


def test_several_objects_are_a_question_and_counted(tmp_path):
    other = [10, 10, 2] * 3
    objects = [thing(0), thing(1, box=[0, 0, 5, 5]), thing(1, other, box=[0, 0, 20, 20]), thing(1, [0] * 9, box=[0, 0, 90, 70]), thing(2)]
    root = coco(tmp_path, objects, images=range(3))
    proposal, examined, questions = looked(root)
    assert questions["several_objects"].taken == "largest"
    assert "1 of 3 images with points show several objects, at most 2" in questions["several_objects"].evidence
    assert questions["several_objects"].examples == ("images/1.png",)
    assert points_of(examined) == {"0": ROWS, "1": [[10, 10, 2]] * 3, "2": ROWS}  # of the largest that has points
    assert examined.report.counts["note/several_objects"] == 1
    only = examine(root, answer(proposal.spec, questions["several_objects"], "unlabelled"))
    assert points_of(only) == {"0": ROWS, "2": ROWS}
    assert only.report.counts["skipped/several_objects"] == 1


def test_a_crowd_is_an_object_without_points(tmp_path):
    objects = [thing(0), thing(1), thing(1, box=[0, 0, 90, 70], iscrowd=1)]
    root = coco(tmp_path, objects, images=range(2))
    proposal, examined, questions = looked(root)
    assert (points_of(examined), questions) == ({"0": ROWS, "1": ROWS}, {})
    values = proposal.spec.to_dict()
    values["sources"][0]["several_objects"] = "unlabelled"
    assert points_of(examine(root, ImportSpec.from_dict(values))) == {"0": ROWS}


def test_categories_with_the_same_points_are_one_task_and_others_have_their_own(tmp_path):
    categories = [HUMAN, HUMAN | {"id": 2, "name": "ape"}, {"id": 3, "name": "hand", "keypoints": ["tip"], "skeleton": []}, {"id": 4, "name": "car"}]
    objects = [thing(0), thing(1, category_id=2), thing(1, [5, 6, 2], category_id=3), thing(2, [], category_id=4)]
    _, examined, _ = looked(coco(tmp_path, objects, categories, images=range(3)))
    assert points_of(examined, "points_face") == {"0": ROWS, "1": ROWS, "2": [[0, 0, 0]] * 3}
    assert points_of(examined, "points_hand") == {"0": [[0, 0, 0]], "1": [[5, 6, 2]], "2": [[0, 0, 0]]}
    assert task_of(examined, "points_hand").spoiled_by == ()  # a single point is its own mirror image


def test_points_without_boxes_are_read_and_are_no_boxes(tmp_path):
    objects = [{key: value for key, value in thing(n).items() if key != "bbox"} for n in range(3)]
    proposal, examined, _ = looked(coco(tmp_path, objects, images=range(3)))
    assert [task.name for task in proposal.tasks] == ["points"]
    assert points_of(examined) == {str(n): ROWS for n in range(3)}


@pytest.mark.parametrize(
    ("points", "found"),
    [
        ([30, 20, 3, *POINTS[3:]], "skipped/bad_points"),
        ([30, 20, *POINTS[3:]], "skipped/bad_points"),
        (POINTS[:6], "skipped/bad_points"),
        (["a", *POINTS[1:]], "skipped/bad_points"),
        ([1e400, *POINTS[1:]], "skipped/point_not_a_number"),
        ([300, 20, 2, 300, 20, 2, 300, 20, 2], "skipped/points_outside"),
    ],
    ids=["visibility", "too few numbers", "too few points", "text", "infinite", "outside"],
)
def test_points_that_cannot_be_used_leave_the_image_unlabelled(tmp_path, points, found):
    _, examined, _ = looked(coco(tmp_path, [thing(0), thing(1, points), thing(2)], images=range(3)))
    assert points_of(examined) == {"0": ROWS, "2": ROWS}
    assert examined.report.counts[found] == 1


def test_a_point_outside_is_absent_and_one_on_the_edge_is_kept(tmp_path):
    points = [96.5, 20, 2, -9, 20, 2, 40, 72, 1]
    _, examined, _ = looked(coco(tmp_path, [thing(0, points)], images=range(1)))
    assert points_of(examined) == {"0": [[96, 20, 2], [0, 0, 0], [40, 72, 1]]}
    assert examined.report.counts["repaired/point_outside"] == 1


def test_points_follow_the_stated_size_and_an_upright_picture():
    rows = np.array([[30.0, 20.0, 2.0]])
    assert usable_points(PointSet(rows, size=(48, 36)), SIZE)[0] is None
    scaled, said = usable_points(PointSet(rows, size=(48, 36), scale=True), SIZE)
    assert (scaled.tolist(), said[0][1]) == ([[60, 40, 2]], "scaled")
    assert usable_points(PointSet(rows, size=SIZE, turn="upright"), SIZE[::-1])[0].tolist() == rows.tolist()
    assert usable_points(PointSet(np.array([[90.0, 20, 2]]), size=SIZE, turn="upright"), SIZE[::-1])[0] is None
    assert usable_points(PointSet(np.array([[0.5, 0.25, 1]]), shares=True), SIZE)[0].tolist() == [[48, 18, 1]]


def test_two_files_of_one_task_agree_by_the_names_of_the_points(tmp_path):
    """Train and val list the points in another order, and val has one more."""
    coco(tmp_path, [thing(n) for n in range(4)], file="train.json", images=range(4))
    names = ["nose", "chin", "right_eye", "left_eye"]
    points = [40, 30, 2, 41, 50, 2, 50, 22, 1, 30, 20, 2]
    other = {"id": 1, "name": "face", "keypoints": names, "skeleton": [[1, 2], [1, 3], [4, 1]]}
    coco(tmp_path, [thing(n, points) for n in range(4, 8)], [other], "val.json", range(4, 8))
    _, examined, _ = looked(tmp_path)
    task = task_of(examined)
    assert task.classes == (*FACE, "chin")
    assert task.edges == ((0, 2), (1, 2), (2, 3))
    assert task.mirror_points == (1, 0, 2, 3)
    found = points_of(examined)
    assert found["0"] == ROWS
    assert found["7"] == [*ROWS, [41, 50, 2]]
    rows = PreparedSource(examined).build("train", lambda share, what: None).targets["points"]
    assert rows.shape[1:] == (4, 3)  # the fourth point of the first file's images is absent


def test_renumbering_takes_lines_mirror_and_sigmas_along():
    first = Task("p", "keypoints", "p", ("a", "left b", "right b"), edges=((0, 1),), mirror_points=(0, 2, 1), sigmas=(0.1, 0.2, 0.3))
    second = Task("p", "keypoints", "p", ("right b", "c", "left b"), edges=((0, 1), (2, 0)), mirror_points=(2, 1, 0), sigmas=(0.3, 0.4, 0.2))
    place = [2, 3, 1]
    joined = Keypoints.joined(first, second, place, 4)
    assert joined.edges == ((0, 1), (2, 3), (1, 2))
    assert (joined.mirror_points, joined.sigmas, joined.spoiled_by) == ((0, 2, 1, 3), (0.1, 0.2, 0.3, 0.4), ())
    assert Keypoints.joined(first, replace(second, sigmas=()), place, 4).sigmas == ()
    unknown = replace(second, mirror_points=(), spoiled_by=("flip",))
    assert Keypoints.joined(first, unknown, place, 4).spoiled_by == ("flip",)
    value = np.array([[1, 2, 1], [3, 4, 2], [5, 6, 2]])
    assert Keypoints.renumbered(value, place).tolist() == [[0, 0, 0], [5, 6, 2], [1, 2, 1], [3, 4, 2]]


@pytest.mark.parametrize(
    ("task", "word"),
    [
        ({"names": ["a", "a"]}, "occurs twice"),
        ({"names": []}, "expected 1 to"),
        ({"names": ["a", "b"], "edges": [[0, 2]]}, "edges"),
        ({"names": ["a", "b"], "edges": [[1, 1]]}, "edges"),
        ({"names": ["a", "b", "c"], "mirror": [1, 2, 0]}, "mirror"),
        ({"names": ["a", "b"], "sigmas": [0.1, 0]}, "sigmas"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(tmp_path, task, word):
    root = coco(tmp_path, [thing(0)], images=range(1))
    spec = ImportSpec(path=str(root), sources=[{"format": "coco", "file": "points.json", "named_points": [{"task": "p", **task}]}])
    with pytest.raises(ConfigError, match=word):
        check(root, spec)


def test_a_description_of_an_earlier_version_reads_what_it_read(tmp_path):
    root = coco(tmp_path, [thing(n) for n in range(COUNT)])
    spec = ImportSpec(path=str(root), sources=[{"format": "coco", "file": "points.json", "images": "images"}])
    assert [summary.task.name for summary in check(root, spec).tasks] == ["boxes", "present"]


@pytest.mark.parametrize("change", [{"edges": [[0, 1]]}, {"mirror": [0, 1, 2]}, {"sigmas": [0.1, 0.1, 0.1]}, {"names": ["a", "b", "c"]}])
def test_the_digest_holds_what_is_said_of_the_points(tmp_path, change):
    root = coco(tmp_path, [thing(n) for n in range(COUNT)])
    values = propose(root).spec.to_dict()
    before = check(root, ImportSpec.from_dict(values)).digest
    values["sources"][0]["named_points"][0] |= change
    assert check(root, ImportSpec.from_dict(values)).digest != before


def test_an_imported_set_keeps_all_that_is_said_of_its_points(tmp_path, home):
    human = {"id": 1, "name": "person", "keypoints": PERSON, "skeleton": [[a + 1, b + 1] for a, b in PERSON_EDGES]}
    root = coco(tmp_path / "set", [thing(n, [10, 10, 2] * 17) for n in range(COUNT)], [human])
    spec = propose(root).spec
    import_dataset(root, spec, "people")
    kept, given = get_imported("people"), {task.name: task for task in examine(root, spec).tasks}["points"]
    [task] = [task for task in kept.tasks if task.name == "points"]
    for name in ("classes", "edges", "mirror_points", "sigmas", "spoiled_by"):
        assert getattr(task, name) == getattr(given, name)
    assert kept.spec().sources[0].options["named_points"][0]["sigmas"] == PERSON_SIGMAS


@pytest.mark.parametrize("how", list(RESIZES))
@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    size=st.tuples(st.integers(8, 300), st.integers(8, 300)),
    frame=st.tuples(st.integers(8, 128), st.integers(8, 128)),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seen=st.sampled_from([1.0, 2.0]),
)
def test_points_land_where_the_resize_puts_their_place(how, size, frame, shares, seen):
    """Independent: the scaled picture lies in the middle of the frame, its sides rounded to pixels."""
    (width, height), (wide, high) = size, frame
    x, y = shares[0] * width, shares[1] * height
    row = Keypoints.imported_row(np.zeros((2, 3), np.float32), np.array([[x, y, seen], [0, 0, 0]]), placement(how, size, frame))
    assert row[1].tolist() == [0, 0, 0]
    if how == "stretch":
        across, down, left, top = wide, high, 0, 0
    else:
        factor = {"pad": min, "crop": max}[how](wide / width, high / height)
        across, down = max(1, round(width * factor)), max(1, round(height * factor))
        left, top = (wide - across) // 2, (high - down) // 2
    wanted = np.array([(shares[0] * across + left) / wide, (shares[1] * down + top) / high])
    near_the_edge = np.abs(wanted * (wanted - 1)).min() < 1e-6
    if near_the_edge:
        return
    if (wanted < 0).any() or (wanted > 1).any():
        assert row[0].tolist() == [0, 0, 0]
    else:
        np.testing.assert_allclose(row[0], [*wanted, seen], atol=1e-6)


@pytest.mark.parametrize(
    ("names", "mirror"),
    [
        (PERSON, PERSON_MIRROR),
        (["LEye", "REye", "Nose"], [1, 0, 2]),
        (["ear.l", "ear.r"], [1, 0]),
        (["lefteye", "nose", "righteye"], [2, 1, 0]),
        (["Left shoulder", "Right shoulder", "upright"], [1, 0, 2]),
        (["tip"], [0]),
        (["1", "2", "3"], None),
        (["left_eye", "nose"], None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_left_and_right_in_names_say_the_mirror(names, mirror):
    assert mirror_by_names(names) == mirror
