"""Networks of timm as backbones, where timm is installed; and what is said where it is not."""

from __future__ import annotations

import pytest
import torch

from mtl_core.backbones import BACKBONES
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.registry import Registry
from mtl_core.training.check import problems, remarks
from mtl_core.training.tensors.network_description import describe_network
from mtl_core.training.tensors.starting_weights import fitting

SHAPE = (3, 64, 64)
COUNT = {"data": {"name": "digit_scenes"}, "tasks": {"count": {}, "count_class": {}}}


def test_without_its_package_a_part_is_not_listed_and_named_with_what_to_install():
    registry = Registry("backbone", "no.such.group", {"here": "a:B", "there": "c:D"}, needs={"there": "no_such_package"})
    assert list(registry) == ["here"]
    with pytest.raises(ConfigError, match="'there' needs the package no_such_package, which is not installed: pip install no_such_package"):
        registry.load("there", "backbone.name")


@pytest.mark.parametrize("model", ["resnet10t", "mobilenetv3_small_050", "convnext_atto", "swin_tiny_patch4_window7_224"])
def test_it_computes_what_timms_own_network_computes(model):
    """From a file with timm's names, which are not those of ``features_only``: that renames layers (convnext). Swin's maps have channels last."""
    timm = pytest.importorskip("timm")
    sized = {"img_size": SHAPE[1:]} if model.startswith("swin") else {}
    network = timm.create_model(model, pretrained=False, features_only=True, **sized).eval()
    whole = timm.create_model(model, pretrained=False, **sized)
    first, other = whole.state_dict(), network.state_dict()
    file = {name: other.get(name, other.get(name.replace(".", "_", 1), tensor)) for name, tensor in first.items()}
    backbone = made(model)
    backbone.load_state_dict(fitting(file, backbone, "timm's file"))
    images = torch.randn(2, *SHAPE)
    with torch.no_grad():
        maps = [feature.permute(0, 3, 1, 2) if sized else feature for feature in network(images)]
        expected = [feature for feature in maps if feature.shape[2] <= SHAPE[1] // 4]
        assert all(torch.equal(one, other) for one, other in zip(backbone(images), expected, strict=True))
    assert [(info.channels, info.stride) for info in backbone.features] == [(each.shape[1], SHAPE[1] // each.shape[2]) for each in expected]
    assert len(backbone.stages) > len(expected) - 1


def made(model, shape=SHAPE):
    part = BACKBONES.load("timm")
    assert part.problem(part.Options(model=model), shape) == ""
    return part(part.Options(model=model), shape).eval()


def test_a_network_that_is_no_chain_gives_what_features_only_gives():
    timm = pytest.importorskip("timm")
    network = timm.create_model("hrnet_w18_small", pretrained=False, features_only=True).eval()
    backbone, images = made("hrnet_w18_small"), torch.randn(2, *SHAPE)
    backbone.network.load_state_dict(network.state_dict())
    with torch.no_grad():
        expected = network(images)[1:]  # the first has half the image's size
        assert all(torch.equal(one, other) for one, other in zip(backbone(images), expected, strict=True))
    assert [info.stride for info in backbone.features] == [4, 8, 16, 32]
    assert [stage.name for stage in backbone.stages] == ["network"]


def test_a_transformer_has_one_map_and_its_positions_follow_the_size_of_the_images():
    pytest.importorskip("timm")
    backbone = made("vit_tiny_patch16_224", (3, 64, 96))
    [feature] = backbone(torch.zeros(1, 3, 64, 96))
    assert feature.shape == (1, 192, 4, 6)
    assert set(backbone.published_names) == set(backbone.state_dict())
    plane = torch.linspace(0, 1, 14).expand(14, 14)  # grows from left to right
    tokens = torch.cat([torch.full((1, 1, 192), 9.0), plane.reshape(1, 196, 1).expand(1, 196, 192)], dim=1)
    positions = backbone.adapted("network.model.pos_embed", tokens)
    assert positions.shape == (1, 1 + 4 * 6, 192)
    assert bool((positions[0, 0] == 9).all())
    assert bool((positions[:, 1:].reshape(1, 4, 6, 192).diff(dim=2) > 0).all())


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        ("resnet19", {}, "did you mean 'resnet18'?"),
        ("vit_tiny_patch16_224", {"small_images": True}, "belong to its patches. Set it to false"),
        ("coat_lite_tiny", {}, "uses some weights in two places"),
        ("efficientformer_l1", {}, "gives no features of images of 64x64 pixels"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(model, more, said):
    pytest.importorskip("timm")
    [problem] = problems(RunConfig.from_dict({**COUNT, "backbone": {"name": "timm", "model": model, **more}}))
    assert said in problem.message


@pytest.mark.parametrize(
    ("model", "scheme", "said"),
    [
        ("test_efficientnet", "mmoe", ""),
        ("hrnet_w18_small", "hard", ""),
        ("hrnet_w18_small", "separate", ""),
        ("hrnet_w18_small", "branched", "runs a network stage by stage"),
        ("test_vit", "cross_stitch", ""),
        ("test_vit", "mmoe", "1 stages (network)"),
    ],
)
def test_a_run_can_be_made_of_one_where_the_scheme_needs_no_cut_that_it_has_not(model, scheme, said):
    pytest.importorskip("timm")
    config = RunConfig.from_dict({**COUNT, "backbone": {"name": "timm", "model": model}, "sharing": {"name": scheme}})
    found = problems(config)
    assert [said in problem.message for problem in found] == ([True] if said else [])
    if not said:
        assert sum(part.multiply_adds for part in describe_network(config)) > 0


def test_weights_are_those_that_timm_names_with_size_and_licence(home):
    pytest.importorskip("timm")
    options = BACKBONES.load("timm").Options(model="mobilenetv3_small_100")
    weights = BACKBONES.load("timm").published_weights(options)
    assert weights.url == "https://huggingface.co/timm/mobilenetv3_small_100.lamb_in1k/resolve/main/model.safetensors"
    assert (weights.file, weights.licence, weights.megabytes) == ("mobilenetv3_small_100.lamb_in1k.safetensors", "apache-2.0", 11)
    config = RunConfig.from_dict({**COUNT, "backbone": {"name": "timm", "model": "mobilenetv3_small_100", "weights": "pretrained"}})
    assert problems(config) == []
    assert any("11 MB of weights are fetched when the run starts" in remark for remark in remarks(config))
    without = BACKBONES.load("timm").Options(model="mixer_s32_224")
    assert BACKBONES.load("timm").published_weights(without) is None
    assert "no weights of 'mixer_s32_224'" in BACKBONES.load("timm").unpublished(without)
