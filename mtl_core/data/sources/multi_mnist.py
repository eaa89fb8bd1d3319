"""MultiMNIST: two of MNIST's digits laid over each other, one task each. After Sener and Koltun 2018 (https://arxiv.org/abs/1810.04650, section 5.1
and the authors' code), who follow Sabour et al. 2017.

Deviations from the authors' code: an image is never paired with itself; val is cut from the training file (theirs has none), and each split pairs
its own digits only; the second digit is drawn with a seed; brightness is unchanged (theirs stretches each image to 0..255, which changes only
images without a fully bright pixel).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from mtl_core.data.data_source import DataSource, Progress
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.sources.digit_pixels import DIGIT_NAMES, UPRIGHT
from mtl_core.data.sources.mnist import MNIST, MNISTOptions
from mtl_core.errors import DataError

COMPOSITION = 1  # raise it when the same options give other images
SIDE, CANVAS = 28, 36
_SPLITS = ("train", "val", "test")
_NEAREST = ((np.arange(SIDE) + 0.5) * CANVAS / SIDE).astype(int)  # the canvas pixel under the centre of each pixel of the image


class MultiMNISTOptions(MNISTOptions):
    """Options of ``multi_mnist``."""

    offset: int = Field(
        6,
        ge=0,
        le=CANVAS - SIDE,
        description="How far right of and below the first digit the second one lies on the canvas of 36x36 pixels, which is then made 28x28. "
        "The authors' code has 6; 8 is the corner.",
        json_schema_extra={"unit": "pixels"},
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Which second digit each image gets.")


class MultiMNIST(DataSource):
    """Every digit of MNIST on the left, with another digit of the same split on the right."""

    title = "MultiMNIST (28x28)"
    summary = "Two of MNIST's digits over each other, the left one and the right one: the classic test of balancing methods."
    Options = MultiMNISTOptions
    options: MultiMNISTOptions

    def __init__(self, options: MultiMNISTOptions):
        super().__init__(options)
        self.singles = MNIST(MNISTOptions(**options.model_dump(include=set(MNISTOptions.model_fields))))

    def tasks(self) -> tuple[Task, ...]:
        return tuple(
            Task(side, "classification", side, DIGIT_NAMES, title=f"Which digit is on the {side}", spoiled_by=("flip",), rotation_up_to=UPRIGHT)
            for side in ("left", "right")
        )

    def image_shape(self) -> tuple[int, int, int]:
        return self.singles.image_shape()

    def split_sizes(self) -> dict[str, int]:
        return self.singles.split_sizes()

    def problems(self) -> list[tuple[str, str]]:
        return [*self.singles.problems(), *self._alone()]

    def to_fetch(self) -> tuple[Path, int] | None:
        return self.singles.to_fetch()

    def cache_key(self) -> dict[str, Any]:
        return {**self.singles.cache_key(), "offset": self.options.offset, "seed": self.options.seed, "composition": COMPOSITION}

    def partners(self, split: str) -> np.ndarray:
        """For each image of the split, the position in the same split of its right digit; never its own."""
        count = self.split_sizes()[split]
        drawn = np.random.default_rng([self.options.seed, _SPLITS.index(split)]).integers(count - 1, size=count)
        return drawn + (drawn >= np.arange(count))

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        pixels, digits = self.singles.digits(split, progress)
        for _, sentence in self._alone():
            raise DataError(sentence)
        progress(0.5, f"composing {len(pixels):,} pairs of digits")
        partners = self.partners(split)
        images = overlaid(pixels, pixels[partners], self.options.offset)[:, None]
        progress(1.0, f"{len(images):,} images")
        known = np.ones(len(images), bool)
        return MultiTaskDataset(images, {"left": digits, "right": digits[partners]}, {"left": known, "right": known.copy()})

    def _alone(self) -> list[tuple[str, str]]:
        """Problems of splits with a single digit, which has no partner."""
        alone = [split for split, size in self.split_sizes().items() if size == 1]
        return [(f"{split}_size", f"{split} has 1 digit, but an image needs two different ones; take at least 2") for split in alone]


def overlaid(left: np.ndarray, right: np.ndarray, offset: int) -> np.ndarray:
    """uint8 (N, 28, 28) twice -> uint8 (N, 28, 28): the maximum of the two at each pixel of the canvas, which is then shrunk.

    The canvas is shrunk with nearest neighbour, as in the authors' code: some of its rows and columns are left out.
    """
    canvas = np.zeros((len(left), CANVAS, CANVAS), np.uint8)
    canvas[:, :SIDE, :SIDE] = left
    place = canvas[:, offset : offset + SIDE, offset : offset + SIDE]
    np.maximum(place, right, out=place)
    return canvas[:, _NEAREST[:, None], _NEAREST]
