"""Batches whose parts pass through the network one after another, against whole batches."""

from __future__ import annotations

import math
import weakref

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.config_fingerprint import fingerprint
from mtl_core.data.batches import Batch, image_rows, part_of, parts_of
from mtl_core.events import Control, StepScalars
from mtl_core.training import UPDATES
from mtl_core.training.before_training import memory
from mtl_core.training.build import build
from mtl_core.training.check import problems
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.execution import Execution
from mtl_core.training.losses_in_parts import losses_of
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train
from tests.training import rank_pair
from tests.training.test_several_devices import assert_close


def goes_by_blocks(config: RunConfig) -> bool:
    """Whether its gradients are taken block by block, which is refused with ``accumulate`` (``tests/balancing/test_blocks.py``)."""
    return config.balancing.model_dump().get("gradients") == "blocks"


# Rounding differs: one sum over a batch is taken in parts. Without normalisation three steps enlarge it.
CLOSE = {"rtol": 1e-3, "atol": 1e-4}
WHOLE = {name: config for name, config in rank_pair.cases().items() if config.accumulate == 1 and not goes_by_blocks(config)}
MORE = {
    "mixup": {"augmentation": {"mixup": 0.4}},
    "mixup, method at the features": {"augmentation": {"mixup": 0.4}, "balancing": {"name": "cagrad", "gradients": "features"}},
    "task vectors": {"update": {"name": "task_vectors", "local_steps": 2}},
    "frozen stages": {**rank_pair.MAPS, "backbone": {"name": "small_cnn", "width": 8, "freeze": "stages", "freeze_stages": 2}},
    "frozen backbone, method at the features": {
        **rank_pair.MAPS,
        "backbone": {"name": "small_cnn", "width": 8, "freeze": "all"},
        "balancing": {"name": "mgda", "gradients": "features"},
    },
    "a frozen head": {"tasks": {"present": {"frozen": True}, "count": {"label_fraction": 0.2}}},
    "a task of loss weight 0, and one that begins later": {
        "tasks": {"present": {}, "count": {"loss_weight": 0.0}, "count_class": {"start_epoch": 2}},
        "balancing": {"name": "upgrad"},
    },
    "views, method at the features": {
        "tasks": {"present": {}, "rotation": {}, "reconstruction": {}},
        "backbone": {"name": "small_cnn", "width": 8},
        "balancing": {"name": "graddrop", "gradients": "features"},
    },
}
SLOWLY = {"optimizer": {"name": "sgd", "lr": 0.01}}  # without normalisation larger steps make rounding errors grow
WHOLE["self-supervised"] = RunConfig.from_dict({**rank_pair.CONFIG, **rank_pair.SPECIAL["self-supervised"], **SLOWLY})
CASES = WHOLE | {name: RunConfig.from_dict({**rank_pair.CONFIG, **changes}) for name, changes in MORE.items()}


def in_parts(config: RunConfig, parts: int = 2) -> RunConfig:
    return config.model_copy(update={"accumulate": parts})


def test_every_method_and_every_update_is_compared():
    assert {config.balancing.name for config in CASES.values()} == set(BALANCERS)
    assert {config.update.name for config in CASES.values()} == set(UPDATES)


@pytest.mark.parametrize("case", CASES)
def test_the_steps_are_those_of_whole_batches(case, shared_cache):
    """Batch normalisation is switched to its running means: it looks at a part, which the next test is about."""
    steps = 2 if CASES[case].backbone.name == "small_cnn" else rank_pair.STEPS  # maps take ten times as long
    whole = rank_pair.steps_alone(CASES[case], shared_cache, is_normalising=False, steps=steps)
    parted = rank_pair.steps_of(in_parts(CASES[case], 4 if case == "fixed" else 2), shared_cache, is_normalising=False, steps=steps)
    for number, (one, two) in enumerate(zip(whole, parted, strict=True), start=1):
        assert torch.equal(one["images"], two["images"])
        for what in ("losses", "present", "combined", "coefficients", "extras", "network", "method"):
            assert_close(one[what], two[what], f"{case}, step {number}, {what}", CLOSE)


def test_batch_normalisation_looks_at_a_part(shared_cache):
    config = WHOLE["normalisation"]
    [whole], [parted] = (rank_pair.steps_of(each, shared_cache, steps=1) for each in (config, in_parts(config)))
    counts = [{name: int(value) for name, value in found["network"].items() if name.endswith("num_batches_tracked")} for found in (whole, parted)]
    assert set(counts[0].values()) == {1}
    assert set(counts[1].values()) == {2}  # not 4: what is computed again leaves running means alone
    assert not torch.allclose(whole["losses"], parted["losses"])


def test_some_tasks_have_labels_in_one_part_only(shared_cache):
    """Else the cases would not show that presence is that of the whole batch."""
    setup = build(resolve(WHOLE["fixed"]), shared_cache)
    seen = [batch.labelled for batch, _ in zip(setup.run.train_batches.epoch(0), range(rank_pair.STEPS), strict=False)]
    assert any(bool(flags[:4].any()) != bool(flags[4:].any()) for labelled in seen for flags in labelled.values())


@pytest.mark.parametrize("balancing", [{"name": "fixed"}, {"name": "mgda"}, {"name": "mgda", "gradients": "features"}])
def test_one_part_is_in_memory(balancing, shared_cache):
    config = in_parts(RunConfig.from_dict({**rank_pair.CONFIG, **rank_pair.MAPS, "balancing": balancing}), 4)
    setup = build(resolve(config), shared_cache)
    model, made, alive = setup.network.model.train(), [], []
    stage = next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d))

    def note(module, inputs, output):
        alive.append(sum(each() is not None for each in made))
        made.append(weakref.ref(output))
        assert len(output) == 2

    stage.register_forward_hook(note)
    losses, _ = losses_of(setup.run, setup.network, next(iter(setup.run.train_batches.epoch(0))))
    assert len(made) == 4
    assert all(each() is None for each in made)
    torch.autograd.grad(losses[0], [parameter for parameter in model.parameters() if parameter.requires_grad], allow_unused=True)
    assert max(alive) == 0


