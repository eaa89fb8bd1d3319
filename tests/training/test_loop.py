"""The loop against one written by hand with torch's own scheduler; and its parts: resolved once, timed alone, nothing filled in later."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch.optim.lr_scheduler import LambdaLR

from mtl_core import data as data_sources
from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.config_sections import ScheduleConfig
from mtl_core.events import Control, EpochMetrics, Paused, Resumed, RunEnded, StepScalars
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training import UPDATES, trainer
from mtl_core.training.build import build
from mtl_core.training.checkpoint_files import read_index, sha256
from mtl_core.training.live_changes import Changes
from mtl_core.training.losses import separate_losses
from mtl_core.training.optimizers import LearningRate, make_optimizer, schedule_of
from mtl_core.training.parts import resolve
from mtl_core.training.step import JointStep
from mtl_core.training.trainer import Outcome, train

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {"loss_weight": 0.5}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "epochs": 2,
    "batch_size": 128,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 2,
    "device": "cpu",
}
OWN = {"digit": {"optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9}}, "ink": {}}


SCHEDULES = [{"name": "cosine", "warmup_fraction": 0.3}, {"name": "constant", "warmup_fraction": 0.0}]


def config_of(**changes):
    return RunConfig.from_dict({**CONFIG, **changes})


def run(config, folder, cache, control=None):
    folder.mkdir(exist_ok=True)
    return list(train(config, folder, cache, control or Control()))


def scalars_of(events):
    return {(event.step, key): value for event in events if isinstance(event, StepScalars | EpochMetrics) for key, value in event.scalars.items()}


def weights_of(folder):
    return load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors")


def by_hand(config, cache):
    """The losses' weighted sum, one optimizer and torch's LambdaLR; weights and learning rates."""
    setup = build(resolve(config), cache)
    model = setup.network.model.train()
    model.watch_features = None
    optimizer = make_optimizer(config.optimizer, list(model.parameters()))
    scheduler = LambdaLR(optimizer, schedule_of(config.schedule, config.epochs * setup.run.steps_per_epoch))
    rates = []
    for epoch in range(config.epochs):
        for batch in setup.run.train_batches.epoch(epoch):
            losses, _ = separate_losses(setup.run.kinds, model(batch.images), batch, setup.run.complete)
            optimizer.zero_grad()
            sum(loss * config.tasks[name].loss_weight for name, loss in zip(setup.run.kinds, losses, strict=True)).backward()
            rates.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
    return model.state_dict(), rates


@pytest.mark.parametrize(
    "schedule", [{"name": "cosine", "warmup_fraction": 0.3}, {"name": "constant", "warmup_fraction": 0.0}], ids=lambda s: s["name"]
)
@pytest.mark.parametrize("optimizer", [{"name": "adamw"}, {"name": "sgd", "lr": 0.05, "momentum": 0.9}], ids=lambda o: o["name"])
def test_the_loop_is_the_one_that_is_written_by_hand_bit_by_bit(schedule, optimizer, tmp_path, shared_cache):
    config = config_of(schedule=schedule, optimizer=optimizer)
    events = run(config, tmp_path / "run", shared_cache)
    weights, rates = by_hand(config, shared_cache)
    found = weights_of(tmp_path / "run")
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert [event.scalars["optimizer/lr"] for event in events if isinstance(event, StepScalars)] == rates


@pytest.mark.parametrize("name", ["cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5])
def test_a_learning_rate_is_a_function_of_its_step_alone(name, warmup):
    """As torch's LambdaLR has it when it is moved step by step; asked for in any order."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    factor = schedule_of(ScheduleConfig(name=name, warmup_fraction=warmup), 40)
    scheduler, rates = LambdaLR(optimizer, factor), []
    for _ in range(45):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    rate = LearningRate(factor, 0.3)
    assert [rate.at(number) for number in range(45, 0, -1)] == rates[::-1]
    for number in (7, 3, 40):
        rate.use(optimizer, number)
        assert optimizer.param_groups[0]["lr"] == rates[number - 1]


def with_scheduler(folder):
    """Rewrite a run's newest checkpoint as versions with torch's scheduler wrote it: its groups keep where the schedule began and stands."""
    path = folder / "checkpoints" / read_index(folder)["last"]
    meta, state = json.loads((path / "meta.json").read_text()), torch.load(path / "state.pt", weights_only=True)
    for group in state["optimizer"]["param_groups"]:
        group |= {"initial_lr": group["lr"], "lr": 123.0}
    step = meta["position"]["step"]
    state["scheduler"] = {"base_lrs": [0.5], "last_epoch": step, "_step_count": step + 1, "_last_lr": [123.0], "lr_lambdas": [None]}
    torch.save(state, path / "state.pt")
    meta["sha256"]["state.pt"] = sha256(path / "state.pt")
    (path / "meta.json").write_text(json.dumps(meta))


