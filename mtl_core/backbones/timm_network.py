"""A network of the package timm as a backbone, by its name there (Wightman 2019, https://github.com/huggingface/pytorch-image-models).

Listed where timm is installed. Networks whose parts run one after another on maps fit: timm's ``features_only`` networks that are lists of layers
(ResNet, RegNet, ConvNeXt, DenseNet and many more), and those of the EfficientNet and MobileNet families. Others are refused in words. Weights are
not fetched: timm's files open with ``weights: file``.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import nn

from mtl_core.backbones.cut_network import PROBE, CutNetwork, CutOptions, first_convolution


class TimmOptions(CutOptions):
    """Options of a network of timm."""

    model: str = Field("mobilenetv3_small_100", max_length=100, description="Name of the network in timm, such as regnety_002 or convnext_atto.")


class TimmNetwork(CutNetwork):
    """The layers of a network of timm, cut where the maps get smaller. The heads read the maps before each cut, but no stem."""

    title: ClassVar[str] = "timm"
    summary: ClassVar[str] = "A network of the package timm, by its name there."
    Options = TimmOptions
    options: TimmOptions

    @classmethod
    def problem(cls, options: TimmOptions, image_shape: tuple[int, int, int]) -> str:
        return _unfit(options.model) or super().problem(options, image_shape)

    def __init__(self, options: TimmOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        network = _network(options.model)
        first_convolution(network, image_shape[0], stride=1 if options.small_images else None)
        self.cut(network, _parts(network), image_shape[0])


@lru_cache(maxsize=32)  # a form asks again with every change
def _unfit(model: str) -> str:
    """Why a model of timm is no backbone here; empty if it is one."""
    import timm  # pyright: ignore[reportMissingImports]  # an extra

    known = timm.list_models()
    if model.partition(".")[0] not in known:
        close = difflib.get_close_matches(model, known, n=1)
        return f"timm {timm.__version__} has no network '{model}'" + (f"; did you mean '{close[0]}'?" if close else "")
    cure = "Take a convolutional network, such as resnet18 or convnext_atto"
    try:
        with torch.no_grad(), torch.device("cpu"), torch.random.fork_rng(devices=[]):  # also while a network is built on the meta device
            network = _network(model).eval()
            if not _parts(network):
                return f"timm's '{model}' is no chain of layers ({type(network).__name__}). {cure}"
            images = torch.rand(1, 3, PROBE, PROBE)
            found, expected = images, network(images)[-1]
            for part in _parts(network):
                found = part(found)
            is_chain = found.shape == expected.shape and torch.allclose(found, expected, atol=1e-5)
    except Exception as error:
        return f"timm's '{model}' cannot be cut into stages ({type(error).__name__}: {error}). {cure}"
    return "" if is_chain else f"timm's '{model}' does more than run its layers one after another ({type(network).__name__}). {cure}"


def _network(model: str) -> nn.Module:
    import timm  # pyright: ignore[reportMissingImports]  # an extra

    device = torch.get_default_device()
    with torch.device("cpu"), torch.random.fork_rng(devices=[], enabled=device.type == "meta"):  # timm computes with values, which meta has not
        return timm.create_model(model, pretrained=False, features_only=True).to(device)


def _parts(network: Any) -> Sequence[nn.Module]:
    """The layers that run one after another; none where the network is not such a chain."""
    from timm.models._features import FeatureListNet  # pyright: ignore[reportMissingImports]  # an extra

    if isinstance(network, FeatureListNet):
        return list(network.children())
    if all(hasattr(network, part) for part in ("conv_stem", "bn1", "blocks")):  # EfficientNet, MobileNet
        return [network.conv_stem, network.bn1, *([network.act1] if hasattr(network, "act1") else []), *network.blocks]
    return []
