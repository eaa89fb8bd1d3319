"""Every scheme on every backbone, at small sizes: groups, outputs, gradients, and the work that is done."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mtl_core.backbones import BACKBONES
from mtl_core.presets import load_presets
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.sharing.frozen_parts import first_backbone
from mtl_core.tasks.heads.pooled_head import PooledHead
from tests.covering import pairs

TASKS = ("a", "b")
SHAPE = (1, 16, 16)
SMALL = {
    "small_cnn": {"width": 8, "stages": 2},
    "mlp": {"hidden": [8, 6]},
    "lenet": {"hidden": 8},
    "mobilenet_v3": {"small_images": True},
    "vit": {"patch": 8, "pyramid": False},  # the head of a number reads the last map only, so the finer ones would have no gradient
}
# Of the transformer, two schemes are enough.
PAIRS = [(scheme, backbone) for backbone in SMALL for scheme in SHARING_SCHEMES if backbone != "vit" or scheme in ("branched", "cross_stitch")]


LARGE = [name for name in BACKBONES if name not in SMALL]  # built of shapes alone; they have stages like MobileNetV3's, but many more numbers


class Kind:
    """A task of one number."""

    def build_head(self, features):
        return PooledHead(features, 1)


def model_of(scheme, backbone, tasks=TASKS, **options):
    part, body = SHARING_SCHEMES.load(scheme), BACKBONES.load(backbone)
    torch.manual_seed(0)
    small = {"small_images": True} if "small_images" in body.Options.model_fields else {}
    chosen = body.Options(**SMALL.get(backbone, small))
    return part(lambda: body(chosen, SHAPE), {task: Kind() for task in tasks}, part.Options(**options))


def users(model, full):
    """Parameter -> the tasks whose output depends on it, by autograd."""
    parameters, found = list(model.parameters()), {id(parameter): set() for parameter in model.parameters()}
    for task in TASKS:
        gradients = torch.autograd.grad(full[task].square().sum(), parameters, retain_graph=True, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            found[id(parameter)] |= set() if gradient is None else {task}
    return found


def check_features(model, images):
    """Each head gets the features that it is built for, so a head of any kind fits."""
    plain = [feature.shape for feature in first_backbone(model)(images)]
    for features in model.features(images, TASKS).values():
        assert [feature.shape for feature in features] == plain
        assert [feature.shape[1] for feature in features] == [info.channels for info in model.feature_info]
    assert model.shared_parameters() is not None  # checks that every parameter is in exactly one group


@pytest.mark.parametrize(("scheme", "backbone"), PAIRS)
def test_groups_outputs_and_gradients(scheme, backbone):
    model, images = model_of(scheme, backbone).eval(), torch.rand(3, *SHAPE)
    full = model(images)
    by_autograd = users(model, full)
    for group in model.groups():
        assert group.users == set.union(*(by_autograd[id(parameter)] for parameter in group.parameters)), group.name
    check_features(model, images)
    model.only = ("b",)
    assert torch.equal(model(images)["b"], full["b"])


@pytest.mark.parametrize(("backbone", "scheme"), pairs(LARGE, list(SHARING_SCHEMES)))
def test_large_backbones_can_be_shared(backbone, scheme):
    with torch.device("meta"), torch.no_grad():
        check_features(model_of(scheme, backbone).eval(), torch.zeros(2, *SHAPE))


def flops(model):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.rand(1, *SHAPE))
    return counter.get_total_flops()


def numbers(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("backbone", ["small_cnn", "lenet"])
def test_work_and_parameters_are_those_of_the_parts(backbone):
    """From a plain network's counts: a backbone's as a whole, its first stage's, a head's."""
    alone = model_of("hard", backbone, tasks=("a",))
    whole, stage = numbers(alone.backbone), numbers(alone.backbone.stages[0])
    head = numbers(alone.heads)
    assert numbers(model_of("hard", backbone)) == whole + 2 * head
    assert numbers(model_of("separate", backbone)) == 2 * (whole + head)
    assert numbers(model_of("branched", backbone)) == stage + 2 * (whole - stage + head)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        alone.backbone.stages[0].eval()(torch.rand(1, *SHAPE))
    first, plain = counter.get_total_flops(), flops(alone)
    assert flops(model_of("separate", backbone)) == 2 * plain
    assert flops(model_of("branched", backbone)) == 2 * plain - first


EXPORTED = {preset.config.sharing.name for preset in load_presets()}  # in tests/exports/test_onnx_presets.py, for other numbers of images, too


@pytest.mark.parametrize("scheme", [name for name in SHARING_SCHEMES if name not in EXPORTED])
def test_a_traced_network_takes_any_number_of_images(scheme):
    """As an export to ONNX traces it."""
    model = model_of(scheme, "lenet").eval()
    traced = torch.export.export(model, (torch.rand(2, *SHAPE),), dynamic_shapes={"images": {0: torch.export.Dim("n")}}).module()
    images = torch.rand(5, *SHAPE)
    for task, output in model(images).items():
        torch.testing.assert_close(traced(images)[task], output)
