"""What every backbone promises: named stages that make up the whole, images refused in words, and nothing fetched when it is built."""

from __future__ import annotations

import copy
import socket

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from mtl_core.backbones import BACKBONES
from mtl_core.backbones.backbone import Backbone, BackboneOptions, FeatureInfo, Stage
from mtl_core.backbones.small_cnn import SmallCNN
from mtl_core.config import RunConfig
from mtl_core.events import Control, StepScalars
from mtl_core.sharing.hard import HardSharing
from mtl_core.sharing.model import SharingOptions
from mtl_core.training import build as building
from mtl_core.training.check import parameter_counts, problems
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train

SHAPE = (3, 32, 32)
VARIANTS = {
    **{name: (name, {}) for name in BACKBONES},
    "resnet18 for large images": ("resnet18", {"small_images": False}),
    "small_cnn of two stages": ("small_cnn", {"width": 8, "stages": 2}),
    "mlp of one layer": ("mlp", {"hidden": [5]}),
    "mlp of three layers": ("mlp", {"hidden": [7, 5, 3]}),
    "mobilenet_v3 for small images": ("mobilenet_v3", {"small_images": True}),
    "vit of small patches without a pyramid": ("vit", {"patch": 8, "pyramid": False}),
}
LARGE = ("resnet34", "resnet50", "convnext_tiny", "swin_t", "efficientnet_b0", "efficientnet_lite0", "mobilenet_v3", "regnet_y_400mf")
every_backbone = pytest.mark.parametrize(("name", "options"), list(VARIANTS.values()), ids=list(VARIANTS))


def made(name, options, shape=SHAPE, device="cpu"):
    backbone_class = BACKBONES.load(name)
    with torch.device(device):
        return backbone_class(backbone_class.Options(**options), shape)


