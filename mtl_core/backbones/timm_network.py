"""A network of the package timm as a backbone, by its name there (Wightman 2019, https://github.com/huggingface/pytorch-image-models).

Listed where timm is installed. Every network fits that timm builds with ``features_only``. Where its layers run one after another (ResNet, RegNet,
ConvNeXt, DenseNet, EfficientNet, MobileNet, Swin and many more) it is cut into stages. Any other network (ViT, HRNet) is one stage, so of the sharing
schemes only those without cuts take it, unless it has one feature. Building a network fetches nothing.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.backbones.cut_network import PROBE, CutNetwork, CutOptions, first_convolution
from mtl_core.backbones.published_weights import PublishedWeights, of_hub

CURE = "Take another network, such as resnet18 or convnext_atto"


class TimmOptions(CutOptions):
    """Options of a network of timm."""

    model: str = Field("mobilenetv3_small_100", max_length=100, description="Name of the network in timm, such as regnety_002 or convnext_atto.")


class TimmNetwork(CutNetwork):
    """The layers of a network of timm, cut where the maps get smaller. The heads read the maps before each cut, but no stem.

    Of a network that is no chain of layers the heads read the last map of each stride that ``features_only`` gives. Networks whose position
    embeddings belong to a size of images (ViT, Swin) are built for the run's images. Maps inside a ViT are not normalised.
    """

    title: ClassVar[str] = "timm"
    summary: ClassVar[str] = "A network of the package timm, by its name there."
    Options = TimmOptions
    options: TimmOptions

    @classmethod
    def problem(cls, options: TimmOptions, image_shape: tuple[int, int, int]) -> str:
        if unknown := _unknown(options.model):
            return unknown
        if options.small_images and _has_places(options.model):
            return f"small_images does not fit timm's '{options.model}', whose position embeddings belong to its patches. Set it to false"
        look = _look(options.model, _sides(options.model, image_shape))
        if look.problem or look.is_chain:
            return look.problem or super().problem(options, image_shape)
        return _look(options.model, image_shape[1:]).problem

    def __init__(self, options: TimmOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        channels, sides = image_shape[0], _sides(options.model, image_shape)
        network = _network(options.model, channels, sides)
        first_convolution(network, channels, stride=1 if options.small_images else None)
        look = _look(options.model, sides)
        if look.problem:
            raise ValueError(look.problem)
        self._read: tuple[int, ...] = ()
        if look.is_chain:
            self.cut(network, _parts(network), channels, sides)
        else:
            self.network = network
            finer = 2 if options.small_images else 1
            self.features = tuple(FeatureInfo(info.channels, (info.stride or 1) // finer) for info in look.features)
            self._read = look.read
        self.remember_names(getattr(network, "model", network))
        known = _file_tensors(options.model)
        self.published_names = {own: found for own, name in self.published_names.items() if (found := _unflattened(name, known))}

    @classmethod
    def published_weights(cls, options: TimmOptions) -> PublishedWeights | None:
        return None if _unknown(options.model) else _published(options.model)

    @classmethod
    def unpublished(cls, options: TimmOptions) -> str:
        if _unknown(options.model) or _published(options.model):
            return ""
        return f"timm names no weights of '{options.model}' on the Hugging Face Hub. Take none, a file or a run, or another network"

    def adapted(self, name: str, tensor: Tensor) -> Tensor:
        """Position embeddings are interpolated to this network's grid, as timm does it."""
        from timm.layers.pos_embed import resample_abs_pos_embed  # pyright: ignore[reportMissingImports]  # an extra
        from timm.layers.pos_embed_rel import resize_rel_pos_bias_table  # pyright: ignore[reportMissingImports]  # an extra

        path, _, last = name.rpartition(".")
        owner: Any = self.get_submodule(path)
        own = getattr(owner, last)
        if own.shape == tensor.shape:
            return tensor
        if last == "relative_position_bias_table":
            return resize_rel_pos_bias_table(tensor, new_window_size=owner.window_size, new_bias_shape=own.shape)
        if last == "pos_embed" and tensor.ndim == 3 and hasattr(owner, "patch_embed"):
            before = getattr(owner, "num_prefix_tokens", 0) if not getattr(owner, "no_embed_class", False) else 0
            return resample_abs_pos_embed(tensor, new_size=list(owner.patch_embed.grid_size), num_prefix_tokens=before)
        return tensor

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images (n, C, H, W) -> features in the order of ``self.features``, finest first."""
        if not self._read:
            return super().forward(images)
        found = _maps(self.network, images)
        return [found[place] for place in self._read]


@dataclass(frozen=True)
class _Look:
    """What a trial of a network of timm has shown.

    Attributes:
        problem: why it is no backbone here; empty if it is one.
        is_chain: whether its layers run one after another.
        features: of a network that is no chain, its maps; read: their places among those that timm gives.
    """

    problem: str = ""
    is_chain: bool = False
    features: tuple[FeatureInfo, ...] = ()
    read: tuple[int, ...] = ()


@lru_cache(maxsize=32)  # a form asks again with every change
def _look(model: str, sides: tuple[int, int]) -> _Look:
    """Build a network and run it on a random image of these sides."""
    try:
        with torch.no_grad(), torch.device("cpu"), torch.random.fork_rng(devices=[]):  # also while a network is built on the meta device
            network = _network(model, 3, sides).eval()
            places = [tensor.data_ptr() for tensor in network.state_dict().values() if tensor.numel()]
            if len(set(places)) < len(places):  # safetensors refuses it
                return _Look(f"timm's '{model}' uses some weights in two places, which no checkpoint here can hold. {CURE}")
            images = torch.rand(1, 3, *sides)
            maps = _maps(network, images)
            if is_chain := _runs_in_turn(network, images, maps[-1]):
                return _Look(is_chain=is_chain)
    except Exception as error:
        said = " ".join(str(error).split())
        return _Look(f"timm's '{model}' gives no features of images of {sides[0]}x{sides[1]} pixels ({type(error).__name__}: {said}). {CURE}")
    if any(each.ndim != 4 or min(each.shape) < 1 for each in maps):
        return _Look(f"timm's '{model}' gives no maps, but tensors of shape {tuple(maps[-1].shape)}. {CURE}")
    infos = [FeatureInfo(each.shape[1], sides[0] // each.shape[2]) for each in maps]
    strides = [info.stride or 1 for info in infos]
    if strides != sorted(strides):
        return _Look(f"the maps of timm's '{model}' do not get smaller from one to the next (strides {strides}). {CURE}")
    last = {stride: place for place, stride in enumerate(strides)}
    read = [place for stride, place in last.items() if stride >= 4 or stride == strides[-1]]  # as in chains, where finer maps are a stem
    return _Look(features=tuple(infos[place] for place in read), read=tuple(read))


def _unknown(model: str) -> str:
    """Why timm has no network of this name; empty if it has."""
    import timm  # pyright: ignore[reportMissingImports]  # an extra

    known = timm.list_models()
    if model.partition(".")[0] in known:
        return ""
    close = difflib.get_close_matches(model, known, n=1)
    return f"timm {timm.__version__} has no network '{model}'" + (f"; did you mean '{close[0]}'?" if close else "")


def _has_places(model: str) -> bool:
    """Whether a network is built for one size of images."""
    import timm  # pyright: ignore[reportMissingImports]  # an extra

    described = timm.models.get_pretrained_cfg(model)
    return bool(described and described.fixed_input_size)


def _sides(model: str, image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of the images with which a network is tried: those of the run where it is built for them, or takes no small ones."""
    return image_shape[1:] if _has_places(model) or _look(model, (PROBE, PROBE)).problem else (PROBE, PROBE)


