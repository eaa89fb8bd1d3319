"""The map of conflict: pairs of tasks by places of the network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mtl_core.analysis.conflict_map import as_matrix, conflict_map, most_in_conflict
from mtl_core.analysis.conflict_summary import WHOLE, share_interval
from mtl_core.figures.matrix import place_figure

PLACES = {WHOLE: [WHOLE], "early": ["stem", "stages.0"], "late": ["stages.1"]}


def frame_of(values):
    rows = [(step, key, value) for key, series in values.items() for step, value in enumerate(series, start=1)]
    return pd.DataFrame(rows, columns=["step", "key", "value"])


@pytest.fixture
def table():
    return conflict_map(
        frame_of(
            {
                "conflict/a/b": [-0.5, 0.1],
                "conflict/a/b/stem": [0.2, -0.4],
                "conflict/a/b/stages.0": [0.4, 0.2],
                "conflict/a/b/stages.1": [-0.1] * 20,
                "conflict/b/c/stages.1": [0.5, np.nan],
                "gradient_norm/a": [1.0],
            }
        ),
        ["a", "b", "c"],
        PLACES,
    )


def test_a_place_has_the_mean_of_its_blocks_at_each_step(table):
    assert list(zip(table["one"], table["other"], table["place"], strict=True)) == [
        ("a", "b", WHOLE),
        ("a", "b", "early"),
        ("a", "b", "late"),
        ("b", "c", "late"),
    ]
    assert list(table["cosine"]) == pytest.approx([-0.2, 0.1, -0.1, 0.5])
    assert list(table["share"]) == [0.5, 0.5, 1.0, 0.0]
    assert list(table["points"]) == [2, 2, 20, 1]
    assert (table["low"][2], table["high"][2]) == share_interval(1.0, 20)


def test_a_repeated_step_counts_once():
    frame = pd.concat([frame_of({"conflict/a/b": [-0.5]}), frame_of({"conflict/a/b": [0.5]})])
    assert list(conflict_map(frame, ["a", "b"], {WHOLE: [WHOLE]})["cosine"]) == [0.5]


def test_the_sentence_names_a_place_only_if_its_interval_is_clear(table):
    assert most_in_conflict(table).startswith(
        "a and b are in conflict most often in late: below 0 in 100% of 20 recorded points (95 % interval 84% to 100%"
    )
    assert most_in_conflict(table[table["place"] != "late"]).startswith("In no place is any pair")
    assert most_in_conflict(table.iloc[:0]) == ""


def test_a_single_point_has_no_share():
    figure = place_figure(conflict_map(frame_of({"conflict/a/b": [-0.5]}), ["a", "b"], {WHOLE: [WHOLE]}))
    assert (figure.data[0].text[0][0], figure.data[0].hovertext[0][0]) == ("-0.50", "cosine -0.500 at the only recorded point")


def test_what_was_not_measured_is_empty(table):
    values, rows, columns = as_matrix(table, "cosine")
    assert (rows, columns) == (["a and b", "b and c"], [WHOLE, "early", "late"])
    assert np.isnan(values[1]).tolist() == [True, True, False]
    figure = place_figure(table)
    assert figure.data[0].text[0][2] == "-0.10 · 100%"
    assert figure.data[0].text[1][0] == ""
    assert figure.data[0].customdata[0][2].tolist() == pytest.approx([1.0, table["low"][2], 1.0, 20])
