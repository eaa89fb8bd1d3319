"""A task that is added to a trained network: the new head learns, and what the network had computes the same to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mtl_core
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.exports import model_export
from mtl_core.exports.export_source import ExportSource
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import adding, fork, fork_config
from mtl_core.runs.store import open_store

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "epochs": 1,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 2,
    "device": "cpu",
}


def ended(home, cache, **changes):
    store = open_store(home)
    store.cache = cache
    run = execute(store, store.create(RunConfig.from_dict({**CONFIG, **changes})).id)
    assert run.status == "finished", run.failure
    return store, run


@pytest.mark.parametrize("scheme", ["hard", "adapters"])
@pytest.mark.parametrize("balancing", ["fixed", "pcgrad"])
def test_the_old_tasks_compute_the_same_to_the_last_bit(scheme, balancing, home, shared_cache):
    store, parent = ended(home, shared_cache, sharing={"name": scheme}, balancing={"name": balancing})
    config = fork_config(parent, 1, [*adding(parent, ["slant"]), "epochs=3"])
    forked = execute(store, fork(store, parent.id, 1, config).id)
    assert forked.status == "finished", forked.failure
    assert forked.parent == parent.id
    before, after = (mtl_core.load(run.id, "last", home=home) for run in (parent, forked))
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), dtype=np.uint8)
    with torch.no_grad():
        old, new = before.model(before.normalised(images)), after.model(after.normalised(images))
    assert set(new) == {"digit", "ink", "slant"}
    assert all(torch.equal(old[task], new[task]) for task in old)
    statistics = [name for name, _ in before.model.named_buffers() if name.endswith(("running_mean", "num_batches_tracked"))]
    assert len(statistics) == 8  # two batch normalisations in each of two stages
    assert all(torch.equal(before.model.state_dict()[name], after.model.state_dict()[name]) for name in statistics)
    if balancing == "fixed":  # what is exported predicts the same, too
        for run in (parent, forked):
            model_export.write(ExportSource(store, run, "last"), home)
        exported = [mtl_core.load(home / f"{run.id}-model") for run in (parent, forked)]
        for one, other in zip(*(predictor.predict(images) for predictor in exported), strict=True):
            assert all(np.array_equal(one.raw[task], other.raw[task]) for task in old)
            assert "slant" in other.raw
    scalars = store.scalars(forked.id)
    assert len(scalars[scalars["key"] == "val/slant/loss"]) == 2
    assert forked.info["parameters"]["tasks"]["digit"] == 0 < forked.info["parameters"]["tasks"]["slant"]


def test_a_scheme_in_which_it_would_change_the_others_refuses_in_words(home, shared_cache):
    _, parent = ended(home, shared_cache, sharing={"name": "cross_stitch"})
    with pytest.raises(ConfigError, match=r"would change what the others compute.*can be added under hard, adapters"):
        fork_config(parent, 1, [*adding(parent, ["slant"]), "epochs=2"])


def test_adapters_of_one_task_cannot_have_more(home, shared_cache):
    _, parent = ended(home, shared_cache, sharing={"name": "adapters"}, tasks={"digit": {}})
    with pytest.raises(ConfigError, match="Only a network of several tasks can have more"):
        fork_config(parent, 1, [*adding(parent, ["slant"]), "epochs=2"])
