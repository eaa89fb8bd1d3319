"""Which device a run trains on: names, GPUs by number, and what each run takes. Several GPUs are simulated."""

from __future__ import annotations

import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.config_fingerprint import fingerprint
from mtl_core.errors import ConfigError, DeviceError
from mtl_core.machine.device_names import device_named, devices_taken, kind_of
from mtl_core.randomness import Generators
from mtl_core.runs import executor
from mtl_core.training.execution import Execution, devices_here, resolve_device
from mtl_core.training.parts import resolve
from mtl_core.training.several_devices.device_count import device_count, device_problems
from tests.training import rank_pair


@pytest.fixture
def three_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def config(**changes):
    return RunConfig.from_dict({**rank_pair.CONFIG, **changes})


def test_the_first_gpu_has_one_name(three_gpus):
    assert devices_here() == ["cuda", "cuda:1", "cuda:2", "cpu"]
    assert [resolve_device(name) for name in ("auto", "cuda", "cuda:0", "cuda:2", "cpu")] == ["cuda", "cuda", "cuda", "cuda:2", "cpu"]
    assert [executor.resolve_device(name) for name in ("cuda:0", "cuda:2", "mps")] == ["cuda", "cuda:2", "mps"]
    assert [device_named(name) for name in ("cuda:0", "cuda:00", "cuda:10")] == ["cuda", "cuda", "cuda:10"]


def test_a_gpu_that_is_not_there_is_refused_in_words(three_gpus):
    with pytest.raises(DeviceError, match=r"'cuda:3' was asked for, but this machine .* has only: cuda, cuda:1, cuda:2, cpu\. Set device to auto or"):
        resolve_device("cuda:3")
    with pytest.raises(ConfigError, match="device"):
        config(device="cuda:x")


def test_several_devices_begin_with_the_first(three_gpus):
    assert device_count(config(device="cuda", devices="all")) == 3
    several = config(device="cuda:1", devices=2)
    [problem] = device_problems(several, "cuda:1")
    assert (problem.field, problem.message) == (
        "devices",
        "2 were asked for, but 'cuda:1' is one device; set device to 'cuda', which takes the first 2, or devices to 1",
    )
    assert device_count(config(device="cuda:1", devices="all")) == 1


def test_auto_stands_for_every_gpu(three_gpus, monkeypatch):
    monkeypatch.setattr(executor, "import_engine", lambda: None)
    assert executor.devices_for(config(device="auto")) == ["cuda", "cuda:1", "cuda:2"]
    assert executor.devices_for(config(device="auto", devices=2)) == ["cuda"]  # a run on several devices takes the first
    assert [executor.devices_for(config(device=name)) for name in ("cuda", "cuda:0", "cuda:1", "cpu")] == [["cuda"], ["cuda"], ["cuda:1"], ["cpu"]]
    assert resolve(config(device="auto"), "cuda:2").device == "cuda:2"
    assert resolve(config(device="auto")).device == "cuda"
    assert resolve(config(device="cpu"), "cuda:2").device == "cpu"  # a name that is given stays
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 12)
    assert executor.devices_for(config(device="auto"))[-1] == "cuda:7"  # the last that a config can name


def test_without_a_gpu_auto_is_one_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(executor, "import_engine", lambda: None)
    assert executor.devices_for(config(device="auto")) == ["cpu"]


def test_what_a_run_takes():
    assert devices_taken("cuda") == {"cuda"}
    assert devices_taken("cuda", 3) == {"cuda", "cuda:1", "cuda:2"}
    assert {"cuda", "cuda:1", "cuda:15"} < devices_taken("cuda", "all")
    assert devices_taken("cpu", 4) == {"cpu"}  # processes share the cores
    assert [kind_of(name) for name in ("cpu", "cuda:7", "cuda")] == ["cpu", "cuda", "cuda"]


def test_the_number_of_a_gpu_does_not_change_what_a_run_is():
    assert fingerprint(config(device="cuda:1")) == fingerprint(config(device="cuda")) != fingerprint(config(device="cpu"))


def test_autocast_knows_a_gpu_by_its_kind():
    assert Execution("cuda:1", "bf16", "contiguous").autocast().device == "cuda"


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA devices")
def test_a_second_gpu_has_a_generator_of_its_own():
    generators = Generators(3, "cuda:1")
    assert generators.of("cuda:1").device == torch.device("cuda:1")
    with generators.borrowed():
        torch.rand(1, device="cuda:1")
