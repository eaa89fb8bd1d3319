"""The training loop, end to end on small data: determinism, stopping, going on, missing targets, failures."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mtl_core.config import RunConfig
from mtl_core.data.dataset import MultiTaskDataset, PreparedData
from mtl_core.errors import ConfigError, NonFiniteLossError, StoreError
from mtl_core.events import CheckpointSaved, Control, EpochMetrics, ProbesSaved, RunEnded, RunStarted, StepScalars
from mtl_core.training import build as build_module
from mtl_core.training import checkpoints
from mtl_core.training.checkpoint_files import find_checkpoint, named
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train

DIGITS = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "epochs": 3,
    "batch_size": 128,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 4,
    "device": "cpu",
}
SCENES = {
    **DIGITS,
    "data": {"name": "digit_scenes", "train_size": 48, "val_size": 8, "test_size": 8, "max_digits": 2, "image_size": 32},
    "tasks": {"present": {}, "count": {}, "boxes": {}, "segments": {}, "depth": {}, "count_class": {}},
    "backbone": {"name": "small_cnn", "width": 8},
    "augmentation": {"shift": 3, "brightness": 0.2, "contrast": 0.2},
    "epochs": 2,
    "batch_size": 16,
}


def config_of(values=None, **changes) -> RunConfig:
    return RunConfig.from_dict({**(values or DIGITS), **changes})


def run(config, folder, cache, control=None):
    folder.mkdir(exist_ok=True, parents=True)
    return list(train(config, folder, cache, control or Control()))


def scalars_of(events):
    """Everything a run measured, by step and key."""
    return {(event.step, key): value for event in events if isinstance(event, StepScalars | EpochMetrics) for key, value in event.scalars.items()}


def weights_of(folder, which="last"):
    return load_file(folder / "checkpoints" / checkpoints.read_index(folder)[which] / "model.safetensors")


def test_events_come_in_the_order_of_the_story(tmp_path, shared_cache):
    events = run(config_of(), tmp_path / "run", shared_cache)
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.steps_total == 3 * (1258 // 128)
    json.dumps(started.info)
    assert [event.epoch for event in events if isinstance(event, ProbesSaved)] == [0, 1, 2, 3]
    ends = [(type(event), event.epoch) for event in events if isinstance(event, EpochMetrics | CheckpointSaved)]
    assert ends[:2] == [(EpochMetrics, 1), (CheckpointSaved, 1)]  # committed before the checkpoint is published
    assert isinstance(events[-1], RunEnded)
    assert events[-1].status == "finished"
    assert {key.split("/")[0] for key in events[-2].scalars} == {"test"}
    assert len([event for event in events if isinstance(event, EpochMetrics) and any(key.startswith("test/") for key in event.scalars)]) == 1
    constants = [event.constants for event in events if isinstance(event, EpochMetrics)]
    assert list(constants[0]) == list(started.info["tasks"])  # the first steps do not wait for them
    assert constants[1:] == [{}] * 3
    best = [event for event in events if isinstance(event, CheckpointSaved) and event.best][-1]
    assert (events[-2].step, events[-2].epoch) == (best.step, best.epoch)


def test_same_config_and_seed_give_identical_numbers(tmp_path, shared_cache):
    """Every kind of task, every move of the pictures, and a method that draws. For the other methods see ``tests/balancing/test_runs.py``."""
    config = config_of(SCENES, balancing={"name": "pcgrad"}, epochs=1)
    first, second = (scalars_of(run(config, tmp_path / name, shared_cache)) for name in "ab")
    assert first == second
    assert all(math.isfinite(value) for value in first.values())


def test_another_seed_gives_other_numbers(tmp_path, shared_cache):
    first, second = (scalars_of(run(config_of(seed=seed, epochs=1), tmp_path / str(seed), shared_cache)) for seed in (0, 1))
    assert first != second


def test_every_task_kind_is_learnt_together(tmp_path, shared_cache):
    """A few dozen steps: every task's training loss falls. Few epochs, because each ends with an evaluation."""
    data = {**SCENES["data"], "train_size": 288}
    events = run(config_of(SCENES, data=data, epochs=2, batch_size=8, optimizer={"lr": 0.005}), tmp_path / "run", shared_cache)
    steps = [event.scalars for event in events if isinstance(event, StepScalars)]
    for task in SCENES["tasks"]:
        losses = [scalars[f"train/{task}/loss"] for scalars in steps]
        assert np.mean(losses[-6:]) < 0.9 * np.mean(losses[:6]), task


class StopAt(Control):
    """A control that asks to stop once it has been looked at so many times."""

    def __init__(self, looks: int):
        super().__init__()
        self.looks = looks

    @property
    def interrupted(self) -> bool:
        self.looks -= 1
        if self.looks < 0:
            self.stop_requested = True
        return super().interrupted


