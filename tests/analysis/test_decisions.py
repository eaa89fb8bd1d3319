"""Counts at every threshold: against scikit-learn, against the evaluation's own numbers, and by hand for boxes."""

import numpy as np
import pytest
from sklearn import metrics

from mtl_core.analysis.evaluation.decisions import FALSE, FOUND, GRID, MISSED, TRUE_NEGATIVE, box_hits, decisions_of, stored_decisions
from mtl_core.data.dataset import Task
from mtl_core.tasks import TASK_KINDS


def findings_of(kind, predictions, targets, classes):
    evaluation = TASK_KINDS.load(kind).evaluation(Task("task", kind, "task", classes))
    evaluation.update(predictions, targets, np.arange(len(targets)))
    return evaluation.compute()


@pytest.mark.parametrize("threshold", [0.0, 0.13, 0.5, 0.77, 1.0])
def test_yes_or_no_decisions_are_those_of_scikit_learn(threshold):
    random = np.random.default_rng(3)
    probabilities, truth = random.uniform(size=(60, 3)).astype(np.float32), random.uniform(size=(60, 3)) < 0.4
    found = decisions_of(probabilities, truth, 0.5)
    place, said = found.place(threshold), probabilities.astype(np.float64) >= threshold
    for name, measure in (("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score)):
        expected = measure(truth, said, average=None, zero_division=np.nan)
        np.testing.assert_allclose(found.of_classes(name)[place], expected, atol=1e-12)
    matrices = metrics.multilabel_confusion_matrix(truth, said)
    np.testing.assert_array_equal(found.counts[place][:, [TRUE_NEGATIVE, FALSE, MISSED, FOUND]], matrices.reshape(3, 4))
    assert found.exact[place] == (said == truth).all(1).sum()


def test_at_the_default_threshold_several_labels_have_the_evaluations_own_numbers():
    random = np.random.default_rng(1)
    probabilities, truth = random.uniform(size=(40, 4)).astype(np.float32), random.uniform(size=(40, 4)) < 0.5
    truth[:, 3] = False  # no image has the last class
    probabilities[0, 0] = 0.5  # counts as a yes
    findings = findings_of("multi_label", probabilities, truth.astype(np.float32), ("a", "b", "c", "d"))
    values, found = {metric.name: value for metric, value in findings.values}, stored_decisions(findings.arrays)
    place = found.place(found.default)
    assert found.default == 0.5
    assert found.mean("f1")[place] == pytest.approx(values["f1"], abs=1e-6)
    assert found.exact[place] / 40 == pytest.approx(values["exact"], abs=1e-6)


def test_of_two_classes_the_second_decides_and_of_three_none():
    two = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]], dtype=np.float32)
    found = stored_decisions(findings_of("classification", two, np.array([0, 1, 1]), ("no", "yes")).arrays)
    assert found.classes == (1,)
    assert found.counts[found.place(0.5), 0].tolist() == [1, 1, 0, 1]
    assert found.counts[found.place(0.3), 0].tolist() == [2, 0, 0, 1]
    three = np.eye(3, dtype=np.float32)
    assert stored_decisions(findings_of("classification", three, np.array([0, 1, 2]), ("a", "b", "c")).arrays) is None


def test_boxes_are_counted_at_every_score():
    target = np.array([[[0, 0, 10, 10, 0], [20, 20, 30, 30, 1], [0, 0, 0, 0, -1]]], dtype=np.float32)
    boxes = [[0, 0, 10, 10, 0, 0.9], [0, 0, 10, 9, 0, 0.6], [20, 20, 30, 30, 0, 0.5], [20, 20, 30, 28, 1, 0.2], [0, 0, 0, 0, -1, 0]]
    found = stored_decisions(findings_of("detection", np.array([boxes], dtype=np.float32), target, ("a", "b")).arrays)
    assert found.default == 0.3
    assert found.counts[found.place(0.3)].tolist() == [[1, 0, 2, -1], [0, 1, 0, -1]], "the second box of an object is a false positive"
    assert found.counts[found.place(0.1)].tolist() == [[1, 0, 2, -1], [1, 0, 0, -1]]
    assert found.counts[found.place(0.95)].tolist() == [[0, 1, 0, -1], [0, 1, 0, -1]]
    assert found.best() == 0.2, "with both boxes found and two false ones; of equal thresholds the nearest to the default"


def test_a_lower_score_takes_no_target_from_a_higher_one():
    target = np.array([[0, 0, 10, 10]], dtype=float)
    predicted = np.array([[0, 0, 10, 10, 0, 0.2], [0, 0, 10, 8, 0, 0.7]])
    assert box_hits(predicted, target, 0.5).tolist() == [False, True]
    assert box_hits(predicted[:1], target, 0.5).tolist() == [True]
    assert box_hits(predicted[:0], target, 0.5).tolist() == []
    assert box_hits(predicted, target[:0], 0.5).tolist() == [False, False]


def test_the_best_threshold_and_nothing_to_decide():
    probabilities = np.array([[0.2], [0.35], [0.4], [0.9]])
    found = decisions_of(probabilities, np.array([[False], [True], [True], [True]]), 0.5)
    assert found.best() == 0.35, "all right from 0.21 to 0.35; the nearest to 0.5"
    empty = decisions_of(np.zeros((0, 2)), np.zeros((0, 2), dtype=bool), 0.5)
    assert empty.best() is None
    assert np.isnan(empty.mean("f1")).all()
    assert len(GRID) == 101


def test_evaluations_of_earlier_versions_have_no_decisions():
    assert stored_decisions({"pr": np.zeros(3)}) is None
