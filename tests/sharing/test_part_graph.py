"""A network's parts as a graph: sizes and multiply-adds by an independent count, users and readers by autograd. For every scheme."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mtl_core.backbones import BACKBONES
from mtl_core.backbones.small_cnn import SmallCNN
from mtl_core.config import RunConfig
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.sharing.part_graph import IMAGES, part_graph
from mtl_core.tasks.heads.pooled_head import PooledHead
from mtl_core.training.tensors.network_description import describe_network
from tests.sharing.schemes import ENTRIES

pytestmark = pytest.mark.usefixtures("installed_schemes")
SCHEMES = [*SHARING_SCHEMES, *ENTRIES]
TASK_SETS = [("a",), ("a", "b"), ("one", "values", "<b>&")]
SHAPE = (1, 16, 16)
every_network = [(scheme, tasks) for scheme in SCHEMES for tasks in TASK_SETS]


class Kind:
    """A task of one number."""

    def build_head(self, features):
        return PooledHead(features, 1)


def model_of(scheme, tasks=TASK_SETS[1], backbone="small_cnn", stages=3, **options):
    part, body = SHARING_SCHEMES.load(scheme), BACKBONES.load(backbone)
    chosen = body.Options(**({"width": 8, "stages": stages} if body is SmallCNN else {}))
    torch.manual_seed(0)
    return part(lambda: body(chosen, SHAPE), {task: Kind() for task in tasks}, part.Options(**options))


def below(parts):
    """Part -> the parts that read it, also through others."""
    found = {part.name: {part.name} for part in parts}
    for _ in parts:
        for part in parts:
            for name in part.reads:
                if name != IMAGES:
                    found[name] |= found[part.name]
    return found


@pytest.mark.parametrize(("scheme", "tasks"), every_network)
def test_every_parameter_is_in_one_part_and_counts_are_those_of_independent_counters(scheme, tasks):
    model = model_of(scheme, tasks)
    next(model.parameters()).requires_grad_(False)
    parts = part_graph(model, torch.rand(1, *SHAPE))
    groups = {group.name: group for group in model.groups() if group.parameters}
    assert [part.name for part in parts] == list(groups)
    assert sum(part.parameters for part in parts) == sum(parameter.numel() for parameter in model.parameters())
    for part in parts:
        assert part.parameters == sum(parameter.numel() for parameter in groups[part.name].parameters)
        assert part.frozen == sum(parameter.numel() for parameter in groups[part.name].parameters if not parameter.requires_grad)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.rand(1, *SHAPE))
    assert 2 * sum(part.multiply_adds for part in parts) == counter.get_total_flops()


@pytest.mark.parametrize(("scheme", "tasks"), every_network)
def test_arrows_lead_to_the_heads_of_the_tasks_that_have_a_gradient(scheme, tasks):
    model = model_of(scheme, tasks).eval()
    parts = {part.name: part for part in part_graph(model, torch.rand(1, *SHAPE))}
    reached, outputs = below(parts.values()), model(torch.rand(2, *SHAPE))
    for group in model.groups():
        used = set()
        for task in tasks:
            gradients = torch.autograd.grad(outputs[task].square().sum(), group.parameters, retain_graph=True, allow_unused=True)
            used |= {task} if any(gradient is not None for gradient in gradients) else set()
        heads = {parts[name].users[0] for name in reached[group.name] if parts[name].is_head}
        assert set(parts[group.name].users) == used
        # The trunk of adapters runs once for each task, with its own activations, but is one part.
        assert heads >= used if scheme == "adapters" else heads == used


def test_a_worked_network_has_the_numbers_of_its_formulas():
    """3x3 convolutions: 9 * inputs * outputs * places; a linear layer: inputs * outputs."""
    parts = {part.name: part for part in part_graph(model_of("mmoe", stages=2, experts=2), torch.zeros(3, *SHAPE))}
    first = 9 * (1 * 8 + 8 * 8) * 64
    later = 9 * (8 * 16 + 16 * 16) * 16
    assert {name: part.multiply_adds for name, part in parts.items()} == {
        "stages.0": first,
        "stages.1 of expert 1": later,
        "stages.1 of expert 2": later,
        "gate of a": 8 * 2,
        "gate of b": 8 * 2,
        "head of a": 2 * 16,
        "head of b": 2 * 16,
    }
    assert parts["stages.0"].reads == (IMAGES,)
    assert parts["stages.1 of expert 2"].reads == ("stages.0",)
    assert parts["gate of b"].reads == ("stages.0", "stages.1 of expert 1", "stages.1 of expert 2")
    assert parts["head of b"].reads == ("gate of b",)
    assert [part.is_head for part in parts.values()] == [False] * 5 + [True] * 2


def test_masks_belong_to_the_attention_and_stitches_to_the_units():
    attention = {part.name: part.reads for part in part_graph(model_of("mtan"), torch.zeros(1, *SHAPE))}
    assert attention["attention of a after stages.1"] == ("stages.1", "attention of a after stages.0")
    assert attention["stages.2"] == ("stages.1",)
    assert attention["head of b"] == ("attention of b after stages.2",)
    stitches = {part.name: part.reads for part in part_graph(model_of("cross_stitch"), torch.zeros(1, *SHAPE))}
    assert stitches["stitches after stages.0"] == ("stages.0 of a", "stages.0 of b")
    assert stitches["stages.1 of b"] == ("stitches after stages.0",)


def test_a_gate_that_reads_no_image_has_no_arrow_from_the_stage_before():
    parts = {part.name: part for part in part_graph(model_of("dselect_k", stages=2, experts=2), torch.zeros(1, *SHAPE))}
    assert parts["gate of a"].reads == ("stages.1 of expert 1", "stages.1 of expert 2")
    parts = {part.name: part for part in part_graph(model_of("dselect_k", stages=2, experts=2, per_image=True), torch.zeros(1, *SHAPE))}
    assert parts["gate of a"].reads[0] == "stages.0"


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_every_backbone_is_counted_whole(backbone):
    part, body = SHARING_SCHEMES.load("hard"), BACKBONES.load(backbone)
    shape = (1, 28, 28) if backbone == "lenet" else (3, 64, 64)
    with torch.device("meta"):
        model = part(lambda: body(body.Options(), shape), {"a": Kind(), "b": Kind()}, part.Options())
    images = torch.zeros(1, *shape, device="meta")
    parts = part_graph(model, images)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(images)
    assert 2 * sum(part.multiply_adds for part in parts) == counter.get_total_flops() > 0
    assert sum(part.parameters for part in parts) == sum(parameter.numel() for parameter in model.parameters())
    assert all(part.reads for part in parts)


def test_the_network_is_as_it_was():
    model = model_of("mmoe").train()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    part_graph(model, torch.rand(2, *SHAPE))
    assert model.training
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_config_is_described_as_its_first_epoch_trains_it():
    values = {"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {"frozen": True}, "contrastive": {}}, "batch_size": 8}
    backbone = {"name": "small_cnn", "width": 8, "stages": 2, "freeze": "stages", "freeze_stages": 1}
    parts = {part.name: part for part in describe_network(RunConfig.from_dict({**values, "backbone": backbone}))}
    frozen = {name for name, part in parts.items() if part.frozen == part.parameters}
    assert frozen == {"stages.0", "head of ink"}
    # An image and the two views that contrastive learning makes of it pass the stages; each head reads its own.
    assert parts["stages.0"].multiply_adds == 3 * 9 * (1 * 8 + 8 * 8) * 16
    assert parts["head of ink"].multiply_adds == 2 * 16
