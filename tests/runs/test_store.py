"""What every run store must do, as one class; then what is particular to SQLite files."""

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mtl_core.errors import RunNotFoundError
from mtl_core.events import CheckpointSaved, EpochMetrics, Message, ProbesSaved, RunEnded, RunStarted, SettingChanged, StepScalars
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.claims import claim, heartbeat, held_by_us, take_controls
from mtl_core.runs.sql import event_writer
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store

INFO = {
    "device": "cpu",
    "share": math.nan,
    "tasks": {"a": {"metrics": {"accuracy": {"title": "Accuracy", "unit": "%", "higher_is_better": True}, "loss": {"higher_is_better": False}}}},
}


class StoreContract:
    """Inherit, give a fixture ``store`` and say how it is opened again, to test another backend."""

    def opened_again(self, store):
        """The same store, as another process opens it."""
        return open_store(store.home)

    def test_a_new_run_waits_with_its_config_beside_it(self, store, config):
        run = store.create(config("mine", epochs=7))
        assert (run.status, run.name, run.epochs, run.queue_position, run.device) == ("queued", "mine", 7, 1, "cpu")
        assert (run.step, run.epoch, run.progress, run.seconds, run.eta_seconds) == (0, 0.0, 0.0, 0.0, None)
        assert store.get(run.id).config == config("mine", epochs=7)
        assert (store.folder(run.id) / "config.yaml").read_text(encoding="utf-8") == config("mine", epochs=7).to_yaml()
        assert [path.name for path in store.folder(run.id).iterdir() if path.name.startswith(".")] == []

    def test_runs_come_newest_first_and_the_queue_oldest_first(self, store, config):
        ids = [store.create(config(str(number))).id for number in range(3)]
        assert [run.id for run in store.runs()] == ids[::-1]
        assert [(run.id, run.queue_position) for run in store.queued()] == [(ids[0], 1), (ids[1], 2), (ids[2], 3)]

    def test_the_queue_keeps_its_order_when_the_clock_is_set_back(self, store, config, monkeypatch):
        ids = []
        for now in (5000.0, 5001.0, 1400.0, 1401.0):
            monkeypatch.setattr("time.time", lambda now=now: now)
            ids.append(store.create(config()).id)
        store.end(ids[0], RunStatus.STOPPED)
        resume_and_fork.resume(store, ids[0])
        assert [run.id for run in store.queued()] == [*ids[1:], ids[0]]

    def test_interrupted_runs_go_on_before_those_that_have_not_begun_in_their_old_order(self, store, config):
        begun, waiting = [store.create(config()).id for _ in range(3)], [store.create(config()).id for _ in range(2)]
        for run_id in begun:
            assert claim(store, run_id, "cpu", alone=False)
            store.end(run_id, RunStatus.INTERRUPTED)
        for run_id in (begun[1], begun[0]):  # in another order than they were made
            resume_and_fork.resume(store, run_id)
        assert [run.id for run in store.queued()] == [*begun[:2], *waiting]
        actions.move(store, waiting[1], 1)  # it also gives all of them new ranks
        resume_and_fork.resume(store, begun[2])
        assert [run.id for run in store.queued()] == [begun[2], waiting[1], *begun[:2], waiting[0]]

    def test_a_run_is_found_by_a_unique_beginning_of_its_id(self, store, config):
        run = store.create(config())
        assert store.get(run.id[:-1]).id == run.id
        other = store.create(config())
        with pytest.raises(RunNotFoundError, match="could be any of"):
            store.get(run.id[:4])
        assert store.get(other.id).id == other.id

    @pytest.mark.parametrize("text", ["", "nothing", "%", "../..", "_" * 20])
    def test_an_id_that_matches_nothing_is_named(self, store, config, text):
        run = store.create(config())
        with pytest.raises(RunNotFoundError, match=run.id):
            store.get(text)
        with pytest.raises(RunNotFoundError):
            store.folder(text)

    def test_what_was_measured_on_test_stands_at_the_epoch_that_val_chose_and_sets_nothing_back(self, store, config):
        run = store.create(config(), columns=held_by_us("cpu"))
        store.append(run.id, RunStarted(8, INFO))
        store.append(run.id, EpochMetrics(8, 4, {"val/a/accuracy": 50.0}))
        store.append(run.id, EpochMetrics(4, 2, {"test/a/accuracy": 60.0}))
        assert (store.get(run.id).step, store.get(run.id).epoch) == (8, 4.0)
        assert store.summary(run.id)["test/a/accuracy"]["best_epoch"] == 2

    def test_a_claimed_run_is_running_and_held_once(self, store, config):
        run = store.create(config())
        assert claim(store, run.id, "cpu")
        assert not claim(store, run.id, "cpu")
        held = store.get(run.id)
        assert (held.status, held.device, held.queue_position) == ("running", "cpu", None)
        assert [active.id for active in store.active()] == [run.id]

    def test_one_run_at_a_time_per_device(self, store, config):
        first, second = store.create(config()), store.create(config())
        assert claim(store, first.id, "cpu")
        assert not claim(store, second.id, "cpu")
        assert claim(store, second.id, "cuda")
        third = store.create(config())
        store.append(first.id, RunEnded("finished", 0, 0.0, 0.0, 0.0))
        assert claim(store, third.id, "cpu")

    def test_the_command_lines_run_is_held_from_the_start(self, store, config):
        run = store.create(config(), columns=held_by_us("cpu"))
        assert run.status == "running"
        assert store.queued() == []
        assert not claim(store, run.id, "cpu", alone=False)

    def test_claims_of_many_threads_are_exclusive(self, store, config):
        ids = [store.create(config()).id for _ in range(6)]
        together = threading.Barrier(4)

        def claim_all():
            together.wait()
            return [run_id for run_id in ids if claim(store, run_id, "cpu", alone=False)]

        with ThreadPoolExecutor(4) as pool:
            taken = [future.result() for future in [pool.submit(claim_all) for _ in range(4)]]
        assert sorted(run_id for ids_taken in taken for run_id in ids_taken) == sorted(ids)

    def test_events_of_a_whole_run(self, store, config):
        run = store.create(config(epochs=1), columns=held_by_us("cpu"))
        store.append(run.id, Message("preparing"))
        store.append(run.id, RunStarted(4, INFO))
        store.append(run.id, StepScalars(2, 0.5, {"train/a/loss": 2.0}))
        store.append(run.id, StepScalars(4, 1.0, {"train/a/loss": 1.0}))
        store.append(run.id, EpochMetrics(4, 1, {"val/a/accuracy": 0.5, "selection/score": 0.25}))
        store.append(run.id, ProbesSaved(1, "probes/epoch_0001.npz"))
        store.append(run.id, CheckpointSaved(4, 1, "checkpoints/epoch_0001", True))
        trained = store.get(run.id)
        assert (trained.step, trained.steps_total, trained.epoch, trained.progress) == (4, 4, 1.0, 1.0)
        assert trained.info == {**INFO, "share": None}
        store.append(run.id, RunEnded("finished", 4, 1.0, 12.5, 3.0))
        ended = store.get(run.id)
        assert (ended.status, ended.steps_per_second, ended.progress, ended.eta_seconds) == ("finished", 12.5, 1.0, None)
        assert ended.finished_at >= ended.training_started_at >= ended.started_at >= ended.created_at
        lines = [(line.level, line.text) for line in store.log(run.id)]
        assert lines == [
            ("info", "queued"),
            ("info", "preparing"),
            ("info", "training starts on cpu: 4 steps"),
            ("info", "epoch 1: measured, score 0.25"),
            ("info", "epoch 1: checkpoint saved (best so far)"),
            ("info", "finished after 4 steps (1 epoch) in 3.0 s"),
        ]
        written = (store.folder(run.id) / "log.txt").read_text(encoding="utf-8").splitlines()
        assert [line[28:] for line in written] == [text for _, text in lines]

    def test_the_log_of_a_long_run_has_no_powers_of_ten(self, store, config):
        run = store.create(config(epochs=10_000), columns=held_by_us("cpu"))
        store.append(run.id, RunStarted(40_000, INFO))
        store.append(run.id, SettingChanged(20_000, 5_000.0, "tasks.a.loss_weight", 1.0, 2_000_000.0, True))
        store.append(run.id, EpochMetrics(40_000, 10_000, {"val/a/accuracy": 0.5, "selection/score": 54_321.0}))
        store.append(run.id, RunEnded("finished", 40_000, 10_000.0, 12.5, 4321.0))
        assert [line.text for line in store.log(run.id)][1:] == [
            "training starts on cpu: 40,000 steps",
            "step 20,000: tasks.a.loss_weight changed from 1 to 2,000,000 (as in the config)",
            "epoch 10,000: measured, score 54,321",
            "finished after 40,000 steps (10,000 epochs) in 4,321.0 s",
        ]

    def test_metrics_are_safe_when_append_returns(self, store, config, monkeypatch):
        monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 1e9)
        run = store.create(config(), columns=held_by_us("cpu"))
        store.append(run.id, StepScalars(1, 0.5, {"train/a/loss": 2.0}))
        assert len(store.scalars(run.id)) == 0  # waits for company
        store.append(run.id, EpochMetrics(1, 1, {"val/a/loss": 1.0}))
        assert list(self.opened_again(store).scalars(run.id)["key"]) == ["train/a/loss", "val/a/loss"]

    def test_what_a_constant_answer_reaches_joins_the_facts_and_stays(self, store, config):
        run = store.create(config(), columns=held_by_us("cpu"))
        facts = {"device": "cpu", "tasks": {"a": {"kind": "regression"}, "b": {"kind": "depth"}}}
        known = {"a": {"kind": "regression", "constant": 0.25}, "b": {"kind": "depth", "constant": None}}
        store.append(run.id, RunStarted(8, facts))
        assert store.get(run.id).info == facts
        store.append(run.id, EpochMetrics(2, 1, {"val/a/loss": 1.0}, {"a": 0.25, "b": None, "gone": 1.0}))
        store.append(run.id, EpochMetrics(4, 2, {"val/a/loss": 1.0}))
        assert store.get(run.id).info == facts | {"tasks": known}
        store.append(run.id, RunStarted(8, facts, step=4, epoch=2))  # resumed, and perhaps stopped before the next epoch's end
        assert store.get(run.id).info == facts | {"tasks": known}

    def test_the_first_two_points_are_stored_at_once(self, store, config, monkeypatch):
        """A line needs two points. Later ones wait for company."""
        monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 1e9)
        run = store.create(config(), columns=held_by_us("cpu"))
        stored = []
        for step in (1, 2, 3):
            store.append(run.id, StepScalars(step, step / 8, {"train/a/loss": 2.0}))
            stored.append(len(store.scalars(run.id)))
        assert stored == [0, 2, 2]

    def test_a_heartbeat_commits_what_waited_too_long(self, store, config, monkeypatch):
        monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 1e9)
        run = store.create(config(), columns=held_by_us("cpu"))
        store.append(run.id, StepScalars(1, 0.5, {"train/a/loss": 2.0}), run.holder)
        monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 0.0)
        assert heartbeat(store, run.id, run.holder)
        assert list(store.scalars(run.id)["value"]) == [2.0]

    def test_readers_get_only_what_is_new(self, store, config):
        run, other = store.create(config(), columns=held_by_us("cpu")), store.create(config(), columns=held_by_us("cuda"))
        store.append(run.id, EpochMetrics(1, 1, {"val/a/loss": 1.0, "val/b/loss": math.nan}))
        store.append(other.id, EpochMetrics(1, 1, {"val/a/loss": 9.0}))
        first = store.scalars(run.id)
        assert list(first.columns) == ["row", "step", "epoch", "key", "value", "wall_time"]
        assert list(first["key"]) == ["val/a/loss", "val/b/loss"]
        assert first["value"][0] == 1.0
        assert math.isnan(first["value"][1])
        assert (first["wall_time"] >= 0).all()
        store.append(run.id, EpochMetrics(2, 2, {"val/a/loss": 0.5}))
        new = store.scalars(run.id, after=int(first["row"].max()))
        assert new[["step", "epoch", "key", "value"]].values.tolist() == [[2, 2.0, "val/a/loss", 0.5]]
        assert len(store.scalars(run.id, after=int(new["row"].max()))) == 0

    def test_repeated_steps_replace_and_are_seen_as_new(self, store, config):
        run = store.create(config(), columns=held_by_us("cpu"))
        for step in (1, 2, 3):
            store.append(run.id, EpochMetrics(step, step, {"val/a/loss": float(step)}))
        seen = int(store.scalars(run.id)["row"].max())
        for step in (3, 2):  # the newest row first: its number must not be given out again
            store.append(run.id, EpochMetrics(step, step, {"val/a/loss": 10.0 * step}))
        assert store.scalars(run.id)[["step", "value"]].values.tolist() == [[1, 1.0], [3, 30.0], [2, 20.0]]
        assert list(store.scalars(run.id, after=seen)["value"]) == [30.0, 20.0]

    def test_summary_knows_best_last_and_direction(self, store, config):
        run = store.create(config(), columns=held_by_us("cpu"))
        store.append(run.id, RunStarted(9, INFO))
        values = [("val/a/accuracy", [0.2, 0.9, math.nan, 0.9, 0.5]), ("val/a/loss", [3.0, 1.0, math.inf, -math.inf, math.nan])]
        values += [("loss_weight/a", [1.0, 1.0, 1.0, 1.0, 1.0]), ("optimizer/loss", [5.0, 4.0, 3.0, 2.0, 1.0]), ("selection/score", [0.1] * 5)]
        for epoch in range(5):
            store.append(run.id, EpochMetrics(10 * epoch, epoch, {key: series[epoch] for key, series in values}))
        summary = store.summary(run.id)
        assert list(summary) == sorted(key for key, _ in values)
        assert summary["val/a/accuracy"] == {
            "best": 0.9,
            "last": 0.5,
            "chosen": 0.2,
            "best_epoch": 1,
            "higher_is_better": True,
            "title": "Accuracy",
            "unit": "%",
        }
        assert [summary["val/a/loss"][name] for name in ("best", "last", "best_epoch", "higher_is_better")] == [1.0, None, 1, False]
        assert [summary["loss_weight/a"][name] for name in ("best", "last", "best_epoch", "higher_is_better")] == [None, 1.0, None, None]
        assert [summary["optimizer/loss"][name] for name in ("best", "last", "best_epoch", "higher_is_better")] == [None, 1.0, None, None]
        assert [summary["selection/score"][name] for name in ("best", "last", "best_epoch", "higher_is_better")] == [0.1, 0.1, 0, True]
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary

    def test_nothing_but_nan_has_no_best(self, store, config):
        run = store.create(config(), columns=held_by_us("cpu"))
        store.append(run.id, EpochMetrics(1, 1, {"val/a/loss": math.nan}))
        assert store.summary(run.id)["val/a/loss"] == {
            "best": None,
            "last": None,
            "chosen": None,
            "best_epoch": None,
            "higher_is_better": False,
            "title": "Loss",
            "unit": "",
        }

    def test_stopping_a_queued_run_takes_it_out_at_once(self, store, config):
        run = store.create(config())
        assert actions.stop(store, run.id).status == "stopped"
        assert not claim(store, run.id, "cpu")

    def test_stopping_a_running_run_is_handed_out_once(self, store, config):
        run = store.create(config(), columns=held_by_us("cpu"))
        assert not take_controls(store, run.id)
        assert actions.stop(store, run.id).status == "stopping"
        actions.stop(store, run.id)  # a second click
        assert take_controls(store, run.id)
        assert not take_controls(store, run.id)

    def test_stopping_an_ended_run_changes_nothing(self, store, config):
        run = store.create(config(), columns=held_by_us("cpu"))
        store.append(run.id, RunEnded("finished", 1, 1.0, 1.0, 1.0))
        assert actions.stop(store, run.id).status == "finished"
        assert not take_controls(store, run.id)


class TestSQLiteStore(StoreContract):
    """The contract, on a file."""
