"""A run whose checkpoints the first version wrote goes on with the present one."""

import json

import torch
from safetensors.torch import load_file

from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.training.checkpoint_files import read_index, read_meta
from mtl_core.training.trainer import train

PLAIN = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "balancing": {"name": "uncertainty"},
    "epochs": 3,
    "batch_size": 128,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 4,
    "device": "cpu",
    "keep_checkpoints": 0,
}


class StopAfter(Control):
    """A control that asks to stop at its n-th look."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks

    @property
    def interrupted(self):
        self.looks -= 1
        if self.looks < 0:
            self.stop_requested = True
        return super().interrupted


def trained(folder, cache, control=None):
    folder.mkdir(exist_ok=True)
    events = list(train(RunConfig.from_dict(PLAIN), folder, cache, control or Control()))
    return events, {(e.step, key): value for e in events if isinstance(e, StepScalars | EpochMetrics) for key, value in e.scalars.items()}


def make_old(folder):
    """Rewrite a run's checkpoints as the first version wrote them."""
    index = read_index(folder)
    parent = folder / "checkpoints"
    for name in {index["best"], index["last"]}:
        meta = read_meta(folder, name)
        (parent / name / "meta.json").write_text(json.dumps({key: meta[key] for key in ("position", "execution")}))
        state = torch.load(parent / name / "state.pt", weights_only=True)
        del state["optimizer_names"], state["balancer"]["_extra_state"], state["window"]["noted"]
        state["scheduler"] = {"last_epoch": meta["position"]["step"], "_last_lr": [0.0]}
        torch.save(state, parent / name / "state.pt")
    (parent / "index.json").write_text(json.dumps({"best": index["best"], "last": index["last"]}))


def test_a_run_with_old_checkpoints_goes_on_and_ends_bit_by_bit_the_same(tmp_path, shared_cache):
    _, whole = trained(tmp_path / "whole", shared_cache)
    events, first = trained(tmp_path / "cut", shared_cache, StopAfter(25))
    assert events[-1].status == "stopped"
    assert 9 < events[-1].step < 27  # in the second or third epoch, so that there are two checkpoints
    make_old(tmp_path / "cut")
    events, second = trained(tmp_path / "cut", shared_cache)
    assert events[-1].status == "finished"
    assert first | second == whole
    weights = [
        load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors") for folder in (tmp_path / "whole", tmp_path / "cut")
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
