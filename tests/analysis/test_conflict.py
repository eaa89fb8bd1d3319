"""What recorded cosines say, on a small table worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mtl_core.analysis.conflict_summary import (
    WHOLE,
    block_titles,
    blocks,
    cosines_at,
    mean_cosines_at,
    meaning,
    measured_steps,
    pairs,
    reading,
    regions,
    share_interval,
    why_no_norms,
    why_none,
)
from mtl_core.config import RunConfig

TASKS = ["a", "b", "c"]


def frame_of(*rows):
    return pd.DataFrame([{"key": key, "step": step, "value": value} for step, key, value in rows], columns=["key", "step", "value"])


@pytest.fixture
def frame():
    rows = [(1, "train/a/loss", 3.0)]
    for step, ab, ac, bc in ((1, 0.4, -0.2, 0.0), (51, 0.2, -0.4, 0.02), (101, 0.3, 0.1, -0.02)):
        for pair, value in (("a/b", ab), ("a/c", ac), ("b/c", bc)):
            rows += [(step, f"conflict/{pair}", value), (step, f"conflict_share/{pair}", float(value < 0))]
    rows += [(1, "conflict/a/b/stages.0", -0.5), (101, "conflict/a/b/stages.0", 0.5), (101, "conflict/a/b/stem", 0.1)]
    return frame_of(*rows)


def test_blocks_and_steps(frame):
    assert blocks(frame) == [WHOLE, "stages.0", "stem"]
    assert measured_steps(frame) == [1, 51, 101]
    assert measured_steps(frame, "stages.0") == [1, 101]
    assert blocks(frame_of((1, "train/a/loss", 1.0))) == []


def test_a_task_may_be_called_like_a_block():
    rows = frame_of((1, "conflict/a/stem", 0.5), (2, "conflict/a/stem", 0.5), (2, "conflict/a/stem/stem", -0.5), (2, "conflict/a/stem/stages.0", 0.1))
    assert blocks(rows) == [WHOLE, "stages.0", "stem"]
    assert measured_steps(rows) == [1, 2]
    assert measured_steps(rows, "stem") == [2]
    assert cosines_at(rows, ["a", "stem"], 2, "stem")[0, 1] == -0.5


def test_the_matrix_of_a_step(frame):
    expected = [[1, 0.2, -0.4], [0.2, 1, 0.02], [-0.4, 0.02, 1]]
    assert cosines_at(frame, TASKS, 51).tolist() == expected
    block = cosines_at(frame, TASKS, 1, "stages.0")
    assert (block[0, 1], block[1, 0]) == (-0.5, -0.5)
    assert np.isnan(block[0, 2])


def test_pairs_over_the_run(frame):
    table = pd.DataFrame(pairs(frame, TASKS))
    assert table[["one", "other"]].values.tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert table["cosine"].tolist() == pytest.approx([0.3, -0.5 / 3, 0.0])
    assert table["share"].tolist() == pytest.approx([0, 2 / 3, 1 / 3])
    assert table["points"].tolist() == [3, 3, 3]


def test_a_step_that_was_repeated_counts_once(frame):
    again = pd.concat([frame, frame_of((101, "conflict/a/b", 0.9))])
    assert pairs(again, TASKS)[0].cosine == pytest.approx(0.5)


def test_the_reading_is_plain(frame):
    assert reading(frame, TASKS) == [
        "a and c are slightly in conflict (mean cosine -0.17; below 0 in 67% of the measurements).",
        "a and b are aligned (mean cosine +0.30; below 0 in 0% of the measurements).",
        "The other pair is unrelated (mean cosine within 0.05 of 0).",
    ]
    once = frame_of((1, "conflict/a/b", -0.3), (1, "conflict_share/a/b", 1.0))
    assert reading(once, ["a", "b"]) == ["It was measured only once, which is too little for a conclusion."]
    calm = frame_of(*((step, key, value) for step in (1, 51, 101) for key, value in (("conflict/a/b", 0.01), ("conflict_share/a/b", 0.0))))
    assert reading(calm, ["a", "b"]) == ["The tasks are unrelated (mean cosine within 0.05 of 0)."]
    assert reading(frame_of(), TASKS) == []


RUN = {"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {}}, "backbone": {"name": "mlp"}}
NOT_BEGUN, BEGUN = frame_of(), frame_of((1, "optimizer/loss", 2.0))


@pytest.mark.parametrize(
    ("changes", "info", "frame", "expected"),
    [
        ({"conflict_every": 0}, {}, BEGUN, "switched off"),
        ({}, {"parameters": {"shared": 0}}, BEGUN, "network is frozen"),
        ({}, {"parameters": {"shared": 9}}, NOT_BEGUN, "Measured at the first step"),
        ({}, {"parameters": {"shared": 9}}, BEGUN, "no two tasks had targets in the same batch"),
        ({"balancing": {"name": "mgda", "gradients": "features"}}, {}, BEGUN, "earlier version"),
        ({}, {"parameters": {"shared": 0}, "tasks_share": "nothing"}, BEGUN, "The tasks share no parameters"),
    ],
)
def test_a_panel_without_angles_says_why(changes, info, frame, expected):
    """It promises a measurement only before the first step: what was not measured then is not called measured."""
    assert expected in why_none(RunConfig.from_dict({**RUN, **changes}), info, frame)


def test_a_panel_without_norms_says_why():
    config = RunConfig.from_dict(RUN)
    assert "switched off" in why_no_norms(RunConfig.from_dict({**RUN, "gradient_norms": False}), {}, BEGUN)
    assert "frozen" in why_no_norms(config, {"parameters": {"shared": 0}}, BEGUN)
    assert why_no_norms(config, {}, NOT_BEGUN) == "Measured from the first step on."
    assert why_no_norms(config, {}, BEGUN).startswith("Not measured")
    assert "share no parameters" in why_no_norms(config, {"parameters": {"shared": 0}, "tasks_share": "nothing"}, BEGUN)
    shares = {"parameters": {"shared": 9}, "tasks_share": "parameters"}
    assert "no two tasks had targets" in why_no_norms(config, shares, BEGUN)
    assert why_no_norms(config, shares, NOT_BEGUN) == "Measured from the first step on."
    assert "conflict_every is 0" in why_no_norms(RunConfig.from_dict({**RUN, "conflict_every": 0}), shares, BEGUN)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["layers.3", "layers.0"], {"layers.0": "early", "layers.3": "late"}),
        (["stages.0", "stages.1", "stages.2"], {"stages.0": "early", "stages.1": "middle", "stages.2": "late"}),
        (["mixing", "column of ink", "column of digit"], {name: name for name in ("column of digit", "column of ink", "mixing")}),
        (["stem.1", "stem.0", "stages.0"], {"stem.0": "early", "stem.1": "middle", "stages.0": "late"}),
        (["stages.10", "stages.2", "stages.1", "stem"], {"stem": "stem", "stages.1": "stage 1", "stages.2": "stage 2", "stages.10": "stage 3"}),
    ],
)
def test_blocks_in_human_words_and_in_the_networks_order(names, expected):
    titles = block_titles([WHOLE, *names])
    assert list(titles.items()) == [(WHOLE, WHOLE), *expected.items()]


@pytest.mark.parametrize(("share", "points", "expected"), [(0.5, 10, (0.2366, 0.7634)), (0.0, 10, (0.0, 0.2775)), (1.0, 10, (0.7225, 1.0))])
def test_the_interval_of_a_share_is_wilsons(share, points, expected):
    assert share_interval(share, points) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("below", "begins"),
    [
        (19, "Tasks work against each other in this run: a and b are below 0 in 95% of 20 measurements (95 % interval 76% to 99%"),
        (10, "It is open whether tasks are in conflict in this run: a and b are below 0 in 50% of 20 measurements"),
        (1, "No two tasks are in conflict in most measurements of this run; the most frequent: a and b are below 0 in 5% of 20 measurements"),
    ],
)
def test_the_meaning_names_the_pair_with_the_largest_share(below, begins):
    assert meaning(measured(below, against=-0.3), TASKS).startswith(begins)


def test_tasks_that_are_against_each_other_often_and_hardly_at_all_are_not_said_to_fight():
    said = meaning(measured(19, against=-0.01), TASKS)
    assert said.startswith("Tasks hardly work against each other in this run: a and b are below 0 in 95% of 20 measurements")
    assert said.endswith("with a mean cosine of -0.00.")


@pytest.mark.parametrize("order", [(-0.01, -0.6), (-0.6, -0.01)])
def test_of_pairs_with_the_same_share_the_meaning_names_the_one_with_the_lowest_cosine(order):
    said = meaning(always_below(dict(zip(("a/b", "a/c"), order, strict=True))), TASKS)
    worst = ("a and b", "a and c")[order.index(-0.6)]
    assert said.startswith(f"Tasks work against each other in this run: {worst} are below 0 in 100% of 20 measurements")


def test_a_pair_that_is_hardly_in_conflict_hides_none_that_is_in_conflict():
    less_often = always_below({"a/b": -0.01, "b/c": -0.6}, but_for={"b/c": 1})
    assert meaning(less_often, TASKS).startswith("Tasks work against each other in this run: b and c are below 0 in 95% of 20 measurements")
    rarely_measured = pd.concat([always_below({"a/b": -0.6}, times=3), always_below({"b/c": -0.5})])
    assert meaning(rarely_measured, TASKS).startswith("Tasks work against each other in this run: b and c")


def always_below(cosines, but_for=(), times=20):
    """Measurements of pairs with these cosines; below 0 in each, but for the first few of the pairs that are named."""
    but_for = dict(but_for)
    rows = [
        (step, key, value)
        for pair, cosine in cosines.items()
        for step in range(times)
        for key, value in ((f"conflict/{pair}", cosine), (f"conflict_share/{pair}", float(step >= but_for.get(pair, 0))))
    ]
    return frame_of(*rows)


def measured(below, against):
    """20 measurements: a and b are ``against`` each other in the first ``below`` of them, a and c never."""
    rows = [
        (step, key, value)
        for step in range(20)
        for key, value in (("conflict/a/b", against if step < below else 0.1), ("conflict_share/a/b", float(step < below)))
    ]
    rows += [(step, key, value) for step in range(20) for key, value in (("conflict/a/c", 0.1), ("conflict_share/a/c", 0.0))]
    return frame_of(*rows)


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "below 0 at the only"), (0.0, "above 0 at the only"), (0.5, "below 0 in 50% of the steps of the only")]
)
def test_a_single_measurement_has_no_share(share, said):
    once = frame_of((1, "conflict/a/b", -0.3), (1, "conflict_share/a/b", share))
    assert meaning(once, ["a", "b"]) == f"It is open whether tasks are in conflict in this run: a and b are {said} measurement."


def test_nothing_measured_means_nothing():
    assert meaning(frame_of(), TASKS) == ""


def test_a_part_of_an_expert_has_its_place_and_its_owner():
    names = [WHOLE, "stages.0", "stages.2 of expert 1", "stages.2 of expert 2", "stages.1 of expert 1", "gate of digit"]
    assert list(block_titles(names).values()) == [WHOLE, "gate of digit", "early", "middle, expert 1", "late, expert 1", "late, expert 2"]
    assert block_titles(["gate of digit", "shared gate at stages.1"]) == {
        "gate of digit": "gate of digit",
        "shared gate at stages.1": "shared gate at stage 2",
    }


def test_regions_divide_the_places_of_a_network_into_thirds():
    five = [WHOLE, *(f"stages.{number}" for number in (3, 1, 0, 2)), "stem"]
    assert regions(five) == {WHOLE: [WHOLE], "early": ["stem", "stages.0"], "middle": ["stages.1", "stages.2"], "late": ["stages.3"]}
    assert regions(["layer1.0", "layer2.0"]) == {"early": ["layer1.0"], "late": ["layer2.0"]}
    experts = [WHOLE, "stages.0", *(f"stages.{stage} of expert {number}" for stage in (1, 2) for number in (1, 2)), "gate of a"]
    found = regions(experts)
    assert list(found) == [WHOLE, "early", "middle", "late", "other parts"]
    assert found["late"] == ["stages.2 of expert 1", "stages.2 of expert 2"]
    assert found["other parts"] == ["gate of a"]
    assert sorted(name for blocks in found.values() for name in blocks) == sorted(experts)


def test_a_region_has_the_mean_of_its_parts():
    rows = [("conflict/a/b/stages.0", 0.5), ("conflict/a/b/stages.1", -0.1), ("conflict/a/c/stages.1", 0.25)]
    frame = pd.DataFrame([{"key": key, "step": 3, "value": value} for key, value in rows])
    found = mean_cosines_at(frame, ["a", "b", "c"], 3, ["stages.0", "stages.1"])
    expected = np.array([[1, 0.2, 0.25], [0.2, 1, np.nan], [0.25, np.nan, 1]])
    np.testing.assert_allclose(found, expected)
