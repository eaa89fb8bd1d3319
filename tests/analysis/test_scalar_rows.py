"""A run's scalars by key are those that pandas finds in the table."""

import gc
import weakref

import numpy as np
import pandas as pd
import pytest

from mtl_core.analysis.scalar_rows import COLUMNS, MOST_WAITING, ScalarRows, scalar_rows

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


def same(found: ScalarRows, wanted: ScalarRows) -> None:
    pd.testing.assert_frame_equal(found.frame, wanted.frame)
    assert (found.keys, len(found)) == (wanted.keys, len(wanted))
    for key in [*wanted.keys, "no such key"]:
        assert found.count(key) == wanted.count(key)
        for (name, values), (other, expected) in zip(found.of(key).items(), wanted.of(key).items(), strict=True):
            assert (name, values.dtype, values.tolist()) == (other, expected.dtype, expected.tolist())
    for axis in ("step", "epoch", "minutes"):
        for until in (None, 2, 4):
            assert found.ends(axis, until) == wanted.ends(axis, until)


@pytest.mark.parametrize("seed", range(12))
def test_rows_that_come_in_parts_are_those_of_the_whole_table(seed):
    """In parts of every size, among them empty ones, and whether somebody looks at the rows in between or not."""
    random = np.random.default_rng(seed)
    frame = table({f"{kind} {turn}": steps for turn in range(3) for kind, steps in STEPS.items()})
    ends = np.sort(random.integers(0, len(frame) + 1, random.integers(1, 12)))
    rows = ScalarRows(frame.iloc[: ends[0]])
    for begin, end in zip(ends, [*ends[1:], len(frame)], strict=True):
        rows = rows.with_newer(frame.iloc[begin:end].reset_index(drop=True))
        if random.random() < 0.5:
            same(rows, ScalarRows(frame.iloc[:end]))
    same(rows, ScalarRows(frame))


def test_rows_that_nobody_asked_for_wait():
    frame = table({"a": list(range(3 * MOST_WAITING)), "b": [1]})
    rows = ScalarRows(frame.iloc[:1])
    for at in range(1, len(frame)):
        rows = rows.with_newer(frame.iloc[at : at + 1].reset_index(drop=True))
    same(rows, ScalarRows(frame))


def test_a_longer_table_leaves_the_shorter_one_as_it_was():
    """Two viewers may hold rows of different length, and each may get newer ones."""
    first, second, other = table({"a": [1, 2], "b": [1]}), table({"a": [2, 3]}), table({"a": [7], "c": [8]})
    rows = ScalarRows(first)
    kept = rows.of("a")
    longer, branch = rows.with_newer(second), rows.with_newer(other)
    again = longer.with_newer(second)
    same(rows, ScalarRows(first))
    for found, parts in ((longer, [first, second]), (branch, [first, other]), (again, [first, second, second])):
        same(found, ScalarRows(pd.concat(parts, ignore_index=True)))
    assert kept["step"].tolist() == [1, 2]


def test_what_is_known_of_a_table_does_not_keep_it():
    frame = table({"a": [1, 2]})
    gone = weakref.ref(frame)
    scalar_rows(frame)
    del frame
    gc.collect()
    assert gone() is None
