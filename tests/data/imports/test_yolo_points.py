"""Points of YOLO's pose files: names, mirror, visibility, and what is asked where nothing says them."""

from __future__ import annotations

import json

import pytest

from mtl_core.config_sections import AugmentationConfig
from mtl_core.data.augmentation.fitting import misfits
from mtl_core.data.imports import check, propose
from mtl_core.data.imports.formats.annotations.point_look import PERSON, PERSON_EDGES, PERSON_MIRROR, PERSON_SIGMAS
from mtl_core.data.imports.spec import ImportSpec
from mtl_core.errors import ConfigError
from tests.data.imports.test_points import COUNT, SIZE, looked, points_of, task_of, yolo

LINE = "0 0.5 0.5 0.25 0.5 0.4375 0.5 2 0.5 0.375 1 0 0 0\n"  # the third point is absent

LINE_ROWS = [[42, 36, 2], [48, 27, 1], [0, 0, 0]]


def test_yolo_poses_are_points_with_the_mirror_of_the_file(tmp_path):
    data = "names: [face]\nkpt_shape: [3, 3]\nflip_idx: [1, 0, 2]\nkpt_names: {0: [a, b, c]}\n"
    proposal, examined, questions = looked(yolo(tmp_path, dict.fromkeys(range(1, COUNT), LINE), data))
    assert questions == {}
    assert [task.name for task in proposal.tasks] == ["boxes", "points"]
    task = task_of(examined)
    assert (task.classes, task.mirror_points, task.spoiled_by) == (("a", "b", "c"), (1, 0, 2), ())
    assert points_of(examined) == {"0": [[0, 0, 0]] * 3, **{str(n): LINE_ROWS for n in range(1, COUNT)}}


def test_yolo_points_of_two_numbers_are_visible_unless_they_are_nowhere(tmp_path):
    line = "0 0.5 0.5 0.25 0.5 0.4375 0.5 0 0 -1 -1\n"
    _, examined, _ = looked(yolo(tmp_path, line, "names: [face]\nkpt_shape: [3, 2]\n"))
    assert points_of(examined)["0"] == [[42, 36, 2], [0, 0, 0], [0, 0, 0]]


def test_yolo_without_names_says_so_and_mirrors_nothing_until_it_is_told(tmp_path):
    root = yolo(tmp_path, LINE, "names: [face]\nkpt_shape: [3, 3]\n")
    proposal, examined, questions = looked(root)
    assert task_of(examined).classes == ("point 0", "point 1", "point 2")
    assert any("Rename them" in note for note in proposal.notes)
    mirrored = AugmentationConfig(flip=True)
    assert questions["mirror"].taken == "unknown"
    [problem] = misfits(mirrored, [task_of(examined)], SIZE)
    assert problem.field == "augmentation.flip"
    _, told, _ = looked(root, mirror="itself")
    assert task_of(told).mirror_points == (0, 1, 2)
    assert misfits(mirrored, [task_of(told)], SIZE) == []


def test_seventeen_points_that_mirror_as_a_persons_are_a_person(tmp_path):
    line = "0 0.5 0.5 0.2 0.2 " + "0.5 0.5 2 " * 17 + "\n"
    proposal, examined, _ = looked(yolo(tmp_path, line, f"names: [person]\nkpt_shape: [17, 3]\nflip_idx: {PERSON_MIRROR}\n"))
    task = task_of(examined)
    assert (task.classes, task.sigmas, task.edges) == (tuple(PERSON), tuple(PERSON_SIGMAS), tuple(PERSON_EDGES))
    assert any("COCO's names" in note for note in proposal.notes)


def test_yolo_lines_that_nothing_explains_are_asked_about(tmp_path):
    root = yolo(tmp_path, "0 0.5 0.5 0.25 0.5 0.4375 0.5 2 0.5 0.375 1\n", "names: [face]\n")
    _, examined, questions = looked(root)
    assert questions["points"].taken == "pose-3"
    assert points_of(examined)["0"] == [[42, 36, 2], [48, 27, 1]]
    _, outlined, _ = looked(root, points="outline")
    assert {task.kind for task in outlined.tasks} == {"detection", "segmentation"}


def test_several_yolo_objects_are_a_question(tmp_path):
    small = "0 0.2 0.2 0.1 0.1 0.2 0.2 2 0.2 0.2 2 0.2 0.2 2\n"
    _, examined, questions = looked(yolo(tmp_path, {0: small + LINE, 1: LINE}, "names: [face]\nkpt_shape: [3, 3]\nflip_idx: [1, 0, 2]\n"))
    assert questions["several_objects"].taken == "largest"
    assert points_of(examined)["0"] == LINE_ROWS


def test_yolo_points_need_to_know_where_they_stand(tmp_path):
    root = yolo(tmp_path, LINE, "names: [face]\nkpt_shape: [3, 3]\n")
    values = propose(root).spec.to_dict()
    for changes, word in (({"points": "outline"}, "points: pose"), ({"keypoints": [4, 3]}, "names 3 points; 'keypoints' says 4")):
        changed = json.loads(json.dumps(values))
        changed["sources"][0] |= changes
        with pytest.raises(ConfigError, match=word):
            check(root, ImportSpec.from_dict(changed))
