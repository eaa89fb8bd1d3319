"""Rotation: predicts by which quarter turn the image was turned.

Source: Gidaris, Singh and Komodakis 2018, "Unsupervised Representation Learning by Predicting Image Rotations"
(https://arxiv.org/abs/1803.07728).

Deviations: one random turn per image by default, where the paper shows every image in all four turns (``all_turns``), which costs four forward
passes. Of an image that is not square the largest central square is turned, and the rest has the mean colour.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.data.dataset import Task
from mtl_core.tasks.kind import KindOptions
from mtl_core.tasks.pretext.pretext_class import PretextClass
from mtl_core.tasks.pretext.self_supervised import View

TURNS = ("0°", "90°", "180°", "270°")


class RotationOptions(KindOptions):
    """Options of rotation."""

    all_turns: bool = Field(False, description="Show every image in all four turns, as in the paper: four times the work, steadier gradients.")


class Rotation(PretextClass):
    """Cross-entropy over four quarter turns, counter-clockwise."""

    title: ClassVar[str] = "Rotation"
    summary: ClassVar[str] = "Predicts by which quarter turn the image was turned, which requires recognising its content."
    Options = RotationOptions
    options: RotationOptions

    @classmethod
    def task_of(cls, name: str, options: KindOptions) -> Task:
        return Task(name, name, f"made/{name}", classes=TURNS, title=cls.title)

    def view(self, images: Tensor, generator: torch.Generator) -> View:
        count = len(images)
        if self.options.all_turns:
            turns = torch.arange(4).repeat_interleave(count)
            images = images.repeat(4, 1, 1, 1)
        else:
            turns = torch.randint(4, (count,), generator=generator)
        turns = turns.to(images.device)
        height, width = images.shape[2:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = images[:, :, top : top + side, left : left + side]
        turned = torch.zeros_like(images)
        choices = torch.stack([torch.rot90(square, turn, (2, 3)) for turn in range(4)])
        turned[:, :, top : top + side, left : left + side] = choices[turns, torch.arange(len(turns), device=turns.device)]
        return View(turned, turns)
