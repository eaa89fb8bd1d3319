"""Jigsaw: predicts the order of an image's shuffled pieces.

Source: Noroozi and Favaro 2016, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles"
(https://arxiv.org/abs/1603.09246). The permutations are chosen as in the paper, each new one with the largest Hamming distance from the earlier ones.
Pieces are smaller than their cells and lie in them at random, so that matching edges do not reveal the order.

Deviations: the pieces form one picture, which goes through the shared backbone like any other (as in Carlucci et al. 2019,
https://arxiv.org/abs/1903.06864), where the paper sends each piece through its own branch; pieces are not normalised one by one.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from mtl_core.data.dataset import Task
from mtl_core.tasks.kind import KindOptions
from mtl_core.tasks.pretext.pretext_class import PretextClass
from mtl_core.tasks.pretext.self_supervised import View

SMALLEST_CELL = 4  # pixels
_CANDIDATES = 4096  # permutations of 9 pieces among which is chosen; for 4 pieces all 24


class JigsawOptions(KindOptions):
    """Options of the jigsaw."""

    grid: int = Field(2, ge=2, le=3, description="Pieces in a row and in a column; the paper uses 3.")
    permutations: int = Field(24, ge=2, le=100, description="Number of orders, chosen to differ as much as possible; a grid of 2 has 24 in all.")
    gap: int = Field(1, ge=0, le=16, description="Pixels by which a piece is smaller than its cell; its place in the cell is random.")


class Jigsaw(PretextClass):
    """Cross-entropy over a fixed set of orders of the pieces."""

    title: ClassVar[str] = "Jigsaw"
    summary: ClassVar[str] = "Predicts the order of the image's shuffled pieces."
    Options = JigsawOptions
    options: JigsawOptions

    @classmethod
    def task_of(cls, name: str, options: JigsawOptions) -> Task:
        classes = tuple(" ".join(str(piece + 1) for piece in order) for order in orders(options.grid, options.permutations).tolist())
        return Task(name, name, f"made/{name}", classes=classes, title=cls.title)

    @classmethod
    def misfit(cls, options: JigsawOptions, image_shape: tuple[int, int, int]) -> str:
        side = min(image_shape[1:])
        smallest = options.grid * (SMALLEST_CELL + options.gap)
        if side >= smallest:
            return ""
        *others, last = cls._ways_out(options, side)
        ways = f"{', '.join(others)} or {last}" if others else last
        return (
            f"{options.grid} x {options.grid} pieces with a gap of {options.gap} need images of at least {smallest} x {smallest} pixels, "
            f"found {image_shape[1]} x {image_shape[2]}. Take {ways}"
        )

    @staticmethod
    def _ways_out(options: JigsawOptions, side: int) -> list[str]:
        """Changes of which each alone makes the pieces fit. Larger images always do; a smaller gap or grid does not on every image."""
        ways = ["larger images"]
        widest, widest_of_two = side // options.grid - SMALLEST_CELL, side // 2 - SMALLEST_CELL
        if widest >= 0:
            ways.append(f"a gap of at most {widest}")
        if options.grid > 2 and widest_of_two >= 0:
            ways.append("a grid of 2" if widest_of_two >= options.gap else f"a grid of 2 with a gap of at most {widest_of_two}")
        return ways

    def view(self, images: Tensor, generator: torch.Generator) -> View:
        grid, gap, count = self.options.grid, self.options.gap, len(images)
        channels, height, width = images.shape[1:]
        table = orders(grid, self.options.permutations)
        chosen = torch.randint(len(table), (count,), generator=generator)
        offsets = torch.randint(gap + 1, (2, count, grid * grid, 2), generator=generator)  # where a piece is cut, and where it is placed
        rows, columns = height // grid, width // grid
        top, left = (height - grid * rows) // 2, (width - grid * columns) // 2
        device = images.device
        place = torch.arange(grid * grid)
        piece = torch.from_numpy(table)[chosen]  # (n, cells): the piece in each cell
        take, lay = offsets[0].gather(1, piece[..., None].expand(-1, -1, 2)), offsets[1]
        # For each pixel of each cell: whether a piece covers it, and which pixel of the image it shows.
        y, x = torch.arange(rows), torch.arange(columns)
        inner_y, inner_x = y - lay[..., :1], x - lay[..., 1:]  # (n, cells, rows) and (n, cells, columns)
        covered = ((inner_y >= 0) & (inner_y < rows - gap))[..., :, None] & ((inner_x >= 0) & (inner_x < columns - gap))[..., None, :]
        from_y = top + (piece // grid)[..., None] * rows + take[..., :1] + inner_y
        from_x = left + (piece % grid)[..., None] * columns + take[..., 1:] + inner_x
        source = (from_y.clamp(0, height - 1)[..., :, None] * width + from_x.clamp(0, width - 1)[..., None, :]).to(device)
        cells = images.flatten(2).gather(2, source.flatten(1)[:, None].expand(-1, channels, -1)).view(count, channels, grid * grid, rows, columns)
        cells = cells * covered.to(device)[:, None]
        shuffled = torch.zeros_like(images)
        for cell in place.tolist():
            row, column = top + cell // grid * rows, left + cell % grid * columns
            shuffled[:, :, row : row + rows, column : column + columns] = cells[:, :, cell]
        return View(shuffled, chosen.to(device))


@cache
def orders(grid: int, count: int) -> np.ndarray:
    """int64 (K, grid * grid): at most ``count`` orders, the first sorted, each next one with the largest Hamming distance from those before."""
    pieces = grid * grid
    if pieces <= 4:
        every = np.array(list(permutations(range(pieces))))
    else:
        random = np.random.default_rng(0)
        every = np.unique(np.stack([np.arange(pieces), *(random.permutation(pieces) for _ in range(_CANDIDATES))]), axis=0)
    chosen = [0]
    distance = (every != every[0]).sum(axis=1)
    while len(chosen) < min(count, len(every)):
        farthest = int(distance.argmax())
        chosen.append(farthest)
        distance = np.minimum(distance, (every != every[farthest]).sum(axis=1))
    return every[chosen].astype(np.int64)
