from types import SimpleNamespace

import pandas as pd
import pytest

from ui.past import counted_back, marks_of


def frame(*rows):
    return pd.DataFrame(rows, columns=["step", "epoch", "wall_time"])


def test_the_clock_of_the_parents_ends_at_the_fork():
    two_generations = frame((1, 0.5, 10.0), (2, 1.0, 20.0), (3, 1.5, 2.0), (4, 2.0, 7.0))  # the second's clock begins at 0 again
    assert list(counted_back(two_generations)["wall_time"]) == [-15.0, -5.0, -5.0, 0.0]
    assert list(counted_back(two_generations.iloc[:0])["wall_time"]) == []


@pytest.mark.parametrize(("axis", "fork", "resumed"), [("step", 4.0, 6.0), ("epoch", 2.0, 3.0), ("minutes", 0.0, 0.5)])
def test_forks_and_resumes_are_marked_on_every_axis(axis, fork, resumed):
    own = frame((5, 2.5, 10.0), (6, 3.0, 30.0), (7, 3.5, 50.0))
    run = SimpleNamespace(parent_step=4, parent_epoch=2, resumed_step=6)
    assert marks_of(run, own, axis) == [(fork, "forked here"), (resumed, "resumed")]
    assert marks_of(SimpleNamespace(parent_step=4, parent_epoch=2, resumed_step=4), own, axis) == [(fork, "forked here")]
    assert marks_of(SimpleNamespace(parent_step=None, parent_epoch=None, resumed_step=0), own, axis) == []
