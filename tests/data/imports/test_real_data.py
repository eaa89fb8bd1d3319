"""Every real data set imports with the counts that its README gives, and what is odd about it is said.

MNIST whole: ``benchmarks.waiting.imports``.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mtl_core.data.imports import examine, propose
from mtl_core.data.imports.imported_source import PreparedSource

pytestmark = pytest.mark.data


def looked_at(folder, asked=frozenset()):
    proposal = propose(folder)
    examined = examine(folder, proposal.spec)
    assert {question.name for question in (*proposal.questions, *examined.report.questions)} == asked
    assert (examined.report.skipped, examined.report.problems, examined.report.leaks) == (0, (), ())
    return examined, {summary.task.name: summary for summary in examined.report.tasks}


def labelled(summary) -> int:
    return sum(summary.labelled.values())


def test_pets(real_data):
    examined, tasks = looked_at(real_data / "oxford_pets_3breeds")
    assert (examined.report.split_sizes["test"], examined.report.images) == (54, 192)
    assert {name: (s.task.kind, labelled(s)) for name, s in tasks.items()} == {
        "breed": ("classification", 192),
        "species": ("classification", 192),
        "trimap": ("segmentation", 192),
        "head": ("detection", 136),
    }
    assert tasks["head"].labelled["test"] == 0
    assert tasks["breed"].task.classes == ("Abyssinian", "american_bulldog", "Bengal")  # ids 1, 2 and 6
    assert tasks["trimap"].task.classes == ("animal", "background", "border")
    assert any("class ids 1, 2, 6 are numbered from 0" in note for note in propose(real_data / "oxford_pets_3breeds").notes)
    masks = PreparedSource(examined).build("val", lambda share, what: None).targets["trimap"]
    assert np.unique(masks).tolist() == [0, 1, 2]


def test_blood_cells(real_data):
    examined, tasks = looked_at(real_data / "bccd_voc", {"empty_cells"})
    assert examined.report.split_sizes == {"train": 205, "val": 87, "test": 72}
    assert tasks["boxes"].class_counts == {"Platelets": 361, "RBC": 4155 - 2, "WBC": 372}
    assert sum(tasks["boxes"].class_counts.values()) + 2 == 4888
    empty = [row.file.rpartition("/")[2] for row in examined.report.findings if row.kind == "box_empty"]
    assert sorted(empty) == ["BloodImage_00338.jpg", "BloodImage_00343.jpg"]
    assert (labelled(tasks["wbc_type"]), tasks["wbc_type"].class_counts["BASOPHIL"]) == (348, 3)
    assert tasks["Category"].task.classes == ("BASOPHIL", "EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")  # the stray space is gone
    assert (tasks["count_RBC"].task.kind, tasks["count_RBC"].highest) == ("regression", 27)


def test_coco(real_data):
    examined, tasks = looked_at(real_data / "coco_mini")
    report = examined.report
    assert (report.images, report.split_sizes["val"]) == (60, 27)
    assert sum(tasks["boxes"].class_counts.values()) == 246 + 174 - 3
    assert (report.counts["note/crowd"], report.counts["note/no_objects"], report.counts["note/category_gaps"]) == (3, 1, 2)
    assert (len(tasks["boxes"].task.classes), labelled(tasks["segments"])) == (80, 26 + 27)
    assert tasks["present"].task.kind == "multi_label"


def test_outlines_agree_with_pycocotools(real_data):
    """Drawn at the pictures' own size they are the same, pixel by pixel."""
    from pycocotools.coco import COCO

    from mtl_core.data.imports.checking.frames import stretch
    from mtl_core.data.imports.formats.annotations.coco_json import outline_of
    from mtl_core.data.imports.formats.annotations.outlines import Shapes

    for part in ("train2017", "val2017"):
        other = COCO(str(real_data / "coco_mini" / "annotations" / f"instances_{part}.json"))
        for number in list(other.anns)[:60]:
            shape = other.anns[number]
            image = other.imgs[shape["image_id"]]
            size = (image["width"], image["height"])
            mine = Shapes.of([(1, outline_of(shape["segmentation"], size))], size).render(stretch(size, size))
            assert (mine == other.annToMask(shape)).all()


def test_living_room(real_data):
    examined, tasks = looked_at(real_data / "icl_livingroom_rgbd", {"unit"})
    assert (examined.report.images, examined.spec.splits.groups) == (71, "blocks")
    assert (labelled(tasks["depth"]), tasks["depth"].lowest, tasks["depth"].highest) == (71, pytest.approx(0.691), pytest.approx(3.381))
    assert {name for name, s in tasks.items() if s.task.kind == "regression"} == {"median_depth_m", "p10_depth_m", "valid_fraction"}
    assert examined.report.counts["note/no_measurement"] > 30
    order = [part for _, part in sorted(examined.split.items())]
    assert sum(a != b for a, b in pairwise(order)) < 8  # blocks, not single frames
    data = PreparedSource(examined).build("val", lambda share, what: None)
    assert np.isnan(data.targets["depth"]).mean() < 0.1


def test_fashion(real_data):
    examined, tasks = looked_at(real_data / "fashion_mnist_900")
    assert (examined.report.images, examined.report.split_sizes["test"], examined.report.image_shape) == (900, 200, (1, 28, 28))
    assert set(tasks["class"].class_counts.values()) == {90}


def test_mnist(some_of_mnist):
    examined, tasks = looked_at(some_of_mnist(600, 100), {"groups"})
    assert (examined.report.images, examined.report.split_sizes["test"]) == (700, 100)
    assert {name: labelled(s) for name, s in tasks.items()} == dict.fromkeys(("class", "digit", "ink", "slant_deg", "box", "writer_group"), 700)
    assert len(tasks["writer_group"].task.classes) == 2
    data = PreparedSource(examined).build("test", lambda share, what: None)
    assert data.targets["digit"][:5].tolist() == [7, 2, 1, 0, 4]
    assert data.targets["box"][0, 0].tolist() == [6, 7, 22, 27, 0]  # 6, 7, 16 x 20
