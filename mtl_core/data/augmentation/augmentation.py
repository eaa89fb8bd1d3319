"""Augmentation: parent of the random changes of a training batch and its targets. One augmentation is one file in this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, create_model
from torch import Tensor

from mtl_core.config_sections import AugmentationConfig
from mtl_core.data.dataset import LEAST_KEPT, PADDING, Task
from mtl_core.data.moves import Move, moved
from mtl_core.data.target_geometry import MAPS, VECTORS, geometry_of, moved_numbers

Drawn = dict[str, np.ndarray]


@dataclass(frozen=True)
class Mix:
    """Blended images (mixup).

    Attributes:
        share: the image's own share in 0..1; the rest is its partner's.
        partner: int64 (n,), row in the batch of each image's partner.
    """

    share: float
    partner: Tensor


@dataclass
class Sample:
    """Images and targets that the augmentations change in place.

    Attributes:
        images: (n, C, H, W) in 0..255, uint8 or float32.
        targets: target name -> rows, in the types of ``dataset``'s table.
        mean: (1, C, 1, 1) in 0..255, the mean of the training images.
        tasks: target -> a task that reads it, whose geometry says how it moves (``target_geometry``). Without a task the target's shape decides.
        mix: set by an augmentation that blends images.
    """

    images: Tensor
    targets: dict[str, Tensor]
    mean: Tensor
    mix: Mix | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[2], self.images.shape[3]

    def geometry(self, name: str) -> str:
        """A target's geometry, see ``target_geometry``."""
        if name in self.tasks:
            return geometry_of(self.tasks[name])
        target = self.targets[name]
        if target.ndim == 3 and tuple(target.shape[1:]) == self.size:
            return MAPS[1] if target.is_floating_point() else MAPS[0]
        if target.ndim == 4 and target.shape[1] == 3 and tuple(target.shape[2:]) == self.size:
            return VECTORS
        return "boxes" if target.ndim == 3 and target.shape[2] == 5 else "whole"

    def mirror(self, name: str) -> tuple[int, ...]:
        """Of a target of named points: which point stands in the place of each in a mirror."""
        return self.tasks[name].mirror_points if name in self.tasks else ()

    def move(self, move: Move) -> None:
        """Every target follows. The pictures themselves are the augmentation's."""
        before = dict(self.targets)
        for name, target in before.items():
            self.targets[name] = moved(target, self.geometry(name), move, self.mirror(name))
        self.targets |= moved_numbers(before, self.tasks, move.forward.float(), move.old, move.new, move.mirrored)


class AugmentationOptions(BaseModel):
    """Parent of an augmentation's options. With the default of every field the augmentation is off."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Augmentation(ABC):
    """One random change.

    ``title`` and ``summary`` are shown on screen, ``source`` names the paper. The fields of ``Options`` become keys of ``augmentation`` in a config,
    and ``self.options`` has their values. With all of them at 0 or False the augmentation is off. ``follows`` names the geometries
    (``target_geometry.GEOMETRIES``) whose targets it moves or leaves true; tasks of another geometry are refused.

    The first augmentations of this project have ``settings`` instead: names of fields of ``AugmentationConfig``, and their geometries are in
    ``target_geometry.FOLLOWING``. In another package ``settings`` alone are numbers from 0.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str] = ""
    settings: ClassVar[tuple[str, ...]] = ()
    follows: ClassVar[frozenset[str]] = frozenset()
    Options: ClassVar[type[AugmentationOptions] | None] = None
    options: AugmentationOptions

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if cls.Options is not None and not cls.settings:
            cls.settings = tuple(cls.Options.model_fields)

    @classmethod
    def options_model(cls) -> type[BaseModel]:
        """The model that checks the config keys of an augmentation whose settings are no fields of ``AugmentationConfig``."""
        if cls.Options is not None:
            return cls.Options
        fields: dict[str, Any] = {name: (float, Field(0.0, ge=0, description=cls.summary)) for name in cls.settings}
        return create_model(f"{cls.__name__}Options", __base__=AugmentationOptions, **fields)

    def __init__(self, config: AugmentationConfig):
        self.config = config
        if self.Options is not None:
            self.options = self.Options(**{name: getattr(config, name) for name in self.Options.model_fields if hasattr(config, name)})

    @classmethod
    def is_on(cls, config: AugmentationConfig) -> bool:
        """Whether the config switches it on."""
        return any(getattr(config, name, None) for name in cls.settings)  # a config may lack the keys of an installed package

    @classmethod
    def refusal(cls, task: Task) -> str:
        """Why this task's target cannot follow; empty if it can."""
        return ""

    @classmethod
    def remark(cls, config: AugmentationConfig, task: Task) -> str:
        """A remark for users who combine it with this task; empty for none."""
        return ""

    @abstractmethod
    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        """Draw the change of each of ``count`` images of ``size`` (height, width). Depends on ``random`` only, not on the device."""

    @abstractmethod
    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        """Change the sample in place. ``drawn`` is the result of ``draw`` on the sample's device."""


def without_the_cut(boxes: Tensor, left: Tensor, whole: Tensor) -> Tensor:
    """Boxes (n, M, 5) in which a box that keeps less than ``LEAST_KEPT`` of its area is padding.

    Args:
        left, whole: (n, M), area inside the picture, and area before.
    """
    kept = (boxes[..., 4] >= 0) & (left >= LEAST_KEPT * whole)
    return torch.cat([boxes[..., :4].where(kept[..., None], 0), boxes[..., 4].where(kept, PADDING)[..., None]], dim=-1)


def area(corners: Tensor) -> Tensor:
    """Areas of boxes (..., x1 y1 x2 y2): (...)."""
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
