"""Networks of timm as backbones, where timm is installed; and what is said where it is not."""

from __future__ import annotations

import pytest
import torch

from mtl_core.backbones import BACKBONES
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.registry import Registry
from mtl_core.training.check import problems

SHAPE = (3, 64, 64)
COUNT = {"data": {"name": "digit_scenes"}, "tasks": {"count": {}}}


def test_without_its_package_a_part_is_not_listed_and_named_with_what_to_install():
    registry = Registry("backbone", "no.such.group", {"here": "a:B", "there": "c:D"}, needs={"there": "no_such_package"})
    assert list(registry) == ["here"]
    with pytest.raises(ConfigError, match="'there' needs the package no_such_package, which is not installed: pip install no_such_package"):
        registry.load("there", "backbone.name")


@pytest.mark.parametrize("model", ["resnet10t", "mobilenetv3_small_050", "convnext_atto"])
def test_it_computes_what_timms_own_network_computes(model):
    timm = pytest.importorskip("timm")
    backbone_class = BACKBONES.load("timm")
    network = timm.create_model(model, pretrained=False, features_only=True).eval()
    backbone = backbone_class(backbone_class.Options(model=model), SHAPE).eval()
    theirs = network.state_dict()
    backbone.load_state_dict({own: theirs[other] for own, other in backbone.published_names.items()})
    images = torch.randn(2, *SHAPE)
    with torch.no_grad():
        expected = [feature for feature in network(images) if feature.shape[2] <= SHAPE[1] // 4]
        assert all(torch.equal(one, other) for one, other in zip(backbone(images), expected, strict=True))
    assert [(info.channels, info.stride) for info in backbone.features] == [(each.shape[1], SHAPE[1] // each.shape[2]) for each in expected]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("resnet19", "did you mean 'resnet18'?"),
        ("vit_tiny_patch16_224", "is no chain of layers (FeatureGetterNet)"),
        ("swin_tiny_patch4_window7_224", "cannot be cut into stages"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(model, said):
    pytest.importorskip("timm")
    [problem] = problems(RunConfig.from_dict({**COUNT, "backbone": {"name": "timm", "model": model}}))
    assert said in problem.message


def test_a_run_can_be_made_of_one():
    pytest.importorskip("timm")
    assert problems(RunConfig.from_dict({**COUNT, "backbone": {"name": "timm"}})) == []