@pytest.mark.parametrize("balancer", ["dwa", "pcgrad"])
def test_a_stopped_run_goes_on_bit_by_bit(balancer, tmp_path, shared_cache):
    config = config_of(balancing={"name": balancer}, tasks={"digit": {}, "ink": {}, "slant": {}}, batch_size=64, epochs=2)
    whole = run(config, tmp_path / "whole", shared_cache)
    whole_weights = weights_of(tmp_path / "whole")
    for looks, steps in (
        (5, (1, 18)),
        (22, (19, 19)),
        (40, (20, 37)),
    ):  # in an epoch and a window of the curves, in its evaluation, in the next epoch
        folder = tmp_path / f"cut after {looks}"
        first = run(config, folder, shared_cache, StopAt(looks))
        assert first[-1].status == "stopped"
        assert steps[0] <= first[-1].step <= steps[1]
        second = run(config, folder, shared_cache)
        assert second[-1].status == "finished"
        assert scalars_of(first) | scalars_of(second) == scalars_of(whole), looks
        cut_weights = weights_of(folder)
        assert all(torch.equal(whole_weights[name], cut_weights[name]) for name in whole_weights), looks


def test_best_checkpoint_is_the_one_with_the_highest_score(tmp_path, shared_cache):
    events = run(config_of(tasks={"digit": {}, "ink": {}}, epochs=5, keep_checkpoints=0), tmp_path / "run", shared_cache)
    for task, key, pick in (("digit", "val/digit/accuracy", max), ("ink", "val/ink/mae", min)):  # the first of equals
        course = {event.epoch: event.scalars[key] for event in events if isinstance(event, EpochMetrics) and key in event.scalars}
        assert find_checkpoint(tmp_path / "run", f"best:{task}").epoch == pick(course, key=course.get)
    scores = {
        event.epoch: event.scalars["selection/score"] for event in events if isinstance(event, EpochMetrics) and "selection/score" in event.scalars
    }
    best = max(scores, key=scores.get)
    assert checkpoints.read_index(tmp_path / "run")["best"].startswith(f"epoch_{best:04d}_")
    there = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir() if path.is_dir()}
    assert there == named(checkpoints.read_index(tmp_path / "run"))


def test_effective_weights_are_recorded_with_the_configs_factor(tmp_path, shared_cache):
    config = config_of(tasks={"digit": {"loss_weight": 0.5}, "ink": {"loss_weight": 3}}, epochs=1)
    steps = [event.scalars for event in run(config, tmp_path / "run", shared_cache) if isinstance(event, StepScalars)]
    for scalars in steps:
        assert scalars["loss_weight/digit"] == pytest.approx(0.5)
        assert scalars["loss_weight/ink"] == pytest.approx(3)
        assert scalars["optimizer/loss"] == pytest.approx(0.5 * scalars["train/digit/loss"] + 3 * scalars["train/ink/loss"], rel=1e-5)


def test_a_loss_weight_of_zero_leaves_the_task_untrained(tmp_path, shared_cache):
    config = config_of(tasks={"digit": {}, "ink": {"loss_weight": 0}}, epochs=1, optimizer={"name": "sgd", "weight_decay": 0})
    run(config, tmp_path / "run", shared_cache)
    head = weights_of(tmp_path / "run")["heads.ink.linear.weight"]
    torch.manual_seed(config.seed)
    untouched = build_module.build(resolve(config), shared_cache).network.model.state_dict()["heads.ink.linear.weight"]
    assert torch.equal(head, untouched)


def test_missing_targets_count_for_nothing(tmp_path, shared_cache, monkeypatch):
    """Ink known for every tenth image only and NaN elsewhere: nothing becomes NaN, and a step without any has no loss of it."""
    prepare = build_module.prepare

    def with_gaps(source, cache, progress):
        data = prepare(source, cache, progress)
        return PreparedData(*(_with_gaps(split) for split in (data.train, data.val, data.test)), data.tasks, data.statistics)

    monkeypatch.setattr(build_module, "prepare", with_gaps)
    events = run(config_of(epochs=1, batch_size=4), tmp_path / "run", shared_cache)
    assert all(math.isfinite(value) for value in scalars_of(events).values())
    steps = [event.scalars for event in events if isinstance(event, StepScalars)]
    assert any("train/ink/loss" not in scalars for scalars in steps)
    assert any("train/ink/loss" in scalars for scalars in steps)
    val = next(event.scalars for event in events if isinstance(event, EpochMetrics))
    assert val["val/ink/mae"] < 1


def test_batches_without_any_target_teach_nothing_and_break_nothing(tmp_path, shared_cache, monkeypatch):
    prepare = build_module.prepare

    def with_gaps(source, cache, progress):
        data = prepare(source, cache, progress)
        return PreparedData(*(_with_gaps(split) for split in (data.train, data.val, data.test)), data.tasks, data.statistics)

    monkeypatch.setattr(build_module, "prepare", with_gaps)
    for balancer in ("fixed", "uncertainty", "dwa", "pcgrad"):
        config = config_of(epochs=1, batch_size=8, tasks={"ink": {}}, balancing={"name": balancer})
        events = run(config, tmp_path / balancer, shared_cache)
        assert events[-1].status == "finished"
        assert all(math.isfinite(value) for value in scalars_of(events).values())


