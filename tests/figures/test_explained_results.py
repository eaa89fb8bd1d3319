"""The sentences on results say what the numbers say: worked values, and random ones read back from the sentences."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mtl_core.figures.explained_results import explain_confusion, explain_front, explain_race
from mtl_core.lessons import LESSONS


def test_a_race_in_words_is_no_verdict():
    found = explain_race("Error of slant on val", {"PCGrad": 2.0, "DWA": 3.5, "FAMO": float("nan"), "MGDA": 2.5}, False, "degrees")
    assert found.sentences == (
        "Error of slant on val ends best under PCGrad, 2.000 degrees, and worst under DWA, 3.500 degrees.",
        "Each method was trained with one seed, and another seed may order them otherwise: this is no verdict.",
    )
    assert "best under DWA, 3.500, and worst under PCGrad, 2.000." in explain_race("F1", {"PCGrad": 2.0, "DWA": 3.5}, True).sentences[0]
    assert explain_race("F1", {"a": 1.0, "b": 1.0}, True).sentences[0] == "F1 ends at 1.000 under every method."
    for too_few in ({}, {"a": 1.0}, {"a": 1.0, "b": float("nan")}):
        assert explain_race("F1", too_few, True).sentences == ("Two methods need a value before they can be compared.",)


def test_a_confusion_matrix_in_words():
    matrix = np.array([[8, 2], [1, 9]])
    assert explain_confusion(matrix, ("cat", "dog"), ("cat", "dog"), "images").sentences == (
        "17 of 20 images (85.0%) lie where the true and the predicted class are the same.",
        "The most frequent mistake: 2 of the 10 images of cat were taken for dog.",
    )
    assert explain_confusion(np.diag([3, 4]), ("a", "b"), ("a", "b"), "images").sentences[1] == "No mistake was made."
    assert explain_confusion(np.zeros((2, 2), int), ("a", "b"), ("a", "b"), "boxes").sentences == ("No boxes were counted.",)


def test_the_mistake_that_is_named_is_the_largest():
    random = np.random.default_rng(0)
    for _ in range(100):
        names = [f"class{number}" for number in range(random.integers(2, 6))]
        columns = [*names, "nothing"][: random.integers(len(names), len(names) + 2)]
        matrix = random.integers(0, 50, (len(names), len(columns)))
        sentences = explain_confusion(matrix, names, columns, "images").sentences
        right = sum(int(matrix[place, columns.index(name)]) for place, name in enumerate(names) if name in columns)
        assert sentences[0].startswith(f"{right:,} of {matrix.sum():,} images")
        count, of, row, column = re.search(r"([\d,]+) of the ([\d,]+) images of (\w+) were taken for (\w+)\.", sentences[1]).groups()
        place = names.index(row)
        assert (
            int(count)
            == matrix[place, columns.index(column)]
            == max(matrix[r, c] for r in range(len(names)) for c in range(len(columns)) if names[r] != columns[c])
        )
        assert int(of) == matrix[place].sum()


def test_a_front_in_words():
    assert explain_front(["equal weights", "1:2"], 4, "digit", "slant").sentences == (
        "2 of 4 cells are on the front: no other cell is better in every task.",
        "Along the front digit can only gain where slant or another task loses.",
    )
    assert explain_front(["PCGrad"], 3, "digit", "slant").sentences[1].startswith("So PCGrad is the best choice whatever")


@pytest.mark.parametrize(
    "found",
    [explain_race("a", {}, True), explain_front(["a"], 2, "b", "c"), explain_confusion(np.ones((2, 2), int), ("a", "b"), ("a", "b"), "images")],
    ids=["race", "front", "confusion"],
)
def test_each_names_a_lesson_that_is_there(found):
    assert found.lesson in LESSONS
    assert len(found.sentences) <= 2