@every_backbone
def test_the_stages_make_up_the_network(name, options):
    """Run one after another they give what ``forward`` gives, and each parameter is in exactly one, in the network's order.

    Where tracing does not take seconds, it can be traced and copied too; the exports' tests trace some of the others.
    Options do not change the kinds of layers.
    """
    backbone = made(name, options).eval()
    stages, images, features = backbone.stages, torch.randn(2, *SHAPE), []
    expected = backbone(images)
    if name not in LARGE and not options:
        for other in (torch.export.export(backbone, (images,)).module(), copy.deepcopy(backbone)):
            assert all(torch.allclose(one, two, atol=1e-5) for one, two in zip(other(images), expected, strict=True))
    for stage in stages:
        images = stage(images)
        assert images.shape[1] == stage.gives.channels
        assert images.ndim == (2 if stage.gives.stride is None else 4)
        if stage.is_feature:
            features.append(images)
        if stage.gives.stride is not None and name != "lenet":  # its convolutions lose the border: the stride says how far apart places are
            assert images.shape[2:] == (SHAPE[1] // stage.gives.stride, SHAPE[2] // stage.gives.stride)
    assert all(torch.equal(one, other) for one, other in zip(features, expected, strict=True))
    assert backbone.features == tuple(stage.gives for stage in stages if stage.is_feature)
    assert stages[-1].is_feature
    in_stages = [id(parameter) for stage in stages for parameter in stage.parameters()]
    assert in_stages == [id(parameter) for parameter in backbone.parameters()]
    assert backbone.gives_map == (backbone.features[-1].stride is not None)
    assert all(backbone.get_parameter(key) is parameter for key, parameter in backbone.named_parameters())


NAMES = {
    "small_cnn": ["stages.0", "stages.1", "stages.2"],
    "mlp": ["layers.1", "layers.3"],
    "lenet": ["layers.0", "layers.3", "layers.8"],
    "resnet18": ["stem", "stages.0", "stages.1", "stages.2", "stages.3"],
}


@pytest.mark.parametrize("name", list(NAMES))
def test_stages_are_named_by_the_path_of_their_tensors(name):
    """Checkpoints, exported folders and curves of earlier versions hold these names."""
    backbone = made(name, {}, device="meta")
    assert [stage.name for stage in backbone.stages] == NAMES[name]
    names = {id(parameter): key for key, parameter in backbone.named_parameters()}
    for stage in backbone.stages:
        assert all(names[id(parameter)].startswith(f"{stage.name}.") for parameter in stage.parameters())


@every_backbone
def test_building_one_fetches_and_loads_nothing(name, options, monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError("a backbone reads or fetches something when it is built")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    assert all(parameter.is_meta for parameter in made(name, options, device="meta").parameters())


@every_backbone
def test_what_it_does_not_refuse_it_can_take(name, options):
    backbone_class = BACKBONES.load(name)
    every = [(1, 1), (33, 47), (8, 8), (15, 40), (16, 16), (40, 17)]
    for sides in every[:2] if name in (*LARGE, "resnet18") else every:  # all of these have the same code for it
        reason = backbone_class.problem(backbone_class.Options(**options), (1, *sides))
        if reason:
            assert f"{sides[0]}x{sides[1]}" in reason, "the problem names the size of the images as HxW"
        else:
            features = made(name, options, (1, *sides), "meta")(torch.zeros(2, 1, *sides, device="meta"))
            assert all(min(feature.shape) > 0 for feature in features)
    assert bool(BACKBONES.load("lenet").problem(BACKBONES.load("lenet").Options(), (1, 15, 40)))


class InOnePiece(Backbone):
    """As a backbone from elsewhere may be: its own forward, and no stages."""

    title = summary = "In one piece"
    gives_map = True
    Options = BackboneOptions

    def __init__(self, options, image_shape, features=1):
        super().__init__()
        self.first, self.second = nn.Conv2d(image_shape[0], 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.features = (FeatureInfo(4, 1), FeatureInfo(6, 1))[-features:]

    def forward(self, images):
        first = self.first(images)
        return [first, self.second(first)][-len(self.features) :]


def test_a_network_in_one_piece_is_one_stage():
    backbone = InOnePiece(BackboneOptions(), SHAPE)
    [stage] = backbone.stages
    images = torch.randn(2, *SHAPE)
    assert torch.equal(stage(images), backbone(images)[0])
    assert stage.gives == backbone.features[-1]
    assert {id(parameter) for parameter in stage.parameters()} == {id(parameter) for parameter in backbone.parameters()}
    with pytest.raises(NotImplementedError, match="several features and no stages"):
        InOnePiece(BackboneOptions(), SHAPE, features=2).stages[0](images)
    model = HardSharing(lambda: InOnePiece(BackboneOptions(), SHAPE, features=2), {}, SharingOptions())
    assert [group.name for group in model.groups()] == ["network"]


def test_neither_stages_nor_forward_is_said_in_words():
    class Empty(Backbone):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no stages; call set_stages"):
        Empty()(torch.zeros(1, *SHAPE))


def test_a_stage_becomes_a_part_under_its_name():
    class Two(Backbone):
        def __init__(self):
            super().__init__()
            stem = Stage("stem", FeatureInfo(2, 1), nn.Conv2d(1, 2, 1), is_feature=False)
            self.set_stages([stem, Stage("blocks.late", FeatureInfo(3, 1), nn.Conv2d(2, 3, 1))])

    backbone = Two()
    assert list(backbone.state_dict()) == ["stem.0.weight", "stem.0.bias", "blocks.late.0.weight", "blocks.late.0.bias"]
    assert backbone.features == (FeatureInfo(3, 1),)
    assert [feature.shape for feature in backbone(torch.zeros(2, 1, 4, 4))] == [(2, 3, 4, 4)]


RUN = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "epochs": 2,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "device": "cpu",
}


def test_pretrained_values_are_loaded_once_by_build_before_a_checkpoint(tmp_path, shared_cache, monkeypatch):
    calls = []

    def load_pretrained(self, cache, progress=None):
        calls.append(cache)
        with torch.no_grad():
            self.stages[0][0].weight.fill_(0.25)

    monkeypatch.setattr(SmallCNN, "load_pretrained", load_pretrained)
    config = RunConfig.from_dict(RUN)
    assert problems(config) == []
    assert parameter_counts(config)["shared"] > 0
    assert calls == []  # a check needs no numbers
    setup = building.build(resolve(config), shared_cache)
    assert calls == [shared_cache]
    assert bool((setup.network.model.backbone.stages[0][0].weight == 0.25).all())

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    calls.clear()
    run(config, whole, shared_cache)
    assert calls == [shared_cache]
    run(config, parts, shared_cache, stop_at=3)
    run(config, parts, shared_cache)
    assert len(calls) == 3
    weights, resumed = (load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors") for folder in (whole, parts))
    assert all(torch.equal(weights[name], resumed[name]) for name in weights)


def run(config, folder, cache, stop_at=None):
    folder.mkdir(exist_ok=True)
    control = Control()
    for event in train(config, folder, cache, control):
        if isinstance(event, StepScalars) and event.step == stop_at:
            control.stop()
