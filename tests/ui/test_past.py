from types import SimpleNamespace

import pandas as pd
import pytest

from ui.run.parent_curves import counted_back, marks_of


def frame(*rows):
    return pd.DataFrame(rows, columns=["step", "epoch", "wall_time"]).assign(key="a")


def test_the_clock_of_the_parents_ends_at_the_fork():
    two_generations = frame((1, 0.5, 10.0), (2, 1.0, 20.0), (3, 1.5, 2.0), (4, 2.0, 7.0))  # the second's clock begins at 0 again
    assert list(counted_back(two_generations)["wall_time"]) == [-15.0, -5.0, -5.0, 0.0]
    assert list(counted_back(two_generations.iloc[:0])["wall_time"]) == []


@pytest.mark.parametrize(("axis", "fork", "resumed"), [("step", 4.0, 6.0), ("epoch", 2.0, 3.0), ("minutes", 0.0, 0.5)])
def test_forks_and_resumes_are_marked_on_every_axis(axis, fork, resumed):
    own = frame((5, 2.5, 10.0), (6, 3.0, 30.0), (7, 3.5, 50.0))
    config = config_of([])
    run = SimpleNamespace(parent_step=4, parent_epoch=2, resumed_step=6, step=9, config=config)
    assert marks_of(run, own, axis) == [(fork, "forked here"), (resumed, "resumed")]
    assert marks_of(SimpleNamespace(parent_step=4, parent_epoch=2, resumed_step=4, step=9, config=config), own, axis) == [(fork, "forked here")]
    assert marks_of(SimpleNamespace(parent_step=None, parent_epoch=None, resumed_step=0, step=9, config=config), own, axis) == []


def test_what_was_changed_is_marked_once_the_run_is_there():
    changes = [change(6, "tasks.ink.loss_weight", 2.5), change(6, "optimizer.lr", 0.01), change(90, "tasks.ink.loss_weight", 1.0)]
    run = SimpleNamespace(parent_step=None, parent_epoch=None, resumed_step=0, step=9, config=config_of(changes))
    frame = pd.DataFrame({"step": [2, 6, 8], "epoch": [0.5, 1.5, 2.0], "wall_time": [6.0, 12.0, 18.0], "key": "a"})
    assert marks_of(run, frame, "step") == [(6.0, "ink 1 → 2.5, lr 0.002 → 0.01")]
    assert marks_of(run, frame, "epoch") == [(1.5, "ink 1 → 2.5, lr 0.002 → 0.01")]


def test_of_changes_close_together_the_first_says_what_came_of_all():
    moved = [change(step, "tasks.ink.loss_weight", step / 100) for step in range(100, 110)]
    changes = [*moved, change(104, "optimizer.lr", 0.01), change(800, "tasks.ink.loss_weight", 7.0)]
    run = SimpleNamespace(parent_step=None, parent_epoch=None, resumed_step=0, step=1000, config=config_of(changes))
    marks = marks_of(run, pd.DataFrame({"step": [1000], "epoch": [10.0], "wall_time": [6.0], "key": "a"}), "step")
    assert marks == [(100.0, "ink 1 → 1.09, lr 0.002 → 0.01"), *((float(step), "") for step in range(101, 110)), (800.0, "ink 1.09 → 7")]


def config_of(changes):
    return SimpleNamespace(changes=changes, optimizer=SimpleNamespace(lr=0.002), tasks={"ink": SimpleNamespace(loss_weight=1.0)})


def change(step, key, value):
    return SimpleNamespace(step=step, key=key, value=value)
