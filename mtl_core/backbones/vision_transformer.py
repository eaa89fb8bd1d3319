"""Vision transformer as a backbone (Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929), with a simple feature pyramid
(Li et al. 2022, https://arxiv.org/abs/2203.16527)."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle
from torchvision import models

from mtl_core.backbones.backbone import Backbone, BackboneOptions, FeatureInfo, Stage
from mtl_core.backbones.published_weights import PublishedWeights, of_torchvision

WIDTHS = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}  # channels and attention heads
DEPTH, STAGES = 12, 4
PUBLISHED_PATCH = 16


class TransformerOptions(BackboneOptions):
    """Options of the vision transformer."""

    size: Literal["tiny", "small", "base"] = Field("tiny", description="'tiny': 5.5 million parameters; 'small': 22 million; 'base': 86 million.")
    patch: Literal[4, 8, 16] = Field(16, description="Side of a patch in pixels: 16 for photographs, 4 or 8 for images up to about 64 pixels.")
    pyramid: bool = Field(
        True,
        description="Two finer maps beside the last one, for tasks with maps or boxes. Without them there is one map, of a pixel for each patch.",
    )


class VisionTransformer(Backbone):
    """Patches as places of a map, 12 transformer blocks in four stages, and a pyramid made of the last map alone.

    Deviations: no class token, the heads pool the map. The pyramid has no coarser level than the patches. Its stages run one after another, so each
    finer map also holds the last map, with its channels laid out over places; the last stage takes it out again.
    """

    title: ClassVar[str] = "ViT"
    summary: ClassVar[str] = (
        "A transformer on patches of the image, with a simple feature pyramid; 5 to 86 million parameters. Learns slowly from few images."
    )
    gives_map: ClassVar[bool] = True
    published: ClassVar[PublishedWeights] = of_torchvision("vit_b_16-c867db91.pth", 330.3)
    Options = TransformerOptions
    options: TransformerOptions

    def __init__(self, options: TransformerOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        (width, heads), patch = WIDTHS[options.size], options.patch
        self.grid = (image_shape[1] // patch, image_shape[2] // patch)
        blocks = [_Block(width, heads) for _ in range(DEPTH)]
        each, map_info = DEPTH // STAGES, FeatureInfo(width, patch)
        stages = [Stage("stem", map_info, _Patches(image_shape[0], width, patch, self.grid), is_feature=False)]
        stages += [Stage(f"stages.{number}", map_info, *blocks[number * each :][:each], is_feature=False) for number in range(STAGES)]
        if options.pyramid:
            stages.append(Stage("pyramid.0", FeatureInfo(width // 4 + width // 16, patch // 4), _Finest(width)))
            stages.append(Stage("pyramid.1", FeatureInfo(width // 2 + width // 4, patch // 2), _Finer(width)))
        last = [_Carried(width), _Normalised(width)] if options.pyramid else [_Normalised(width)]
        stages.append(Stage("last", map_info, *last))
        self.set_stages(stages)
        self.published_names = {name: other for name in self.state_dict() if (other := _published_name(name))}

    @classmethod
    def problem(cls, options: TransformerOptions, image_shape: tuple[int, int, int]) -> str:
        height, width = image_shape[1:]
        if height % options.patch == 0 and width % options.patch == 0:
            return ""
        return (
            f"ViT cuts images into patches of {options.patch} pixels, so height and width must be multiples of {options.patch}; "
            f"found {height}x{width}. Resize the images (data.preprocessing.resize), or take another patch"
        )

    @classmethod
    def published_weights(cls, options: TransformerOptions) -> PublishedWeights | None:
        return cls.published if options.size == "base" and options.patch == PUBLISHED_PATCH else None

    @classmethod
    def unpublished(cls, options: TransformerOptions) -> str:
        if cls.published_weights(options):
            return ""
        found = f"found '{options.size}' and {options.patch}"
        return f"weights of ViT are published for size 'base' and patch 16 only; {found}. Take these, or another backbone"

    def adapted(self, name: str, tensor: Tensor) -> Tensor:
        """The position embedding of another grid is interpolated; that of a class token is left out."""
        if not name.endswith("positions") or tensor.ndim != 3:
            return tensor
        places = tensor[:, 1:] if (tensor.shape[1] - 1) ** 0.5 % 1 == 0 else tensor
        side = round(places.shape[1] ** 0.5)
        plane = places.transpose(1, 2).reshape(1, -1, side, side)
        return interpolate(plane, size=self.grid, mode="bicubic", align_corners=False)


class _Patches(nn.Module):
    """Patches of images (n, C, H, W) as a map (n, width, H / patch, W / patch), with their positions added."""

    def __init__(self, channels: int, width: int, patch: int, grid: tuple[int, int]):
        super().__init__()
        self.project = nn.Conv2d(channels, width, patch, stride=patch)
        fan_in = channels * patch**2
        nn.init.trunc_normal_(self.project.weight, std=fan_in**-0.5)
        assert self.project.bias is not None
        nn.init.zeros_(self.project.bias)
        self.positions = nn.Parameter(torch.empty(1, width, *grid).normal_(std=0.02))

    def forward(self, images: Tensor) -> Tensor:
        return self.project(images) + self.positions


class _Block(nn.Module):
    """A transformer block on the places of a map (n, C, H, W)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.block = models.vision_transformer.EncoderBlock(
            heads, width, 4 * width, dropout=0.0, attention_dropout=0.0, norm_layer=partial(nn.LayerNorm, eps=1e-6)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.block(images.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(images.shape)


class _Normalised(nn.LayerNorm):
    """Layer normalisation over the channels of a map (n, C, H, W)."""

    def __init__(self, width: int):
        super().__init__(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()


class _Finest(nn.Module):
    """A map (n, C, h, w) -> (n, C / 4 + C / 16, 4h, 4w): two transposed convolutions, and the map itself laid out over 4x4 places."""

    def __init__(self, width: int):
        super().__init__()
        self.enlarge = nn.Sequential(
            nn.ConvTranspose2d(width, width // 2, 2, stride=2),
            _Normalised(width // 2),
            nn.GELU(),
            nn.ConvTranspose2d(width // 2, width // 4, 2, stride=2),
        )

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.enlarge(images), pixel_shuffle(images, 4)], dim=1)


class _Finer(nn.Module):
    """The output of ``_Finest`` -> (n, C / 2 + C / 4, 2h, 2w), made of the map that it carries."""

    def __init__(self, width: int):
        super().__init__()
        self.carried = width // 16
        self.enlarge = nn.ConvTranspose2d(width, width // 2, 2, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        last = pixel_unshuffle(images[:, -self.carried :], 4)
        return torch.cat([self.enlarge(last), pixel_shuffle(last, 2)], dim=1)


class _Carried(nn.Module):
    """The map (n, C, h, w) that the output of ``_Finer`` carries."""

    def __init__(self, width: int):
        super().__init__()
        self.carried = width // 4

    def forward(self, images: Tensor) -> Tensor:
        return pixel_unshuffle(images[:, -self.carried :], 2)


def _published_name(name: str) -> str:
    """The name of a tensor in torchvision's files; empty for one of the pyramid."""
    stage, *rest = name.split(".")
    if stage == "stem":
        return {"project.weight": "conv_proj.weight", "project.bias": "conv_proj.bias", "positions": "encoder.pos_embedding"}[".".join(rest[1:])]
    if stage == "stages":
        number, place, _, *inner = rest
        return f"encoder.layers.encoder_layer_{int(number) * (DEPTH // STAGES) + int(place)}.{'.'.join(inner)}"
    return f"encoder.ln.{rest[-1]}" if stage == "last" else ""
