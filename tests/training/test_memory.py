"""A run that does not fit into memory is refused in words: by the check, by the command line and at the beginning of a run."""

from __future__ import annotations

import weakref

import pytest
import torch

from mtl_core.__main__ import main
from mtl_core.balancing import BALANCERS, task_gradients
from mtl_core.balancing.balancer import GradientAggregator
from mtl_core.balancing.task_gradients import TaskGradients
from mtl_core.config import RunConfig
from mtl_core.data import open_source
from mtl_core.errors import NotEnoughMemoryError
from mtl_core.events import Control
from mtl_core.machine import free_memory
from mtl_core.presets import load_presets
from mtl_core.runs.failures import failure_of
from mtl_core.training import conflict_probe
from mtl_core.training.before_training import memory
from mtl_core.training.build import build
from mtl_core.training.check import problems
from mtl_core.training.parts import network_parts, resolve
from mtl_core.training.trainer import train

GB = 10**9
DIGITS = {
    **{"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {}}, "backbone": {"name": "mlp", "hidden": [30, 20]}, "device": "cpu"},
    **{"precision": "fp32", "layout": "contiguous", "conflict_every": 0, "batch_size": 50},
}
SCENES = {"data": {"name": "digit_scenes"}, "tasks": {"segments": {}, "count": {}}, "backbone": {"name": "small_cnn"}, "device": "cpu"}
HUGE = {**SCENES, "data": {"name": "digit_scenes", "image_size": 128}, "backbone": {"name": "small_cnn", "width": 256}, "batch_size": 3000}
SHARED = 4 * (64 * 30 + 30 + 30 * 20 + 20)  # bytes
HEADS = 4 * (20 * 10 + 10 + 20 + 1)


@pytest.fixture
def free(monkeypatch):
    def set_to(count, returning=0):
        monkeypatch.setattr(free_memory, "free_bytes", lambda: count)
        monkeypatch.setattr(free_memory, "returning_bytes", lambda: returning)

    set_to(16 * GB)
    return set_to


def estimated(**changes) -> memory.Estimate:
    config = RunConfig.from_dict({**DIGITS, **changes})
    return memory.estimate(resolve(config))


def sizes_of(config: RunConfig) -> memory.NetworkSizes:
    return memory.network_sizes(config, network_parts(config), open_source(config.data))


def test_the_parts_of_an_estimate():
    fixed = memory.WORKSPACE + 2 * (SHARED + HEADS)
    assert estimated(optimizer={"name": "sgd", "momentum": 0}).fixed == fixed
    assert estimated(optimizer={"name": "sgd"}).fixed == fixed + SHARED + HEADS
    assert estimated().fixed == fixed + 2 * (SHARED + HEADS)
    assert estimated(balancing={"name": "pcgrad"}).jacobian == 4 * SHARED
    assert estimated(balancing={"name": "mgda"}).jacobian == 4 * SHARED
    assert estimated(balancing={"name": "graddrop"}).jacobian == 6 * SHARED
    assert estimated(balancing={"name": "moco"}).jacobian == 8 * SHARED
    assert estimated(balancing={"name": "pcgrad", "gradients": "features"}).jacobian == 0
    assert (
        estimated(balancing={"name": "pcgrad", "gradients": "blocks"}).jacobian == 3 * 4 * 64 * 30
    )  # the first layer's weights are most of the network
    assert estimated(update={"name": "task_vectors"}).jacobian == 5 * SHARED
    assert estimated(conflict_every=5).jacobian == 3 * SHARED
    assert estimated(precision="auto", optimizer={"name": "sgd"}).fixed == fixed + 2 * (SHARED + HEADS)
    kept = 4 * (64 + 30 + 20)  # the flattened image is the image; each ReLU's result is the next layer's input, and both heads read the last one
    sizes = sizes_of(RunConfig.from_dict(DIGITS))
    assert (sizes.shared, sizes.own, sizes.outputs, sizes.features) == (SHARED, (4 * 210, 4 * 21), 4 * 11, 4 * 20)
    assert kept - 4 * 64 <= sizes.kept <= kept


@pytest.mark.parametrize(
    ("changes", "place"),
    [({"conflict_every": 1}, (conflict_probe, "shared_gradients")), ({"balancing": {"name": "mgda"}}, (task_gradients, "_gradients"))],
)
def test_one_tasks_gradients_at_a_time_are_in_memory_beside_the_jacobian(changes, place, monkeypatch, shared_cache):
    tasks = {"digit": {}, "ink": {}, "slant": {}}
    setup = build(resolve(RunConfig.from_dict({**DIGITS, "tasks": tasks, **changes})), shared_cache)
    count = len(setup.network.model.shared_parameters())
    compute, alive = getattr(*place), []

    def computed(*arguments, **options):
        assert not any(gradient() is not None for gradient in alive)
        found = compute(*arguments, **options)
        alive.extend(weakref.ref(gradient) for gradient in found[:count])
        return found

    monkeypatch.setattr(*place, computed)
    setup.network.model.train()
    setup.update(next(iter(setup.run.train_batches.epoch(0))), 1)
    assert len(alive) == len(tasks) * count


def test_views_of_self_supervised_tasks_are_counted():
    plain = sizes_of(config := RunConfig.from_dict(SCENES))
    config = RunConfig.from_dict({**SCENES, "tasks": {**SCENES["tasks"], "contrastive": {}}})
    assert sizes_of(config).features == 3 * plain.features  # two views beside the image itself


@pytest.mark.parametrize("name", [name for name in BALANCERS if issubclass(BALANCERS.load(name), GradientAggregator)])
def test_a_method_says_how_many_jacobians_it_remembers(name):
    method = BALANCERS.load(name)
    balancer = method(method.Options(), 3)
    for _ in range(2):
        jacobian = torch.rand(3, 7)
        balancer.aggregate(TaskGradients(jacobian, jacobian @ jacobian.T, torch.ones(3), torch.arange(3), [[], [], []]))
    tensors = [value for value in [*balancer.memory.values(), *balancer.buffers()] if isinstance(value, torch.Tensor)]
    assert sum(tensor.numel() for tensor in tensors if tensor.numel() >= 21) == 21 * method.jacobians_kept


def test_what_does_not_fit_is_refused_with_what_to_change(free, monkeypatch):
    config = RunConfig.from_dict(HUGE | {"data": {**HUGE["data"], "train_size": 5000}})
    [problem] = problems(config)
    assert problem.field == "batch_size"
    assert "16 GB is free: lower batch_size to about " in problem.message
    assert all(word in problem.message for word in ("data.preprocessing.resize", "backbone.width", "MTL_MEMORY_CHECK=off"))
    largest = int(problem.message.split("lower batch_size to about ")[1].split(",")[0])
    assert problems(config.model_copy(update={"batch_size": largest})) == []
    assert problems(config.model_copy(update={"batch_size": largest + 1})) != []
    free(16 * GB, returning=900 * GB)  # the run before it gives that back
    assert problems(config) == []
    free(10**6)
    [problem] = problems(config)
    assert (problem.field, "no batch_size is low enough" in problem.message) == ("backbone", True)
    monkeypatch.setenv("MTL_MEMORY_CHECK", "off")
    assert problems(config) == []


MANY = {**DIGITS, "tasks": {**DIGITS["tasks"], "slant": {}}, "backbone": {"name": "mlp", "hidden": [2000] * 6}, "batch_size": 8}


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"balancing": {"name": "mgda"}}, {"balancing": {"name": "mgda", "gradients": "blocks"}}),
        ({"balancing": {"name": "cagrad", "c": 0.2}}, {"balancing": {"name": "cagrad", "c": 0.2, "gradients": "blocks"}}),
        ({"balancing": {"name": "mgda"}, "conflict_every": 5}, {"balancing": {"name": "mgda", "gradients": "blocks"}}),
        ({"balancing": {"name": "graddrop"}}, {"balancing": {"name": "fixed"}}),
        ({"balancing": {"name": "graddrop"}, "conflict_every": 5}, {"balancing": {"name": "fixed"}, "conflict_every": 0}),
        ({"balancing": {"name": "mgda"}, "accumulate": 2}, {"balancing": {"name": "fixed"}}),
        ({"update": {"name": "task_vectors"}}, {"update": {"name": "joint"}}),
        ({"conflict_every": 5}, {"conflict_every": 0}),
        ({"affinity_every": 5, "optimizer": {"name": "sgd"}}, {"affinity_every": 0}),
    ],
)
def test_what_keeps_gradients_of_each_task_is_named_with_what_saves_them(free, changes, cure):
    """The setting that the refusal proposes saves what it says; a method that can work block by block stays."""
    before, after = estimated(**MANY | changes).total(8), estimated(**MANY | changes | cure).total(8)
    free(int(after / memory.USABLE) + 10**6)
    [problem] = problems(RunConfig.from_dict({**MANY, **changes}))
    setting, value = next(iter(cure.items()))
    words = value.get("gradients", value["name"]) if isinstance(value, dict) else f"{setting}: 0"
    proposed = problem.message.split(" smaller network (backbone.hidden), or ")[1].split(". End")[0]
    assert words in proposed
    assert ("blocks" in proposed) is (words == "blocks")
    assert proposed.endswith(f"which saves {memory._gigabytes(before - after)}")
    assert problems(RunConfig.from_dict({**MANY, **changes, **cure})) == []