def test_a_task_without_loss_weight_does_no_harm_under_any_balancer(tmp_path, shared_cache):
    for balancer in ("fixed", "uncertainty", "dwa", "pcgrad"):
        config = config_of(tasks={"digit": {}, "ink": {"loss_weight": 0}}, balancing={"name": balancer}, epochs=4)
        assert all(math.isfinite(value) for value in scalars_of(run(config, tmp_path / balancer, shared_cache)).values())


def test_a_single_validation_image_is_enough(tmp_path, shared_cache):
    values = {**SCENES, "data": {"name": "digit_scenes", "train_size": 32, "val_size": 1, "test_size": 1, "max_digits": 1}}
    scalars = scalars_of(run(config_of(values, epochs=1, batch_size=32), tmp_path / "run", shared_cache))
    assert (1, "val/count/mae") in scalars  # one batch an epoch
    assert not any(key == "val/count/r2" for _, key in scalars)  # not defined for one image


def _with_gaps(split: MultiTaskDataset) -> MultiTaskDataset:
    known = np.arange(len(split)) % 10 == 0
    ink = np.where(known, split.targets["ink"], np.float32(np.nan)).astype(np.float32)
    return MultiTaskDataset(split.images, {**split.targets, "ink": ink}, {**split.labelled, "ink": known})


def test_a_loss_that_is_not_finite_names_task_and_step(tmp_path, shared_cache):
    config = config_of(optimizer={"name": "sgd", "lr": 10}, tasks={"ink": {}}, schedule={"name": "constant", "warmup_fraction": 0})
    config = RunConfig.from_stored({**config.to_dict(), "tasks": {"ink": {"loss_weight": 1e30}}})  # a run from before loss weights had a bound
    folder = tmp_path / "run"
    with pytest.raises(NonFiniteLossError) as caught:
        run(config, folder, shared_cache)
    assert caught.value.task in ("ink", "")
    assert 1 <= caught.value.step < 20
    assert "optimizer.lr" in str(caught.value)


def test_impossible_configs_leave_nothing_behind(tmp_path, shared_cache):
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(ConfigError, match="has no task 'digits'"):
        list(train(config_of(tasks={"digits": {}}), folder, shared_cache, Control()))
    assert list(folder.iterdir()) == []


def test_the_folder_is_made_and_may_be_a_text(tmp_path, shared_cache):
    events = list(train(config_of(epochs=1), str(tmp_path / "runs" / "first"), str(shared_cache), Control()))
    assert events[-1].status == "finished"
    assert (tmp_path / "runs" / "first" / "checkpoints").is_dir()
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        with pytest.raises(StoreError, match=f"the run's folder '.*{place}' cannot be made: .*Give the path of a folder"):
            train(config_of(), tmp_path / place, shared_cache, Control())


def test_probes_say_which_images_of_val_they_are(tmp_path, shared_cache):
    run(config_of(epochs=1), tmp_path / "run", shared_cache)
    val = build_module.build(resolve(config_of()), shared_cache).run.data.val
    with np.load(tmp_path / "run" / "probes" / "targets.npz", allow_pickle=False) as targets:
        assert (targets["images"][..., 0] == val.images[targets["index"], 0]).all()


def test_probes_hold_predictions_beside_targets(tmp_path, shared_cache):
    run(config_of(SCENES, epochs=1), tmp_path / "run", shared_cache)
    with np.load(tmp_path / "run" / "probes" / "targets.npz", allow_pickle=False) as targets:
        assert targets["images"].shape == (4, 32, 32, 3)
        names = {name.removeprefix("target/") for name in targets.files if name.startswith("target/")}
    with np.load(tmp_path / "run" / "probes" / "epoch_0001.npz", allow_pickle=False) as predictions:
        assert set(predictions.files) - {"candidates/boxes"} == names == set(SCENES["tasks"])
        assert "candidates/boxes" in predictions.files
        assert predictions["segments"].shape == (4, 32, 32)
        assert predictions["boxes"].shape[::2] == (4, 6)


def test_a_checkpoint_torn_while_it_is_written_is_never_used(tmp_path, shared_cache, monkeypatch):
    config = config_of()
    first = run(config, tmp_path / "run", shared_cache, StopAt(25))
    before = checkpoints.read_index(tmp_path / "run")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        run(config, tmp_path / "run", shared_cache)
    monkeypatch.undo()
    assert checkpoints.read_index(tmp_path / "run") == before
    second = run(config, tmp_path / "run", shared_cache)
    assert scalars_of(first) | scalars_of(second) == scalars_of(run(config, tmp_path / "whole", shared_cache))


def test_a_stop_while_the_data_are_prepared_leaves_no_half_of_them(tmp_path):
    events = run(config_of(SCENES), tmp_path / "run", tmp_path / "cache", StopAt(2))
    assert [type(event).__name__ for event in events] == ["Message", "RunEnded"]
    assert events[-1].status == "stopped"
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
