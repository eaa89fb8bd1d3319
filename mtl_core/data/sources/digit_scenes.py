"""Real digits composed into small coloured scenes with exact targets of every kind.

The world: a camera looks at a wall 3 m away. Between them, 0.9 to 1.7 m from the camera, hang digits about 1 m tall (0.9 to 1.1), so
one at distance d is half the image height / d tall. Nearer digits are larger, are drawn over farther ones, stand out more (colours fade
towards the wall with distance) and throw their shadow farther. ``depth`` is that distance in metres, the wall's where no digit is.
A digit owns the pixels where its opacity is at least 0.5 and no nearer digit's is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from mtl_core.data.data_source import DataSource, Progress, SourceOptions
from mtl_core.data.dataset import PADDING, MultiTaskDataset, Task
from mtl_core.data.sources.digit_pixels import DIGIT_NAMES, UPRIGHT
from mtl_core.data.sources.digits import load_digits, split_digits
from mtl_core.data.sources.glyphs import cut_out
from mtl_core.data.sources.mnist import ROOT_HELP, fetched
from mtl_core.data.sources.mnist_files import MNISTFiles, mnist_root, root_problem
from mtl_core.data.sources.scene_layout import NEAREST, WALL_DISTANCE, Layout, PlacedDigit, lay_out
from mtl_core.data.sources.scene_painting import paint, paint_walls

COMPOSITION = 2  # raise it when the same options give other scenes
_CHUNK = 128  # scenes whose walls are drawn at random at once
_KEPT_GLYPHS = 4096  # of scikit-learn's digits all; of MNIST's 70,000 few occur twice
_SPLITS = ("train", "val", "test")
_MNIST_VAL = 10_000  # glyphs at the end of MNIST's training file that only val scenes use


class DigitScenesOptions(SourceOptions):
    """What can be chosen about ``digit_scenes``."""

    train_size: int = Field(3000, ge=1, le=100_000, description="Scenes to train on.")
    val_size: int = Field(400, ge=1, le=20_000, description="Scenes for val.")
    test_size: int = Field(400, ge=1, le=20_000, description="Scenes for test.")
    max_digits: int = Field(4, ge=1, le=8, description="Most digits in a scene; 1 to this are equally likely; crowded scenes lose the farthest.")
    image_size: int = Field(64, ge=32, le=128, description="Height and width in pixels.")
    walls: Literal["dark", "any"] = Field(
        "dark", description="'dark': bright digits on dark walls; 'any': also deep colours on light walls, which takes about twice as long to learn."
    )
    glyphs: Literal["digits", "mnist"] = Field("digits", description="Whose digits: scikit-learn's 1,797 (always there) or MNIST's 70,000.")
    root: str = Field("", description=f"Only for MNIST's digits. {ROOT_HELP}", json_schema_extra={"path": True, "shown_when": {"glyphs": ["mnist"]}})
    download: bool = Field(
        True,
        description="Only for MNIST's digits: fetch the files (11 MB) where they are missing.",
        json_schema_extra={"shown_when": {"glyphs": ["mnist"]}},
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Everything random about the scenes.")


@dataclass(frozen=True)
class Scenes:
    """Composed scenes: the data and, for each, how it came about."""

    data: MultiTaskDataset
    layouts: list[Layout]


class DigitScenes(DataSource):
    """Scenes of several overlapping digits: which, how many, where, which pixels, how far."""

    title = "Digit scenes"
    summary = "Real digits composed into coloured scenes, with exact boxes, masks, depth and counts."
    Options = DigitScenesOptions
    is_composed = True
    options: DigitScenesOptions

    def tasks(self) -> tuple[Task, ...]:
        counts = tuple(str(count) for count in range(1, self.options.max_digits + 1))
        return (
            Task("present", "multi_label", "present", DIGIT_NAMES, title="Which digits are there", spoiled_by=("flip",), rotation_up_to=UPRIGHT),
            Task("boxes", "detection", "boxes", DIGIT_NAMES, title="Where each digit is", spoiled_by=("flip",), rotation_up_to=UPRIGHT),
            Task(
                "segments",
                "segmentation",
                "segments",
                ("background", *DIGIT_NAMES),
                title="Which pixels belong to which digit",
                spoiled_by=("flip",),
                rotation_up_to=UPRIGHT,
            ),
            Task("depth", "depth", "depth", unit="m", title="How far each pixel is", value_range=(NEAREST, WALL_DISTANCE)),
            Task(
                "centres",
                "keypoints",
                "centres",
                DIGIT_NAMES,
                title="Where the middle of each digit is, of several the nearest one's",
                spoiled_by=("flip",),
                rotation_up_to=UPRIGHT,
            ),
            Task("count", "regression", "count", unit="digits", title="How many digits", geometry="count"),
            Task("count_class", "classification", "count_class", counts, title="How many digits, as a choice", geometry="count"),
        )

    def image_shape(self) -> tuple[int, int, int]:
        return (3, self.options.image_size, self.options.image_size)

    def split_sizes(self) -> dict[str, int]:
        return {split: getattr(self.options, f"{split}_size") for split in _SPLITS}

    def problems(self) -> list[tuple[str, str]]:
        if self.options.glyphs != "mnist":
            return []
        sentence = root_problem(self.options.root, self.options.download)
        return [("root", sentence)] if sentence else []

    def to_fetch(self) -> tuple[Path, int] | None:
        return self._files().to_fetch() if self.options.glyphs == "mnist" and not self.problems() else None

    def cache_key(self) -> dict[str, Any]:
        key = self.options.model_dump(mode="json", exclude={"root", "download"})
        files = {"files": self._files().identity()} if self.options.glyphs == "mnist" else {}
        return {**key, **files, "composition": COMPOSITION}

    def source_digits(self, split: str) -> np.ndarray:
        """Which source digits the split's scenes are made of: rows of ``load_digits``, or of MNIST's two files one after the other."""
        if self.options.glyphs == "digits":
            return split_digits(load_digits()[1], self.options.seed)[split]
        train, test = (self._files().count(part) for part in ("train", "test"))
        kept = train - min(_MNIST_VAL, train // 2)
        return {"train": np.arange(kept), "val": np.arange(kept, train), "test": np.arange(train, train + test)}[split]

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        return self.compose(split, progress).data

    def compose(self, split: str, progress: Progress) -> Scenes:
        """The split's scenes together with their layouts.

        Raises:
            DataError: MNIST's digits are asked for and can't be had.
        """
        pixels, digits = self._source_pixels(progress)
        usable, count = self.source_digits(split), self.split_sizes()[split]
        random = np.random.default_rng([self.options.seed, 2, _SPLITS.index(split)])
        arrays = _empty_arrays(count, self.options.max_digits, self.options.image_size)
        layouts = []
        cut_out_of = lru_cache(_KEPT_GLYPHS)(lambda row: cut_out(pixels[row]))
        for start in range(0, count, _CHUNK):
            number = min(_CHUNK, count - start)
            walls = paint_walls(random, number, self.options.image_size, self.options.walls)
            for scene, (wall, wall_colour) in enumerate(walls, start):
                wanted = 1 + int(random.integers(self.options.max_digits))
                rows = usable[random.integers(len(usable), size=wanted)]
                layout = lay_out(random, [cut_out_of(row) for row in rows.tolist()], rows, digits[rows], self.options.image_size)
                paint(random, wall, wall_colour, layout, arrays["images"][scene])
                _write_targets(arrays, scene, layout)
                layouts.append(layout)
            progress((start + number) / count, f"{start + number:,} of {count:,} scenes composed")
        images = arrays.pop("images")
        return Scenes(MultiTaskDataset(images, arrays, {name: np.ones(count, bool) for name in arrays}), layouts)

    def _source_pixels(self, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
        if self.options.glyphs == "digits":
            return load_digits()
        files = fetched(self._files(), self.options.download, progress)
        pixels, digits = (np.concatenate([read(part) for part in ("train", "test")]) for read in (files.images, files.digits))
        return pixels, digits

    def _files(self) -> MNISTFiles:
        return MNISTFiles(mnist_root(self.options.root))


def _empty_arrays(count: int, max_digits: int, size: int) -> dict[str, np.ndarray]:
    boxes = np.zeros((count, max_digits, 5), np.float32)
    boxes[..., 4] = PADDING
    return {
        "images": np.zeros((count, 3, size, size), np.uint8),
        "present": np.zeros((count, 10), np.uint8),
        "boxes": boxes,
        "segments": np.zeros((count, size, size), np.uint8),
        "depth": np.full((count, size, size), WALL_DISTANCE, np.float32),
        "centres": np.zeros((count, 10, 3), np.float32),
        "count": np.zeros(count, np.float32),
        "count_class": np.zeros(count, np.int64),
    }


def _write_targets(arrays: dict[str, np.ndarray], row: int, layout: Layout) -> None:
    """Boxes are listed from the nearest digit to the farthest; the rest is drawn the other way round, so that the nearest wins."""
    arrays["count"][row] = len(layout.placed)
    arrays["count_class"][row] = len(layout.placed) - 1
    for place, digit in enumerate(layout.placed):
        arrays["present"][row, digit.digit] = 1
        arrays["boxes"][row, place] = (*digit.box, digit.digit)
    size = arrays["segments"].shape[1]
    for digit in reversed(layout.placed):  # the nearest one of a name comes last
        x1, y1, x2, y2 = digit.box
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        arrays["centres"][row, digit.digit] = (x / size, y / size, _visibility(layout, digit, x, y))
    for digit in reversed(layout.placed):
        arrays["segments"][row][digit.area][digit.shape.mask] = 1 + digit.digit
        arrays["depth"][row][digit.area][digit.shape.mask] = digit.distance


def _visibility(layout: Layout, digit: PlacedDigit, x: float, y: float) -> int:
    """2, or 1 where a nearer digit covers the place."""
    column, row = int(x), int(y)
    for nearer in layout.placed:
        if nearer is digit:
            return 2
        left, top, right, bottom = nearer.box
        if left <= column < right and top <= row < bottom and nearer.shape.mask[row - top, column - left]:
            return 1
    return 2