def test_parts_of_a_batch_are_not_proposed_where_blocks_need_the_whole(free):
    large = {**MANY, "balancing": {"name": "mgda"}, "batch_size": 1000}
    by_blocks = {**large, "balancing": {"name": "mgda", "gradients": "blocks"}}
    free(int(estimated(**large).total(500) / memory.USABLE))
    assert "(accumulate: 2)" in problems(RunConfig.from_dict(large))[0].message
    free(int(estimated(**by_blocks).total(500) / memory.USABLE))
    [problem] = problems(RunConfig.from_dict(by_blocks))
    assert problem.field == "batch_size"
    assert "accumulate" not in problem.message


@pytest.mark.parametrize("preset", load_presets(), ids=lambda preset: preset.name)
def test_every_preset_fits_into_4_gb(free, preset):
    free(4 * GB)
    assert memory.problems(resolve(preset.config)) == []


def test_the_command_line_refuses_it_before_there_is_a_run(free, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "home"))
    path = tmp_path / "huge.yaml"
    path.write_text(RunConfig.from_dict(HUGE | {"data": {**HUGE["data"], "train_size": 5000}}).to_yaml())
    for command in ("train", "queue"):
        assert main([command, str(path)]) == 2
        assert "batch_size: the run needs about " in capsys.readouterr().err
    assert not list(tmp_path.glob("home/runs/*"))


