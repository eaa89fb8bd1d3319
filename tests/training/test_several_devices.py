"""Several devices for one run: two processes on the CPU (gloo) against one process with the same batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.config import RunConfig
from mtl_core.events import Control
from mtl_core.ranks import ALONE
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.trainer import train
from tests.training import rank_pair

CASES = rank_pair.cases()
# Rounding differs: one sum over a batch is taken in two halves. AdamW divides a gradient by its own size, so that a rounding error counts fully.
CLOSE = {"rtol": 2e-4, "atol": 2e-5}
ROUNDED = {"rtol": 5e-3, "atol": 2e-4}  # fp16 has three digits


@pytest.fixture(scope="module")
def pair(tmp_path_factory, shared_cache):
    """What both ranks found; a run that one process began, and that the pair ended."""
    folder = tmp_path_factory.mktemp("pair")
    alone = rank_pair.Asking(stop=11)
    begun = rank_pair.run_of(ALONE, alone, alone, folder / "begun by one process", shared_cache)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    command = [sys.executable, "-W", "ignore", rank_pair.__file__, str(folder), str(shared_cache)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    ranks = [torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in range(2)]
    return SimpleNamespace(folder=folder, ranks=ranks, begun=begun)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, shared_cache):
    """The run that one process trains from begin to end."""
    folder = tmp_path_factory.mktemp("alone")
    control = rank_pair.Asking()
    return SimpleNamespace(folder=folder / "whole", **rank_pair.run_of(ALONE, control, control, folder / "whole", shared_cache))


def assert_close(one, other, where, close=CLOSE):
    if torch.is_tensor(one):
        torch.testing.assert_close(other, one, equal_nan=True, msg=lambda text: f"{where}: {text}", **close)
    else:
        assert one.keys() == other.keys(), where
        for name, value in one.items():
            assert_close(value, other[name], f"{where}, {name}", close)


@pytest.mark.parametrize("case", CASES)
def test_the_steps_are_those_of_one_process(case, pair, shared_cache):
    alone = rank_pair.steps_alone(CASES[case], shared_cache)
    for rank in pair.ranks:
        for number, (one, two) in enumerate(zip(alone, rank["found"][case], strict=True), start=1):
            for what in ("losses", "present", "combined", "coefficients", "extras", "network", "method"):
                assert_close(one[what], two[what], f"{case}, step {number}, {what}")
            assert torch.equal(one["random"], two["random"])


@pytest.mark.parametrize("case", CASES)
def test_the_ranks_are_equal_to_the_last_bit(case, pair):
    first, second = (rank["found"][case] for rank in pair.ranks)
    for one, two in zip(first, second, strict=True):
        assert all(torch.equal(tensor, two["network"][name]) for name, tensor in one["network"].items())
        assert torch.equal(one["coefficients"], two["coefficients"])


def test_layers_that_look_at_the_whole_batch(pair):
    alone, (first, second) = rank_pair.layers_of(), (rank["layers"] for rank in pair.ranks)
    for what in ("output", "gradient"):
        torch.testing.assert_close(torch.cat([first[what], second[what]]), alone[what], rtol=1e-4, atol=1e-5)
    assert 0 < int((alone["output"].flatten(1).abs().sum(1) == 0).sum()) < 8  # some images were dropped
    for rank in (first, second):
        assert_close(alone["summed"], rank["summed"], "normalisation")


def test_networks_that_became_different_end_the_run(pair):
    assert [rank["differs"].partition(":")[0] for rank in pair.ranks] == ["", "the devices' networks have become different"]


def test_each_rank_has_its_half_of_the_same_batches(pair, shared_cache):
    alone = rank_pair.steps_alone(CASES["fixed"], shared_cache)
    for one, first, second in zip(alone, *(rank["found"]["fixed"] for rank in pair.ranks), strict=True):
        assert torch.equal(one["images"], torch.cat([first["images"], second["images"]]))
        assert len(first["images"]) == len(second["images"])


def test_labels_are_absent_on_one_rank_only(pair):
    """Else the steps above would not show that presence is that of the whole batch."""
    labelled = [
        [[step["labelled"]["count"] for step in rank["found"]["fixed"]] for rank in pair.ranks],
        [[step["labelled"]["count_class"] for step in rank["found"]["fixed"]] for rank in pair.ranks],
    ]
    assert any((one == 0) != (two == 0) for first, second in labelled for one, two in zip(first, second, strict=True))


def test_only_the_first_rank_writes_and_measures(pair, whole):
    first, second = (rank["runs"]["begun by one process"] for rank in pair.ranks)
    assert first["files"] == whole.files
    assert second["last"] == whole.last
    assert not any(key.startswith(("val/", "test/")) for _, key in second["scalars"])


def test_requests_reach_both_ranks_at_the_same_step(pair):
    first, second = (rank["runs"]["stopped"] for rank in pair.ranks)
    assert (first["pauses"], first["last"]) == (second["pauses"], second["last"]) == ([5], 11)


def weights_of(folder):
    return load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors")


def test_two_processes_resume_what_one_began(pair, whole):
    assert pair.begun["last"] == 11
    scalars = pair.begun["scalars"] | pair.ranks[0]["runs"]["begun by one process"]["scalars"]
    assert scalars == pytest.approx(whole.scalars, rel=0.02, abs=0.02)
    assert_close(weights_of(whole.folder), weights_of(pair.folder / "begun by one process"), "weights")


def test_one_process_resumes_what_two_began(pair, whole, shared_cache):
    control = rank_pair.Asking()
    resumed = rank_pair.run_of(ALONE, control, control, pair.folder / "stopped", shared_cache)
    scalars = pair.ranks[0]["runs"]["stopped"]["scalars"] | resumed["scalars"]
    assert scalars == pytest.approx(whole.scalars, rel=0.02, abs=0.02)
    assert_close(weights_of(whole.folder), weights_of(pair.folder / "stopped"), "weights")


@pytest.mark.parametrize("where", ["shared", "own"])
@pytest.mark.parametrize("case", rank_pair.HALVES)
def test_an_overflow_on_one_rank_skips_the_step_on_all(case, where, pair, shared_cache):
    """In fp16. The other rank's own gradient was finite."""
    first, second = (rank["halves"][case, where] for rank in pair.ranks)
    alone = rank_pair.half_steps_of(rank_pair.HALVES[case], where, shared_cache)
    over = rank_pair.OVERFLOWED_STEP - 1
    for steps in (first, second, alone):
        assert [bool(step["said"]) for step in steps] == [number == over for number in range(rank_pair.HALF_STEPS)]
        for what in ("network", "method"):
            assert all(torch.equal(tensor, steps[over][what][name]) for name, tensor in steps[over - 1][what].items())
        assert any(not torch.equal(tensor, steps[over + 1]["network"][name]) for name, tensor in steps[over]["network"].items())
    for one, two, whole in zip(first, second, alone, strict=True):
        assert (one["said"], one["scale"]) == (two["said"], two["scale"]) == (whole["said"], whole["scale"])
        for what in ("network", "method"):
            assert all(torch.equal(tensor, two[what][name]) for name, tensor in one[what].items())
        assert_close(whole["network"], one["network"], f"{case}, {where}", ROUNDED)
    assert first[-1]["scale"] == {"value": rank_pair.HALF_SCALE / 2, "overflows": 1, "steps": 2}


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("method", ["fixed", "pcgrad"])
def test_two_gpus_train_as_one(method, tmp_path, shared_cache):
    found = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        config = RunConfig.from_dict({**rank_pair.RUN, "balancing": {"name": method}, "device": "cuda", "devices": devices})
        events = list(train(config, folder, shared_cache, Control()))
        found.append({(event.step, key): value for event in events if hasattr(event, "scalars") for key, value in event.scalars.items()})
    assert found[1] == pytest.approx(found[0], rel=0.02, abs=0.02)
