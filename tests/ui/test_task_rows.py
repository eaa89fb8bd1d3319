"""The common x range of a task's charts in the compact view."""

import numpy as np
import pandas as pd
import pytest

from ui.run.task_rows import epoch_length, x_range


def frame(*steps):
    places = np.array(steps, dtype=float)
    return pd.DataFrame(
        {"row": np.arange(len(places)), "key": "train/a/loss", "step": places, "epoch": places / 10, "wall_time": places * 6, "value": 1.0}
    )


@pytest.mark.parametrize(
    ("last", "axis", "expected"),
    [
        (4, "step", 4.0),
        (10, "step", 10.0),
        (19, "step", 19.0),  # half of the chart would be empty
        (20, "step", 20.0),
        (21, "step", 30.0),
        (30, "step", 30.0),
        (31, "step", 40.0),
        (21, "epoch", 3.0),
        (30, "epoch", 3.0),  # 0.1 is no binary number
        (21, "minutes", 2.1),
    ],
)
def test_the_range_ends_with_the_present_epoch_from_the_third_on(last, axis, expected):
    assert x_range(frame(1, last), frame(), axis, epoch_length({"steps_per_epoch": 10}, axis)) == pytest.approx((0.0, expected))


def test_a_run_that_has_ended_ends_with_its_last_value():
    assert x_range(frame(1, 25), frame(), "step") == (0.0, 25.0)


def test_parents_before_the_fork_count_and_nothing_has_no_range():
    assert x_range(frame(), frame(), "step", 10.0) is None
    assert x_range(frame(35), frame(2, 30), "step", 10.0) == (0.0, 40.0)
    assert x_range(frame(1, 25), frame(-5, 3), "minutes", 0.0) == pytest.approx((-0.5, 2.5))


def test_a_run_of_an_earlier_version_has_no_length_of_an_epoch():
    assert epoch_length({}, "step") == 0.0
