"""A run's scalars by key are those that pandas finds in the table."""

import numpy as np
import pandas as pd
import pytest

from mtl_core.analysis.scalar_rows import COLUMNS, scalar_rows

STEPS = {
    "in order": [1, 2, 3, 5],
    "steps repeated after a resume": [1, 2, 3, 2, 3, 4],
    "the parents' rows behind": [7, 8, 1, 2],
    "one step again and again": [4, 4, 4],
    "a single row": [9],
    "none": [],
}


def table(columns: dict[str, list[int]]) -> pd.DataFrame:
    """The keys' rows in turn, as a run writes them; every value and time differs."""
    rows = sorted((place, key, step) for key, steps in columns.items() for place, step in enumerate(steps))
    numbers = np.arange(len(rows), dtype=float)
    frame = pd.DataFrame({"key": [key for _, key, _ in rows], "step": [step for _, _, step in rows]})
    return frame.assign(epoch=frame["step"] / 4, value=numbers * 1.5, wall_time=numbers * 60 + 3)


@pytest.mark.parametrize("key", STEPS)
def test_the_rows_of_a_key_are_the_newest_of_each_step(key):
    frame = table(STEPS)
    found, wanted = scalar_rows(frame).of(key), frame[frame["key"] == key].drop_duplicates("step", keep="last")
    assert list(found) == list(COLUMNS)
    for name, values in found.items():
        assert values.tolist() == wanted[name].tolist()


def test_the_ends_of_an_axis_leave_out_what_is_no_number():
    frame = table({"a": [3, 1], "b": [2]})
    assert [scalar_rows(frame).ends(axis) for axis in ("step", "epoch", "minutes")] == [(1.0, 3.0), (0.25, 0.75), (0.05, 2.05)]
    assert scalar_rows(frame.assign(epoch=[np.nan, 0.5, np.inf])).ends("epoch") == (0.5, 0.5)
    assert scalar_rows(frame.iloc[:0]).ends("step") is None


def test_a_table_is_divided_once_and_another_one_anew():
    frame = table({"a": [1, 2]})
    longer = pd.concat([frame, table({"a": [3]})], ignore_index=True)
    assert scalar_rows(frame) is scalar_rows(frame)
    assert scalar_rows(longer).of("a")["step"].tolist() == [1, 2, 3]
    assert scalar_rows(frame).of("a")["step"].tolist() == [1, 2]
