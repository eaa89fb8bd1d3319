"""A run is called slower than usual from its recorded rows alone, and only while it takes steps."""

from types import SimpleNamespace

import pandas as pd
import pytest

from mtl_core.config import RunConfig
from mtl_core.runs.status import RunStatus
from ui.run.pace import slower_than_usual

CONFIG = {"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {}}, "backbone": {"name": "mlp"}, "epochs": 10}


def rows(speeds, epoch_steps=1000, gaps=None):
    """A row every second with the given steps per second. ``gaps``: step -> seconds lost after it."""
    step, time, found = 0, 0.0, []
    for speed in speeds:
        step, time = step + speed, time + 1.0 + (gaps or {}).get(step, 0.0)
        found.append({"step": step, "epoch": step / epoch_steps, "key": "optimizer/lr", "wall_time": time})
    return pd.DataFrame(found)


def run(status="running", begun=100.0, **config):
    config = RunConfig.from_dict({**CONFIG, **config})
    return SimpleNamespace(status=RunStatus(status), started_at=100.0, seconds_before=0.0, training_started_at=begun, config=config)


USUAL = [10] * 12


@pytest.mark.parametrize(
    ("last", "slow"), [([10] * 10, False), ([6] * 10, False), ([4] * 10, True), ([10, 10, *[4] * 10], True), ([10] * 9 + [1], False)]
)
def test_below_half_of_its_own_best(last, slow):
    said = slower_than_usual(run(), rows([*USUAL, *last]))
    assert bool(said) is slow
    assert not slow or said.startswith("Slower than usual: 4 steps/s in the last seconds, 10 at best.")


def test_only_of_a_run_that_steps():
    frame = rows([*USUAL, *[4] * 10])
    assert slower_than_usual(run(), frame)
    for status in ("paused", "pausing", "stopping", "finished", "interrupted"):
        assert not slower_than_usual(run(status), frame)
    assert not slower_than_usual(run(begun=None), frame)
    assert not slower_than_usual(run(), None)
    assert not slower_than_usual(run(), frame.iloc[:0])


def test_not_while_it_validates():
    frame = rows([*USUAL, *[4] * 10])  # ends at step 160
    assert not slower_than_usual(run(), frame.assign(epoch=frame["step"] / 160))  # a whole epoch: validation begins
    measured = frame.iloc[-1:].assign(key="val/digit/loss", step=161)
    assert not slower_than_usual(run(), pd.concat([frame, measured]))


def test_validation_and_pauses_are_no_slow_steps():
    steady, lost = [*USUAL, *USUAL], {120: 50.0}
    crossing = rows(steady, epoch_steps=120, gaps=lost)  # 50 s of validation after step 120
    assert not slower_than_usual(run(), crossing)
    paused = rows(steady, gaps=lost)
    assert not slower_than_usual(run(begun=100.0 + 12 + 49), paused)  # it went on 49 s after step 120
    assert slower_than_usual(run(), rows([*USUAL, 10, 10], gaps={130: 50.0}))  # no pause: the steps took that long


def test_epochs_with_other_tasks_are_no_measure():
    frame = rows([*USUAL, *[4] * 10], epoch_steps=120)  # the second epoch, and with it ink, begins after step 120
    assert slower_than_usual(run(), frame)
    assert not slower_than_usual(run(tasks={"digit": {}, "ink": {"start_epoch": 2}}), frame)