def _network(model: str, channels: int, sides: tuple[int, int]) -> nn.Module:
    import timm  # pyright: ignore[reportMissingImports]  # an extra

    device = torch.get_default_device()
    sized: dict[str, Any] = {"img_size": sides} if _has_places(model) else {}
    with torch.device("cpu"), torch.random.fork_rng(devices=[], enabled=device.type == "meta"):  # timm computes with values, which meta has not
        return timm.create_model(model, pretrained=False, features_only=True, in_chans=channels, **sized).to(device)


def _maps(network: Any, images: Tensor) -> list[Tensor]:
    """What a network of timm gives, with channels first."""
    found = network(images)
    return [each.permute(0, 3, 1, 2).contiguous() for each in found] if _channels_last(network) else list(found)


def _channels_last(network: Any) -> bool:
    return str(getattr(getattr(network, "output_fmt", None), "value", "NCHW")) == "NHWC"


def _runs_in_turn(network: nn.Module, images: Tensor, expected: Tensor) -> bool:
    """Whether the layers, one after another, give the network's last map. A layer that takes something else than a tensor says no."""
    parts, found = _parts(network), images
    try:
        for part in parts:
            found = part(found)
            if not isinstance(found, Tensor) or found.ndim != 4:
                return False
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, NotImplementedError):
        return False
    return bool(parts) and found.shape == expected.shape and torch.allclose(found, expected, atol=1e-5)


