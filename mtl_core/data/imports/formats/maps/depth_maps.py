"""Depth: 16-bit PNG or TIFF, npy or PFM, one per picture; numbers times a scale are the unit, some numbers mean "not measured"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
from pydantic import Field

from mtl_core.data.imports.checking.frames import Placement
from mtl_core.data.imports.formats import AmbiguousImageError, Context, Format, FormatOptions, Guess, Targets
from mtl_core.data.imports.formats.maps.mask_files import placed_mask
from mtl_core.data.imports.looking.matching import Matcher
from mtl_core.data.imports.looking.name_roles import Role
from mtl_core.data.imports.looking.number_maps import is_map, read_map
from mtl_core.data.imports.picture_reading import MOST_BYTES, is_picture, open_image
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import Tree, UnreadableError


class DepthOptions(FormatOptions):
    """Options of depth."""

    folder: str = Field("depth", description="Folder of the maps; a part that is '*' stands for any one folder, '' for beside the images.")
    images: str = Field("", description="Folder of the images, empty for any; '*' as in 'folder'.")
    suffix: str = Field("", description="End of a map's stem after the part that it shares with its image, such as '_depth'.")
    prefix: str = Field("", description="Beginning of a map's stem before the shared part.")
    ending: str = Field("", description="File ending of the maps, such as '.npy'; empty for any.")
    image_suffix: str = Field("", description="End of an image's stem after the shared part, such as '_rgb'.")
    image_prefix: str = Field("", description="Beginning of an image's stem before the shared part.")
    task: str = Field("depth", description="Name of the task.")
    scale: float = Field(0.001, gt=0, le=1e6, description="Factor from the numbers in the file to the unit; 0.001 for millimetres to metres.")
    inverse: bool = Field(False, description="The numbers are disparities or inverse depths: depth is scale / number.")
    unit: str = Field("m", max_length=20, description="Unit of the depth.")
    missing: list[float] = Field(
        default_factory=lambda: [0.0], description="Numbers in the file that mean 'no measurement'; NaN and infinity always do."
    )
    lowest: float | None = Field(None, description="Numbers in the file below this mean 'no measurement'; null for no bound.")
    highest: float | None = Field(None, description="Numbers in the file above this mean 'no measurement'; null for no bound.")
    other_size: Literal["refuse", "scale"] = Field(
        "refuse", description="A map of another size than its image is refused, or scaled to it (nearest pixel) where the proportions agree."
    )


@dataclass(frozen=True)
class DepthFile:
    """A depth map in its file, with the values of ``DepthOptions``. ``picture``: (width, height) of the picture once it is known."""

    tree: Tree
    file: str
    scale: float
    missing: tuple[float, ...]
    inverse: bool = False
    bounds: tuple[float, float] = (-np.inf, np.inf)
    scale_size: bool = False
    picture: tuple[int, int] | None = None

    def values(self) -> np.ndarray:
        """float32 (H, W) in the task's unit, NaN = no measurement.

        Raises:
            UnreadableError: the file is not a map of numbers.
        """
        raw = read_map(self.tree.read(self.file, MOST_BYTES), self.file)
        unknown = ~np.isfinite(raw) | np.isin(raw, self.missing) | (raw < self.bounds[0]) | (raw > self.bounds[1])
        if not self.inverse:
            return np.where(unknown, np.nan, raw * self.scale).astype(np.float32)
        unknown |= raw <= 0
        return np.where(unknown, np.nan, self.scale / np.where(unknown, 1.0, raw)).astype(np.float32)

    def at(self, size: tuple[int, int]) -> DepthFile:
        """This map for a picture of ``size`` (width, height)."""
        return replace(self, picture=size)

    def render(self, place: Placement) -> np.ndarray:
        """float32 (H, W) in the frame, NaN = no measurement."""
        return placed_mask(self.values(), self.picture, place, np.nan)


class DepthMaps(Format):
    """Depth maps."""

    title = "Depth maps"
    summary = "A 16-bit image, npy or PFM of distances for each picture."
    Options = DepthOptions
    options: DepthOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        from mtl_core.data.imports.formats.maps.depth_guesses import guesses

        return guesses(context)

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        targets = Targets(options.task, "depth", unit=options.unit)
        role = Role(options.folder.strip("/"), options.prefix, options.suffix, options.ending.lower())
        files = [name for name in context.tree.files if is_map(name) and name not in context.index and role.core(name) is not None]
        matcher = Matcher(context.index.keys, Role(options.images.strip("/"), options.image_prefix, options.image_suffix), files)
        bounds = (-np.inf if options.lowest is None else options.lowest, np.inf if options.highest is None else options.highest)
        for file in files:
            rest, core = cast("tuple[str, str]", role.core(file))
            try:
                key = matcher.find(file, role.place(file), core)
            except AmbiguousImageError as error:
                context.findings.add("skipped", "ambiguous_image", file, str(error), options.task)
                continue
            if key is None:
                name = f"{rest}/{core}".strip("/")
                context.findings.add("skipped", "missing_image", file, f"no usable image '{name}' among the {len(context.index):,}", options.task)
            elif key in targets.values:
                context.findings.add("skipped", "duplicate", file, f"a second map of '{key}'; the first is used", options.task)
            else:
                scaled = options.other_size == "scale"
                targets.values[key] = DepthFile(context.tree, file, options.scale, tuple(options.missing), options.inverse, bounds, scaled)
        self._warn(context, targets)
        return [targets]

    def _warn(self, context: Context, targets: Targets) -> None:
        """Add one note that maps of 8 bits are coarse."""
        first = next(iter(targets.values.values()), None)
        try:
            mode = open_image(context.tree.read(first.file, MOST_BYTES)).mode if first is not None and is_picture(first.file) else ""
        except UnreadableError:
            return
        if first is not None and mode in ("L", "P", "1"):
            sentence = "a depth map of 8 bits has at most 255 steps, and is often a visualisation of depth; check its range"
            context.findings.add("note", "8_bit_depth", first.file, sentence, self.options.task)
