"""The sentences on curves say what the numbers say: worked values, and many random ones read back from the sentences."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mtl_core.figures.explained_curves import explain_cosines, explain_loss_weights, explain_metric, explain_shares
from mtl_core.lessons import LESSONS

NAN = float("nan")
NUMBER = r"(-?[\d.]+(?:e[-+]\d+)?)"


def test_a_metric_in_words():
    found = explain_metric("Accuracy of digit", [0.5, 0.99], [0.6, NAN, 0.9, 0.8], higher_is_better=True)
    assert found.sentences == (
        "Accuracy of digit on val went from 0.600 to 0.800, which is better; the best was 0.900.",
        "It is better on the training pictures than on val: at the end 0.990 on train and 0.800 on val. A growing distance is overfitting.",
    )
    error = explain_metric("Error of slant", [5.0], [4.0, 2.0], higher_is_better=False, unit="degrees").sentences
    assert error[0] == "Error of slant on val went from 4.000 degrees to 2.000 degrees, which is better; the last value is the best."
    assert error[1].startswith("It is better on val than on train: at the end 5.000 degrees on train and 2.000 degrees on val.")
    assert "worse" in explain_metric("Loss", [], [1.0, 2.0], higher_is_better=False).sentences[0]
    assert "no change" in explain_metric("Loss", [], [1.0, 1.0], higher_is_better=False).sentences[0]
    assert explain_metric("Loss", [0.0], [0.0, 0.0], higher_is_better=False).sentences[1].startswith("Train and val lie close together")


@pytest.mark.parametrize("val", [[], [1.0], [NAN, NAN], [1.0, NAN]])
def test_too_few_values_give_no_claim(val):
    assert explain_metric("Loss", [1.0], val, higher_is_better=False).sentences == (
        "This curve needs values of two epochs before something can be said of it.",
    )


@pytest.mark.parametrize("higher", [True, False])
def test_what_is_said_of_a_metric_follows_from_its_numbers(higher):
    random = np.random.default_rng(1)
    for _ in range(200):
        train, val = random.uniform(0.01, 1, 5).round(2), random.uniform(0.01, 1, random.integers(2, 6)).round(2)
        first, second = explain_metric("It", train, val, higher).sentences
        before, after = map(float, re.search(rf"from {NUMBER} to {NUMBER},", first).groups())
        assert (before, after) == (val[0], val[-1])
        better = (after > before) if higher else (after < before)
        assert ("is better;" in first, "is worse;" in first, "no change" in first) == (better, not better and before != after, before == after)
        best = re.search(rf"best was {NUMBER}\.$", first)
        assert (float(best[1]) if best else after) == (val.max() if higher else val.min())
        on_train, on_val = map(float, re.search(rf"{NUMBER} on train and {NUMBER} on val", second).groups())
        assert (on_train, on_val) == (train[-1], val[-1])
        ahead = on_train > on_val if higher else on_train < on_val
        if "close together" in second:
            assert abs(on_train - on_val) <= 0.051 * max(on_train, on_val)
        else:
            assert ("on the training pictures than on val" in second) == ahead


def test_loss_weights_in_words():
    assert explain_loss_weights({"a": [1.0, 1.0], "b": [1.0, 1.0]}).sentences == (
        "All loss weights stayed where they began.",
        "At the end they are about equal, from 1 to 1.",
    )
    moved = explain_loss_weights({"a": [1.0, 0.5], "b": [1.0, NAN, 4.0], "c": [2.0]})
    assert moved.sentences == (
        "During the run 2 of 3 weights moved by more than 1%.",
        "At the end b has the largest, 4, and a the smallest, 0.5.",
    )
    assert moved.lesson == "learnt_weights"
    assert explain_loss_weights({"a": [1.0, 2.0], "b": [1.0]}).sentences[0] == "During the run the weight of a moved by more than 1%."
    assert explain_loss_weights({"a": [], "b": [NAN]}).sentences == ("No loss weight was recorded.",)
    assert explain_loss_weights({"a": [3.0]}).sentences[1] == "a has 3."


def test_shares_in_words():
    assert explain_shares({"a": [0.7, 0.9], "b": [0.1, 0.05], "c": [0.2, 0.05]}).sentences == (
        "Over the run a had the largest share of the gradient, 80% on average; an equal share is 33%.",
        "So a alone moved the shared network about as much as all others together, or more.",
    )
    assert explain_shares({"a": [0.55], "b": [0.45]}).sentences[1] == "No task dominated the shared network."
    assert explain_shares({"a": [0.8], "b": [0.2]}).sentences[1].startswith("A larger share comes from a larger loss")
    assert len(explain_shares({"a": [0.8], "b": [NAN]}).sentences) == 1


def test_shares_of_an_earlier_version_that_add_to_more_than_one_say_why():
    first, _ = explain_shares({"a": [0.4, NAN, 0.6], "b": [0.6, 1.0, 0.4]}).sentences
    assert first == (
        "In the steps that had its labels b had the largest share of the gradient, 67% on average; an equal share is 50%. "
        "Steps differ in which tasks have labels, so these means add to more than 100%."
    )
    assert "labels" not in explain_shares({"a": [0.4, 0.0, 0.6], "b": [0.6, 1.0, 0.4]}).sentences[0]


def test_cosines_in_words():
    pairs = {("a", "b"): [-0.5, -0.1, 0.2, NAN], ("a", "c"): [0.3, 0.2, 0.1]}
    assert explain_cosines(pairs).sentences == (
        "The gradients of a and b pointed against each other in 67% of 3 measurements (95 % interval 21% to 94%); no other pair did so more often.",
        "In most of these steps what helped one of them made the other worse.",
    )
    assert explain_cosines({("a", "c"): [0.3, 0.2]}).sentences[1] == "So no step for one of them was measured that made the other worse."
    assert explain_cosines({("a", "c"): [-0.3, 0.2, 0.2]}).sentences[1] == "In most of these steps they did not stand in each other's way."
    alone = {("a", "c"): [0.1] * 199 + [-0.1]}
    assert explain_cosines(alone).sentences == (
        "The gradients of a and c pointed against each other in under 1% of 200 measurements (95 % interval 0% to 3%).",
        "In most of these steps they did not stand in each other's way.",
    )
    for values, share, said in (
        ([-0.1, -0.2], "100%", "In all of these steps what helped one of them made the other worse."),
        ([-0.1] * 199 + [0.1], "over 99%", "In most of these steps what helped one of them made the other worse."),
        ([-0.1, 0.2], "50%", "In half of these steps what helped one of them made the other worse."),
    ):
        first, second = explain_cosines({("a", "c"): values}).sentences
        assert f"in {share} of" in first
        assert second == said
    for value, pointed in ((-0.1, "pointed against"), (0.1, "did not point against")):
        first, second = explain_cosines({("a", "c"): [value]}).sentences
        assert first == f"At the only measurement the gradients of a and c {pointed} each other."
        assert second == "One measurement is too little for a conclusion."
    assert "75% of the steps of the only measurement" in explain_cosines({("a", "c"): [-0.1]}, {("a", "c"): [0.75]}).sentences[0]
    assert explain_cosines({}).sentences == ("No angle between gradients was measured.",)


def test_a_value_that_is_the_mean_of_several_steps_counts_as_its_steps():
    """The other sentence of the panel counts steps too (``conflict_summary.meaning``)."""
    pair = ("a", "b")
    said = explain_cosines({pair: [-0.1, -0.2]}, {pair: [0.75, 1.0]}).sentences
    assert "in 88% of 2 measurements" in said[0]
    assert said[1].startswith("In most")


def test_every_explanation_leads_to_a_lesson():
    made = [
        explain_metric("It", [], [1.0, 2.0], True),
        explain_loss_weights({"a": [1.0]}),
        explain_loss_weights({"a": [1.0, 2.0]}),
        explain_shares({}),
        explain_cosines({}),
    ]
    assert [each.lesson for each in made if each.lesson not in LESSONS] == []
