"""Networks of torchvision as backbones: with the same numbers they compute what torchvision's own network computes, to the last bit."""

from __future__ import annotations

import pytest
import torch
import torchvision.models as published
from torch import nn

from mtl_core.backbones import BACKBONES
from mtl_core.backbones.backbone import Backbone

SHAPE = (3, 64, 64)


def features_of(network, images):
    return network.features(images)


def without_class_token(network, images):
    places = network.conv_proj(images).flatten(2).transpose(1, 2) + network.encoder.pos_embedding[:, 1:]
    last = network.encoder.ln(network.encoder.layers(places))
    return last.transpose(1, 2).reshape(len(images), -1, SHAPE[1] // 16, SHAPE[2] // 16)


def small_transformer():
    return published.VisionTransformer(SHAPE[1], 16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768)


NETWORKS = {
    "resnet18": ({"small_images": False}, published.resnet18, lambda net, images: nn.Sequential(*list(net.children())[:-2])(images)),
    "resnet50": ({"small_images": False}, published.resnet50, lambda net, images: nn.Sequential(*list(net.children())[:-2])(images)),
    "mobilenet_v3": ({"size": "large"}, published.mobilenet_v3_large, features_of),
    "efficientnet_b0": ({}, published.efficientnet_b0, features_of),
    "regnet_y_400mf": ({}, published.regnet_y_400mf, lambda net, images: net.trunk_output(net.stem(images))),
    "convnext_tiny": ({}, published.convnext_tiny, lambda net, images: net.classifier[0](net.features(images))),
    "swin_t": ({}, published.swin_t, lambda net, images: net.norm(net.features(images)).permute(0, 3, 1, 2)),
    "vit": ({}, small_transformer, without_class_token),
}


@pytest.mark.parametrize("name", list(NETWORKS))
def test_it_computes_what_the_published_network_computes(name):
    options, make, last = NETWORKS[name]
    backbone_class = BACKBONES.load(name)
    network, backbone = make().eval(), backbone_class(backbone_class.Options(**options), SHAPE).eval()
    theirs = network.state_dict()
    ours = {own: backbone.adapted(own, theirs[other]) for own, other in backbone.published_names.items()}
    missing, unexpected = backbone.load_state_dict(ours, strict=False)
    assert not unexpected
    assert all(key.startswith("pyramid.") for key in missing)
    images = torch.randn(2, *SHAPE)
    with torch.no_grad():
        assert torch.equal(backbone(images)[-1], last(network, images))


def has_published(backbone_class):
    return backbone_class.published_weights.__func__ is not Backbone.published_weights.__func__


def options_of(name):
    """Options of a backbone for which there are published weights, where there are any."""
    options = {"resnet18": {"small_images": False}, "resnet34": {"small_images": False}, "resnet50": {"small_images": False}, "vit": {"size": "base"}}
    return BACKBONES.load(name).Options(**options.get(name, {}))


OWN = [name for name in BACKBONES if name not in BACKBONES.needs]  # timm's weights have a test of their own
PUBLISHED = [name for name in OWN if has_published(BACKBONES.load(name)) and BACKBONES.load(name).published_weights(options_of(name))]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_are_described_and_named(name):
    """torchvision's own table has the same file, and every tensor of the backbone has a name in it."""
    backbone_class = BACKBONES.load(name)
    chosen = options_of(name)
    weights = backbone_class.published_weights(chosen)
    assert backbone_class.unpublished(chosen) == ""
    assert weights.file.removesuffix(".pth").endswith(weights.sha256[:8])
    assert bool(weights.url) != bool(weights.package)
    if weights.url:
        theirs = [each for model in published.list_models(module=published) for each in published.get_model_weights(model)]
        [found] = [each for each in theirs if each.url == weights.url]
        assert abs(found.meta["_file_size"] - weights.megabytes) < 0.06
        crop = found.transforms()
        assert (tuple(crop.mean), tuple(crop.std)) == (weights.mean, weights.std)
    with torch.device("meta"):
        backbone = backbone_class(chosen, SHAPE)
    assert {key for key in backbone.state_dict() if key not in backbone.published_names} == {
        key for key in backbone.state_dict() if key.startswith("pyramid.")
    }


def test_a_position_embedding_is_interpolated_to_another_grid():
    backbone_class = BACKBONES.load("vit")
    backbone = backbone_class(backbone_class.Options(), (3, 32, 64))
    plane = torch.linspace(0, 1, 14).expand(14, 14)  # grows from left to right
    tokens = torch.cat([torch.full((1, 1, 192), 9.0), plane.reshape(1, 196, 1).expand(1, 196, 192)], dim=1)
    positions = backbone.adapted("stem.0.positions", tokens)
    assert positions.shape == backbone.state_dict()["stem.0.positions"].shape == (1, 192, 2, 4)
    assert bool((positions.diff(dim=3) > 0).all())
    torch.testing.assert_close(positions[:, :, 0], positions[:, :, 1])
    assert backbone.adapted("last.1.weight", tokens) is tokens


def test_the_pyramid_carries_the_last_map_unchanged():
    backbone_class = BACKBONES.load("vit")
    backbone = backbone_class(backbone_class.Options(), (3, 32, 32)).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        stages = {stage.name: stage for stage in backbone.stages}
        value = images
        for name in ("stem", "stages.0", "stages.1", "stages.2", "stages.3"):
            value = stages[name](value)
        finest = stages["pyramid.0"](value)
        finer = stages["pyramid.1"](finest)
        assert torch.equal(stages["last"](finer), stages["last"][1](value))
    assert [feature.shape[1:] for feature in backbone(images)] == [(60, 8, 8), (144, 4, 4), (192, 2, 2)]


@pytest.mark.parametrize(
    ("name", "options", "shape", "said"),
    [
        ("mobilenet_v3", {}, (3, 28, 28), "at least 32x32 pixels, found 28x28. Set small_images"),
        ("swin_t", {"small_images": True}, (3, 8, 20), "at least 16x16 pixels, found 8x20. Take larger images"),
        ("vit", {}, (3, 40, 32), "multiples of 16; found 40x32"),
    ],
)
def test_sizes_that_do_not_fit_are_told_with_a_cure(name, options, shape, said):
    backbone_class = BACKBONES.load(name)
    assert said in backbone_class.problem(backbone_class.Options(**options), shape)


@pytest.mark.parametrize(("name", "options", "said"), [("resnet18", {}, "Set small_images to false"), ("vit", {}, "size 'base' and patch 16")])
def test_options_without_published_weights_say_why(name, options, said):
    backbone_class = BACKBONES.load(name)
    chosen = backbone_class.Options(**options)
    assert backbone_class.published_weights(chosen) is None
    assert said in backbone_class.unpublished(chosen)
