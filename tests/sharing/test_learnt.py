"""What schemes say that they have learnt, at the start, where it is known by hand; and that a run records it."""

from __future__ import annotations

import pytest
import torch

from mtl_core.backbones.small_cnn import SmallCNN
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.events import Control, EpochMetrics
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.sharing.dselect_k import SparseGate, smooth_step
from mtl_core.tasks.heads.pooled_head import PooledHead
from mtl_core.training.check import problems
from mtl_core.training.trainer import train

TASKS = ("a", "b", "c")


class Kind:
    """A task of one number."""

    def build_head(self, features):
        return PooledHead(features, 1)


def model_of(scheme, **options):
    part = SHARING_SCHEMES.load(scheme)
    backbone = SmallCNN.Options(width=8, stages=3)
    return part(lambda: SmallCNN(backbone, (1, 8, 8)), {task: Kind() for task in TASKS}, part.Options(**options)).eval()


@pytest.mark.parametrize("per_channel", [True, False])
def test_stitches_begin_at_nine_tenths(per_channel):
    found = model_of("cross_stitch", per_channel=per_channel).learnt(torch.zeros(2, 1, 8, 8))
    assert [matrix.name for matrix in found] == [f"stitch after stages.{stage}" for stage in range(3)]
    for matrix in found:
        torch.testing.assert_close(matrix.values, torch.full((3, 3), 0.05) + 0.85 * torch.eye(3))


@pytest.mark.parametrize("scheme", ["mmoe", "cgc", "ple", "dselect_k"])
def test_gate_weights_are_shares(scheme):
    for matrix in model_of(scheme).learnt(torch.rand(4, 1, 8, 8)):
        assert matrix.values.shape == (len(matrix.rows), len(matrix.columns))
        torch.testing.assert_close(matrix.values.nansum(1), torch.ones(len(matrix.rows)))
        closed = matrix.values.isnan()
        own = [[row != column.rpartition(" of ")[2] and " of " in column and row in TASKS for column in matrix.columns] for row in matrix.rows]
        assert closed.tolist() == own


def test_columns_weigh_in_nddr_as_they_begin():
    for matrix in model_of("nddr").learnt(torch.zeros(1)):
        torch.testing.assert_close(matrix.values, torch.full((3, 3), 0.05) + 0.85 * torch.eye(3))


def test_the_smooth_step_is_that_of_the_paper():
    value = torch.tensor([-0.6, -0.5, -0.25, 0.0, 0.25, 0.5, 0.6])
    torch.testing.assert_close(smooth_step(value, 1.0), torch.tensor([0, 0, 0.15625, 0.5, 0.84375, 1, 1]))


def test_a_decided_gate_reads_the_expert_of_its_binary_number():
    gate = SparseGate(5, 8, SHARING_SCHEMES.load("dselect_k").Options(experts=8, chosen=1))
    with torch.no_grad():
        gate.bits.copy_(torch.tensor([1.0, -1.0, 1.0]))  # 1 + 4
    assert gate(torch.zeros(2, 5)).tolist() == [[0, 0, 0, 0, 0, 1, 0, 0]] * 2


def test_branched_is_hard_sharing_where_all_stages_are_shared():
    torch.manual_seed(0)
    branched = model_of("branched", shared_stages=3)
    hard = model_of("hard")
    hard.load_state_dict({**branched.state_dict()}, strict=False)
    images = torch.rand(2, 1, 8, 8)
    assert all(torch.equal(one, other) for one, other in zip(branched(images).values(), hard(images).values(), strict=True))
    assert not branched.copies.state_dict()


def test_branches_begin_different():
    branches = [next(iter(branch[0].parameters())) for branch in model_of("branched").branches.values()]
    assert not any(torch.equal(branches[one], branches[other]) for one, other in [(0, 1), (0, 2), (1, 2)])


def test_a_frozen_trunk_keeps_its_statistics():
    model = model_of("adapters", frozen_trunk=True).train()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    model(torch.rand(4, 1, 8, 8))
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())


CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "epochs": 1,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "device": "cpu",
    "probe_samples": 2,
}


@pytest.mark.parametrize(("scheme", "shared", "said"), [("branched", 3, "at most 2"), ("mmoe", 2, "at most 1"), ("ple", 2, "at most 1")])
def test_too_many_shared_stages_are_refused_in_words(scheme, shared, said):
    config = RunConfig.from_dict({**CONFIG, "sharing": {"name": scheme, "shared_stages": shared}})
    [problem] = problems(config)
    assert problem.field == "sharing.shared_stages"
    assert said in problem.message
    assert "stages.0, stages.1" in problem.message


def test_a_backbone_that_cannot_be_cut_is_refused_in_words():
    class Whole(SmallCNN):
        @property
        def stages(self):
            return [object()]

    part = SHARING_SCHEMES.load("cross_stitch")
    options = SmallCNN.Options(width=8, stages=2)
    with pytest.raises(ConfigError, match="says no stages"):
        part(lambda: Whole(options, (1, 8, 8)), {task: Kind() for task in TASKS}, part.Options())


def test_a_run_records_what_is_learnt(tmp_path, shared_cache):
    config = RunConfig.from_dict({**CONFIG, "sharing": {"name": "mmoe", "experts": 2}})
    (tmp_path / "run").mkdir()
    events = [event for event in train(config, tmp_path / "run", shared_cache, Control()) if isinstance(event, EpochMetrics)]
    found = {key: value for key, value in events[0].scalars.items() if key.startswith("sharing/")}
    assert set(found) == {f"sharing/mean gate weight/{task}/expert {number}" for task in ("digit", "ink") for number in (1, 2)}
    assert sum(found.values()) == pytest.approx(2)
