"""Which precision and layout is fastest, and which of them are not timed to the end."""

from __future__ import annotations

import pytest
import torch

from mtl_core.training import execution
from mtl_core.training.execution import Execution, _Timing

PLAIN, LAST, HALF, HALF_LAST = (Execution("cpu", precision, layout) for precision in ("fp32", "bf16") for layout in ("contiguous", "channels_last"))
ALL = [PLAIN, LAST, HALF, HALF_LAST]


@pytest.fixture
def fastest(monkeypatch):
    """``fastest(work, seconds)``: the chosen candidate, and the candidates in the order of their steps.

    ``work``: candidate -> processor time of a step. ``seconds``: candidate -> its times by the clock, one after the other; by default its work.
    """

    def choose(work, seconds=None):
        steps, left = [], {candidate: iter(times) for candidate, times in (seconds or {}).items()}

        def timed(candidate, model, step):
            steps.append(candidate)
            return _Timing(next(left[candidate]) if candidate in left else work[candidate], work[candidate])

        monkeypatch.setattr(execution, "_time", timed)
        return execution._fastest(list(work), torch.nn.Conv2d(1, 1, 1), lambda model, how: None), steps

    return choose


def times(*seconds):
    return dict(zip(ALL, seconds, strict=True))


def test_settings_that_are_close_are_timed_to_the_end(fastest):
    chosen, steps = fastest(times(1.0, 0.8, 0.9, 0.7))
    assert chosen == HALF_LAST
    assert steps == [PLAIN, PLAIN, LAST, LAST, HALF, HALF, HALF_LAST, HALF_LAST, *ALL, *ALL]


def test_a_slow_precision_is_tried_in_one_layout_only(fastest):
    chosen, steps = fastest(times(1.0, 0.8, 1.6, 0.1))
    assert chosen == LAST
    assert steps == [PLAIN, PLAIN, LAST, LAST, HALF, HALF, PLAIN, LAST, PLAIN, LAST]


def test_a_slow_layout_says_nothing_of_a_precision_in_the_other(fastest):
    chosen, steps = fastest(times(1.6, 1.0, 0.9, 0.8))
    assert chosen == HALF_LAST
    assert steps.count(HALF_LAST) == 4
    assert steps.count(PLAIN) == 2  # far behind, so it is not timed again


def test_what_is_far_behind_is_not_timed_again_and_not_chosen(fastest):
    """Its time by the clock was the shortest by chance: its processor time is not."""
    chosen, steps = fastest({PLAIN: 1.0, LAST: 2.0}, {LAST: [0.5, 0.5]})
    assert (chosen, steps) == (PLAIN, [PLAIN, PLAIN, LAST, LAST])


def test_short_steps_are_timed_to_the_end(fastest):
    """They cost little, and their processor time is noise."""
    chosen, steps = fastest({PLAIN: 0.01, LAST: 0.04})
    assert (chosen, len(steps)) == (PLAIN, 8)


def test_the_best_of_three_by_the_clock_decides(fastest):
    seconds = {PLAIN: [9.0, 1.0, 1.0, 1.0], LAST: [9.0, 5.0, 4.0, 0.95]}
    assert fastest({PLAIN: 1.0, LAST: 1.0}, seconds)[0] == LAST
    seconds = {PLAIN: [9.0, 1.0, 1.0, 1.0], LAST: [9.0, 5.0, 4.0, 0.96]}
    assert fastest({PLAIN: 1.0, LAST: 1.0}, seconds)[0] == PLAIN  # noise must not decide


def test_a_first_step_that_takes_far_too_long_is_the_only_one(fastest):
    chosen, steps = fastest({PLAIN: 1.0, LAST: 4.1})
    assert (chosen, steps) == (PLAIN, [PLAIN, PLAIN, LAST])
