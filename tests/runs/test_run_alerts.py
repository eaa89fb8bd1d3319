"""Alerts: thresholds, values that are not finite, stalls and a low disk; and their way into a run's log."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from mtl_core.errors import NotPossibleError, StoreError
from mtl_core.events import SKIPPED, EpochMetrics, Message, RunStarted, StepScalars
from mtl_core.runs.alerts import run_alerts
from mtl_core.runs.alerts.run_alerts import ALERT, LOW_DISK, RunAlerts, Stall
from mtl_core.runs.alerts.thresholds import MOST, Threshold, add_threshold, mark_reached, remove_threshold, thresholds
from mtl_core.runs.executor import execute
from mtl_core.runs.resume_and_fork import resume

TASKS = {"digit": {"metrics": {"accuracy": {"title": "Accuracy"}, "loss": {"title": "Loss"}}}}


@pytest.fixture
def alerts(tmp_path):
    found = RunAlerts(tmp_path)
    found.take(RunStarted(100, {"tasks": TASKS}))
    return found


def due(alerts, heard=0.0, now=0.0, paused=False):
    return alerts.due(heard, now, paused, alerts.folder)


def test_thresholds_are_kept_in_order_and_once(tmp_path):
    first = add_threshold(tmp_path, "val/digit/accuracy", True, 0.9)
    second = add_threshold(tmp_path, "val/digit/loss", False, 0.1)
    assert add_threshold(tmp_path, "val/digit/loss", False, 0.1) == second
    assert {found.name for found in thresholds(tmp_path)} == {first.name, second.name}
    mark_reached(tmp_path, first, 0.91, 40, 2.0)
    assert next(found for found in thresholds(tmp_path) if found.key == first.key).reached == {"value": 0.91, "step": 40, "epoch": 2.0}
    remove_threshold(tmp_path, first.name)
    mark_reached(tmp_path, first, 0.92, 50, 3.0)  # it was removed meanwhile
    assert thresholds(tmp_path) == [second]
    remove_threshold(tmp_path, "../../elsewhere")
    assert thresholds(tmp_path) == [second]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"key": "a"}', '{"key": "a", "above": true, "bound": "x"}', '{"key":"a","above":1,"bound":1,"reached":[]}']
)
def test_a_file_that_is_no_threshold_is_left_out(tmp_path, text):
    kept = add_threshold(tmp_path, "val/digit/loss", False, 0.1)
    (tmp_path / "thresholds" / "odd.json").write_text(text)
    assert thresholds(tmp_path) == [kept]


def test_what_cannot_be_a_threshold_is_refused(tmp_path):
    for bound in (math.nan, math.inf):
        with pytest.raises(NotPossibleError, match="finite number"):
            add_threshold(tmp_path, "val/digit/loss", True, bound)
    with pytest.raises(NotPossibleError, match="val/digit/accuracy"):
        add_threshold(tmp_path, "", True, 1.0)
    for number in range(MOST):
        add_threshold(tmp_path, "val/digit/loss", True, number)
    with pytest.raises(NotPossibleError, match=f"at most {MOST}"):
        add_threshold(tmp_path, "val/digit/loss", True, -1)
    assert add_threshold(tmp_path, "val/digit/loss", True, 0).bound == 0  # it is set already
    with pytest.raises(StoreError, match="cannot write the threshold"):
        add_threshold(tmp_path / "gone" / "deeper", "val/digit/loss", True, 1.0)


@pytest.mark.parametrize(("above", "value", "reached"), [(True, 0.9, False), (True, 0.91, True), (False, 0.9, False), (False, 0.89, True)])
def test_a_bound_itself_is_not_beyond_it(above, value, reached):
    assert Threshold("k", above, 0.9).is_reached_by(value) is reached


def test_infinity_reaches_no_threshold():
    assert not Threshold("k", True, 0.9).is_reached_by(math.inf)


def test_a_threshold_is_reported_once_also_after_a_restart(alerts):
    add_threshold(alerts.folder, "val/digit/accuracy", True, 0.9)
    alerts.take(EpochMetrics(20, 1, {"val/digit/accuracy": 0.5}))
    assert due(alerts) == []
    alerts.take(EpochMetrics(40, 2, {"val/digit/accuracy": 0.912}))
    alerts.take(EpochMetrics(60, 3, {"val/digit/accuracy": 0.4}))  # between two looks the value was above, and that counts
    assert due(alerts) == [(ALERT, "Accuracy of digit (val) is above 0.9: 0.912 after epoch 2")]
    alerts.take(EpochMetrics(80, 4, {"val/digit/accuracy": 0.95}))
    assert due(alerts) == []
    again = RunAlerts(alerts.folder)
    again.take(EpochMetrics(100, 5, {"val/digit/accuracy": 0.96}))
    assert due(again) == []


def test_a_threshold_that_is_set_anew_after_it_was_reached_is_reported_again(alerts):
    add_threshold(alerts.folder, "val/digit/accuracy", True, 0.9)
    alerts.take(EpochMetrics(20, 1, {"val/digit/accuracy": 0.95}))
    assert len(due(alerts)) == 1
    alerts.take(EpochMetrics(40, 2, {"val/digit/accuracy": 0.5}))
    add_threshold(alerts.folder, "val/digit/accuracy", True, 0.9)
    assert due(alerts) == []
    alerts.take(EpochMetrics(60, 3, {"val/digit/accuracy": 0.96}))
    assert due(alerts) == [(ALERT, "Accuracy of digit (val) is above 0.9: 0.96 after epoch 3")]


def test_a_new_threshold_looks_at_the_latest_value(alerts):
    alerts.take(StepScalars(7, 0.25, {"train/digit/loss": 0.05}))
    assert due(alerts) == []
    add_threshold(alerts.folder, "train/digit/loss", False, 0.1)
    assert due(alerts) == [(ALERT, "Loss of digit (train) is below 0.1: 0.05 at step 7")]


def test_a_threshold_that_cannot_be_marked_is_still_reported_once(alerts, monkeypatch):
    def full(*_):
        raise StoreError("the disk is full")

    add_threshold(alerts.folder, "val/digit/loss", False, 0.5)
    monkeypatch.setattr(run_alerts, "mark_reached", full)
    alerts.take(EpochMetrics(20, 1, {"val/digit/loss": 0.1}))
    assert len(due(alerts)) == 1
    assert due(alerts) == []


def test_values_that_are_not_finite_are_named_once(alerts):
    alerts.take(EpochMetrics(20, 1, {"val/digit/loss": math.nan, "val/digit/accuracy": math.nan}))  # a metric may be undefined from the start
    assert due(alerts) == [(ALERT, "Loss of digit (val) is not a number (NaN) at step 20")]
    alerts.take(EpochMetrics(40, 2, {"val/digit/loss": math.inf, "val/digit/accuracy": 0.5}))
    assert due(alerts) == []
    alerts.take(EpochMetrics(60, 3, {"val/digit/accuracy": math.nan, "train/digit/loss": math.inf}))
    assert due(alerts) == [
        (ALERT, "Accuracy of digit (val) is not a number (NaN) at step 60"),
        (ALERT, "Loss of digit (train) is plus infinity at step 60"),
    ]


def test_not_every_value_of_a_broken_run_is_named(alerts):
    alerts.take(EpochMetrics(20, 1, {f"val/{number}/loss": math.nan for number in range(30)}))
    assert len(due(alerts)) == run_alerts.MOST_NON_FINITE


def test_the_first_skipped_step_is_an_alert(alerts):
    for step in (3, 4):
        alerts.take(Message(f"step {step} was skipped: the loss of digit was not a number (NaN)", "warning", SKIPPED))
    alerts.take(Message("something else", "warning"))
    assert due(alerts) == [
        (ALERT, "a loss or a gradient was not finite: step 3 was skipped: the loss of digit was not a number (NaN); further ones are only in the log")
    ]


def test_a_stall_is_long_beside_the_longest_pause_so_far():
    stall = Stall()
    assert [stall.check(heard, heard + 4) for heard in (0, 5, 10)] == [None] * 3  # pauses of 4 s: 40 s are a stall
    assert stall.check(20, 59) is None
    level, text = Stall().check(0, 31)
    assert (level, text[:28]) == (ALERT, "stalled: no step for 31 s (n")
    short = Stall()
    short.check(0, 0.5)
    assert short.check(1, 31) is None  # 30 s are never a stall
    level, text = short.check(1, 301.5)
    assert level == ALERT
    assert short.check(1, 400) is None  # said once
    assert short.check(500, 501) == ("info", "training goes on after 499 s without a step")
    assert short.check(501, 502) is None


def test_a_long_pause_is_learnt_only_while_it_is_no_stall():
    stall = Stall()
    stall.check(0, 20)
    assert stall.longest == 20
    assert stall.check(100, 299) is None  # below 10 x 20 s
    assert stall.longest == 199


def test_a_paused_run_does_not_stall(alerts):
    assert due(alerts, heard=0.0, now=1.0) == []
    assert due(alerts, heard=0.0, now=5000.0, paused=True) == []
    assert due(alerts, heard=0.0, now=5001.0) == []  # the end of the pause counts as a step
    assert due(alerts, heard=0.0, now=5060.0)[0][1].startswith("stalled: no step for 60 s")


def test_a_run_that_prepares_its_data_does_not_stall(tmp_path):
    assert due(RunAlerts(tmp_path), heard=0.0, now=1000.0) == []


def test_a_low_disk_is_said_again_only_after_there_was_space(alerts, monkeypatch):
    free = [0]
    monkeypatch.setattr(run_alerts.shutil, "disk_usage", lambda path: SimpleNamespace(free=free[0]))

    def said(space):
        free[0] = space
        return len(due(alerts))

    assert [said(space) for space in (LOW_DISK, LOW_DISK - 1, 0, LOW_DISK + 1, 2 * LOW_DISK, LOW_DISK - 1)] == [0, 1, 0, 0, 0, 1]
    assert said(5 * LOW_DISK) == 0
    free[0] = 800_000_000
    assert "low disk: 800 MB are free" in due(alerts)[0][1]


def test_the_alerts_of_a_run_are_lines_of_its_log_with_numbers_for_every_page(store, config, engine):
    run = store.create(config())
    before = store.last_line()
    add_threshold(store.folder(run.id), "val/digit/accuracy", True, 0.7)
    assert store.owner(run.id) is None
    assert execute(store, run.id).status == "finished"
    texts = [line.text for line in store.log(run.id) if line.level == ALERT]
    assert texts == ["Loss of digit (test) is not a number (NaN) at step 4", "Accuracy of digit (val) is above 0.7: 0.8 after epoch 2"]
    found = store.alerts(after=before)
    assert [alert.text for alert in found] == texts
    assert [alert.run_id for alert in found] == [run.id] * 2
    assert store.alerts(after=found[0].number, run_id=run.id) == found[1:]
    assert store.alerts(after=found[-1].number) == store.alerts(run_id="another") == []
    assert store.last_line() >= found[-1].number > before
    assert store.owner(run.id).pid > 0
    assert ALERT in (store.folder(run.id) / "log.txt").read_text()


def test_an_alert_that_cannot_be_written_does_not_end_the_run(store, config, engine, monkeypatch):
    def full(*_):
        raise StoreError("the disk is full")

    run = store.create(config())
    add_threshold(store.folder(run.id), "val/digit/accuracy", True, 0.7)
    monkeypatch.setattr(store, "note", full)
    assert execute(store, run.id).status == "finished"


def test_a_failed_run_has_its_alerts_too(store, config, engine):
    run = store.create(config("nan"))
    add_threshold(store.folder(run.id), "train/digit/loss", True, 0.9)
    assert execute(store, run.id).status == "failed"
    assert [alert.text for alert in store.alerts(run_id=run.id)] == ["Loss of digit (train) is above 0.9: 1 at step 1"]
    resume(store, run.id)
    execute(store, run.id)
    assert len(store.alerts(run_id=run.id)) == 1  # a resumed run does not repeat it