def test_the_estimate_of_memory_counts_one_part():
    config = RunConfig.from_dict({**rank_pair.CONFIG, **rank_pair.MAPS, "batch_size": 64})
    whole, parted = (memory.estimate(resolve(each)) for each in (config, in_parts(config, 4)))
    assert parted.per_image == pytest.approx(whole.per_image / 4 + 4 * math.prod(resolve(config).source.image_shape()))  # images in fp32
    assert parted.fixed == whole.fixed


def test_a_batch_divides_into_all_of_its_rows():
    assert parts_of(8, 4) == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    assert parts_of(7, 3) == [slice(0, 3), slice(3, 5), slice(5, 7)]
    assert parts_of(2, 3) == [slice(0, 1), slice(1, 2)]
    views = {"one": slice(0, 4), "two": slice(4, 12)}  # the images, and two views of each
    batch = Batch(torch.arange(12.0), {"made": torch.arange(8)}, {}, torch.arange(4), parts=views)
    part = part_of(batch, slice(2, 4))
    assert part.images.tolist() == [2, 3, 6, 7, 10, 11] == image_rows(batch, slice(2, 4)).tolist()
    assert part.targets["made"].tolist() == [2, 3, 6, 7]
    assert part.parts == {"one": slice(0, 2), "two": slice(2, 6)}
    assert part.index.tolist() == [2, 3]


def trained(config: RunConfig, folder, cache, stop: int = 0):
    folder.mkdir(exist_ok=True)
    control, rates = Control(), {}
    for event in train(config, folder, cache, control):
        if isinstance(event, StepScalars):
            rates[event.step] = event.scalars["optimizer/lr"]
            if event.step == stop:
                control.stop()
    return rates


def test_a_resumed_run_ends_the_same_and_steps_are_updates(tmp_path, shared_cache):
    few = {"tasks": {"present": {}, "segments": {}}, "epochs": 2, "schedule": {"name": "cosine", "warmup_fraction": 0.2}}
    config = in_parts(RunConfig.from_dict({**rank_pair.RUN, **few}))
    rates = trained(config, tmp_path / "whole", shared_cache)
    assert max(rates) == config.epochs * 64 // config.batch_size  # steps are updates, of which each takes batch_size images
    trained(config, tmp_path / "stopped", shared_cache, stop=11)
    assert trained(config, tmp_path / "stopped", shared_cache).items() <= rates.items()
    last = read_index(tmp_path / "whole")["last"]
    one, two = (load_file(tmp_path / run / "checkpoints" / last / "model.safetensors") for run in ("whole", "stopped"))
    assert all(torch.equal(tensor, two[key]) for key, tensor in one.items())


@pytest.mark.parametrize(("parts", "at_most"), [(1, 8), (2, 4)])
def test_precision_and_layout_are_timed_on_the_first_images_of_a_mixed_batch(parts, at_most, shared_cache, monkeypatch):
    """Mixup names partners among all images of the batch, of which a timed step has a few only."""
    offered, seen = [], []

    def choose(config, device, model, step_on, images, memory):
        offered.append(images)
        with model.register_forward_pre_hook(lambda module, given: seen.append(len(given[0]))):
            step_on(3)(model, Execution(device, "fp32", "contiguous"))
        return Execution(device, "fp32", "contiguous")

    monkeypatch.setattr("mtl_core.training.build.choose", choose)
    build(resolve(in_parts(CASES["mixup"].model_copy(update={"precision": "auto"}), parts)), shared_cache)
    assert (offered, seen) == ([at_most], [3])


def test_what_cannot_be_divided_is_refused_in_words():
    def found(**changes):
        return {problem.field: problem.message for problem in problems(RunConfig.from_dict({**rank_pair.CONFIG, **changes}))}

    assert found(accumulate=4) == {}
    assert found(accumulate=3)["accumulate"] == (
        "8 images cannot be divided into 3 equal parts; choose a batch_size of 6 or 9, or another number of parts"
    )
    assert found(accumulate=16)["accumulate"].startswith("8 images cannot be divided into 16 equal parts; choose a batch_size of 16")
    assert "would be in different parts" in found(accumulate=2, tasks={"present": {}, "contrastive": {}})["tasks.contrastive"]
    assert found(accumulate=8, devices=2)["accumulate"].startswith("8 images cannot be divided into 8 equal parts on each of 2 devices")


def test_an_update_that_takes_whole_batches_is_refused(monkeypatch):
    monkeypatch.delattr(UPDATES.load("joint"), "accumulates")
    [problem] = problems(RunConfig.from_dict({**rank_pair.CONFIG, "accumulate": 2}))
    assert (problem.field, problem.message) == (
        "update.name",
        "'joint' takes a batch through the network as a whole. Take another update, or set accumulate to 1",
    )


def test_the_default_has_the_fingerprint_of_earlier_versions(monkeypatch):
    config = RunConfig.from_dict(rank_pair.CONFIG)
    earlier = {key: value for key, value in config.to_dict().items() if key != "accumulate"}
    now, parted = fingerprint(config), fingerprint(in_parts(config))
    monkeypatch.setattr(RunConfig, "to_dict", lambda self: earlier)
    assert fingerprint(config) == now != parted