def _parts(network: Any) -> Sequence[nn.Module]:
    """The layers that may run one after another; none where the network is no such chain."""
    from timm.models._features import FeatureListNet  # pyright: ignore[reportMissingImports]  # an extra

    if isinstance(network, FeatureListNet):
        layers = list(network.children())
        if _channels_last(network):
            return [_ChannelsFirst(layer, from_last=place > 0) for place, layer in enumerate(layers)]
        return layers
    if all(hasattr(network, part) for part in ("conv_stem", "bn1", "blocks")):  # EfficientNet, MobileNet
        return [network.conv_stem, network.bn1, *([network.act1] if hasattr(network, "act1") else []), *network.blocks]
    return []


class _ChannelsFirst(nn.Sequential):
    """A layer that gives channels last, from maps (n, C, H, W) or images to maps."""

    def __init__(self, layer: nn.Module, from_last: bool):
        super().__init__(layer)
        self.from_last = from_last

    def forward(self, images: Tensor) -> Tensor:
        return self[0](images.permute(0, 2, 3, 1) if self.from_last else images).permute(0, 3, 1, 2).contiguous()


@lru_cache(maxsize=32)
def _file_tensors(model: str) -> dict[str, int]:
    """Name -> size of the tensors of the whole network, which is what timm's files hold."""
    import timm  # pyright: ignore[reportMissingImports]  # an extra

    try:
        with torch.device("meta"):
            whole = timm.create_model(model, pretrained=False)
    except (RuntimeError, NotImplementedError):  # it computes with values
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            whole = timm.create_model(model, pretrained=False)
    return {name: tensor.numel() for name, tensor in whole.state_dict().items()}


def _unflattened(name: str, known: Collection[str]) -> str:
    """The name in timm's files of a tensor whose network ``features_only`` has flattened: ``stages_0.x`` is ``stages.0.x`` there; empty for none."""
    first, _, rest = name.partition(".")
    places = [place for place, letter in enumerate(first) if letter == "_"]
    ways = [name, *(f"{first[:place]}.{first[place + 1 :]}.{rest}" for place in places)]
    return next((way for way in ways if way in known), "")


@lru_cache(maxsize=32)
def _published(model: str) -> PublishedWeights | None:
    """The weights that timm names for a network on the Hugging Face Hub, where it names some."""
    import timm  # pyright: ignore[reportMissingImports]  # an extra

    described = timm.models.get_pretrained_cfg(model)
    if described is None or not described.hf_hub_id:
        return None
    side = described.input_size[-1]
    return of_hub(
        described.hf_hub_id,
        described.hf_hub_filename or "model.safetensors",
        megabytes=math.ceil(4 * sum(_file_tensors(model).values()) / 1e6),  # four bytes a number
        trained_on=f"{described.tag or 'no tag'} in timm, {side} pixels",
        licence=described.license,
        mean=described.mean,
        std=described.std,
    )