class StopAt(Control):
    """Asks to stop, or to pause, when it has been looked at so many times. A pause is taken back when it is waited for, or at once."""

    def __init__(self, looks, pause="", then_stop=False):
        super().__init__()
        self.looks, self.kind, self.then_stop = looks, pause, then_stop

    @property
    def interrupted(self):
        self.looks -= 1
        if self.looks == 0:
            self.pause() if self.kind else self.stop()
        interrupted = super().interrupted
        if self.looks == 0 and self.kind == "taken back at once":
            self.proceed()
        return interrupted

    def wait_while_paused(self, proceeds):
        self.stop() if self.then_stop else self.proceed()
        super().wait_while_paused(proceeds)


@pytest.mark.parametrize("tasks", [CONFIG["tasks"], OWN], ids=["one optimizer", "own optimizers"])
def test_a_checkpoint_of_a_version_with_a_scheduler_goes_on_bit_by_bit(tasks, tmp_path, shared_cache):
    config = config_of(tasks=tasks, changes=[{"step": 3, "key": "optimizer.lr", "value": 0.01}])
    whole = scalars_of(run(config, tmp_path / "whole", shared_cache))
    first = run(config, tmp_path / "cut", shared_cache, StopAt(7))
    assert (first[-1].status, first[-1].step) == ("stopped", 5)
    with_scheduler(tmp_path / "cut")
    assert scalars_of(first) | scalars_of(run(config, tmp_path / "cut", shared_cache)) == whole
    ours, theirs = weights_of(tmp_path / "cut"), weights_of(tmp_path / "whole")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("looks", [4, 13], ids=["in an epoch", "in its evaluation"])
@pytest.mark.parametrize("kind", ["waited for", "taken back at once"])
def test_a_pause_changes_no_number(kind, looks, tmp_path, shared_cache):
    config = config_of()
    whole = scalars_of(run(config, tmp_path / "whole", shared_cache))
    events = run(config, tmp_path / "paused", shared_cache, StopAt(looks, kind))
    assert [type(event) for event in events if isinstance(event, Paused | Resumed)] == [Paused, Resumed]
    assert (events[-1].status, scalars_of(events)) == ("finished", whole)


def test_a_run_that_is_stopped_while_it_pauses_ends_where_it_stands(tmp_path, shared_cache):
    events = run(config_of(), tmp_path / "run", shared_cache, StopAt(4, "waited for", then_stop=True))
    assert [type(event) for event in events if isinstance(event, Paused | Resumed)] == [Paused]
    assert (events[-1].status, events[-1].step) == ("stopped", 2)


def outcome_of(setup, control):
    steps = trainer._train_epoch(setup, Changes(setup.run.config, setup.network, 0), control)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_an_epoch_says_how_it_ended(shared_cache):
    setup = build(resolve(config_of()), shared_cache)
    assert outcome_of(setup, StopAt(3, "taken back at once")) is Outcome.PAUSED  # its steps are undone all the same
    assert setup.progress.position.step == 2
    assert outcome_of(setup, StopAt(2)) is Outcome.STOPPED
    assert setup.progress.position.step == 3
    assert outcome_of(setup, Control()) is Outcome.DONE
    assert setup.progress.position.step == setup.run.steps_per_epoch


def test_the_pace_is_that_of_the_steps_whatever_the_consumer_does_meanwhile(tmp_path, shared_cache, monkeypatch):
    """On a clock that a step moves by half a second, and the consumer of each event by a thousand."""
    clock, call = SimpleNamespace(now=0.0), JointStep.__call__

    def step(self, batch, number):
        clock.now += 0.5
        return call(self, batch, number)

    monkeypatch.setattr(JointStep, "__call__", step)
    monkeypatch.setattr(trainer.time, "perf_counter", lambda: clock.now)
    for event in train(config_of(), tmp_path, shared_cache, Control()):
        if not isinstance(event, RunEnded):
            clock.now += 1000.0
    assert event.steps_per_second == 2.0
    assert event.seconds > 1000.0


def test_a_config_is_resolved_once(tmp_path, shared_cache, monkeypatch):
    """Each part is looked up once on the way through a run. (The estimate of memory, and what is remembered of it, is another matter.)"""
    monkeypatch.setenv("MTL_MEMORY_CHECK", "off")
    seen, load, opened = Counter(), type(BACKBONES).load, data_sources.DATA_SOURCES
    watched = {id(BACKBONES): "backbone", id(BALANCERS): "balancing", id(SHARING_SCHEMES): "sharing", id(UPDATES): "update", id(opened): "data"}

    def counted(self, *arguments):
        seen[watched.get(id(self), "others")] += 1
        return load(self, *arguments)

    monkeypatch.setattr(type(BACKBONES), "load", counted)
    run(config_of(epochs=1), tmp_path / "run", shared_cache)
    assert {part: seen[part] for part in watched.values()} == dict.fromkeys(watched.values(), 1)


def test_nothing_of_a_setup_is_filled_in_later(shared_cache):
    setup = build(resolve(config_of()), shared_cache)
    for part in (setup, setup.run, setup.network, setup.progress):
        for name in vars(part):
            with pytest.raises(FrozenInstanceError):
                setattr(part, name, None)