def test_it_is_looked_at_again_as_the_run_begins(free, tmp_path):
    config = RunConfig.from_dict(DIGITS)
    assert problems(config) == []
    free(10**6, returning=900 * GB)  # what others give back counts for a run that waits, not for one that begins
    assert problems(config) == []
    with pytest.raises(NotEnoughMemoryError) as refused:
        list(train(config, tmp_path, tmp_path, Control()))
    failure = failure_of(refused.value)
    assert (failure["kind"], "1 MB is free" in failure["message"]) == ("out_of_memory", True)
    assert failure["facts"]["fault"].endswith(" of memory, and 1 MB is free")
    assert failure["facts"]["fits"] == 0


@pytest.mark.parametrize(
    ("line", "folder", "limit", "used", "stat", "files"),
    [
        ("0::/a/b", "a", "memory.max", "memory.current", "inactive_file 20\nactive_file 3\nanon 9\n", ("memory.events",)),
        (
            "7:cpu,memory:/a/b",
            "memory/a",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file 20\ntotal_active_file 3\n",
            ("memory.oom_control",),
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_a_control_groups_limit_counts_and_so_does_its_parents(monkeypatch, tmp_path, line, folder, limit, used, stat, files):
    own, above = tmp_path / folder / "b", tmp_path / folder
    own.mkdir(parents=True)
    (own / limit).write_text("max\n")
    (own / used).write_text("50\n")
    (above / limit).write_text("1000\n")
    (above / used).write_text("400\n")
    (above / "memory.stat").write_text(stat)
    (own / files[0]).write_text("low 0\noom_kill 2\n")
    (tmp_path / "self").write_text(f"1:name=systemd:/\n{line}\n")
    monkeypatch.setattr(free_memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(free_memory, "OWN_CGROUPS", tmp_path / "self")
    assert (free_memory.free_bytes(), free_memory.kills()) == (1000 - 400 + 23, 2)
    monkeypatch.setattr(free_memory, "OWN_CGROUPS", tmp_path / "nowhere")
    monkeypatch.setattr(free_memory, "SYSTEM_COUNTS", tmp_path / "nowhere")
    assert free_memory.kills() is None
    assert free_memory.free_bytes() > 1000
