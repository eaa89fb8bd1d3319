"""Depth: 16-bit PNG or TIFF, or npy, one per picture; numbers times a scale are the unit, some numbers mean "not measured"."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets, stem_of
from mtl_core.data.imports.geometry import Placement, place_map
from mtl_core.data.imports.pictures import MOST_BYTES, MOST_PIXELS, is_picture, opened
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import Tree, UnreadableError


class DepthOptions(FormatOptions):
    """Options of depth."""

    folder: str = Field("depth", description="Folder of the maps.")
    images: str = Field("", description="Folder of the images, empty for any.")
    suffix: str = Field("", description="What a map's stem has after the image's, such as '_depth'.")
    task: str = Field("depth", description="Name of the task.")
    scale: float = Field(0.001, gt=0, le=1e6, description="Factor from the numbers in the file to the unit; 0.001 for millimetres to metres.")
    unit: str = Field("m", max_length=20, description="Unit of the depth.")
    missing: list[float] = Field(
        default_factory=lambda: [0.0], description="Numbers in the file that mean 'no measurement'; NaN and infinity always do."
    )


@dataclass(frozen=True)
class DepthFile:
    """A depth map in its file."""

    tree: Tree
    file: str
    scale: float
    missing: tuple[float, ...]

    def values(self) -> np.ndarray:
        """float32 (H, W) in the task's unit, NaN = no measurement.

        Raises:
            UnreadableError: not a map of numbers.
        """
        content = self.tree.read(self.file, MOST_BYTES)
        raw = _npy(content) if self.file.lower().endswith(".npy") else _image(content)
        unknown = ~np.isfinite(raw) | np.isin(raw, self.missing)
        return np.where(unknown, np.nan, raw * self.scale).astype(np.float32)

    def render(self, place: Placement) -> np.ndarray:
        """float32 (H, W)."""
        return place_map(self.values(), place, np.nan)


class DepthMaps(Format):
    """Depth maps."""

    title = "Depth maps"
    summary = "A 16-bit image or npy of distances for each picture."
    Options = DepthOptions
    options: DepthOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        folders: dict[str, list[str]] = {}
        for name in context.tree.files:
            folder = name.rpartition("/")[0]
            if (is_picture(name) or name.lower().endswith(".npy")) and "depth" in folder.lower():
                folders.setdefault(folder, []).append(name)
        guesses = []
        for folder, names in folders.items():
            metres = names[0].lower().endswith(".npy")
            options = {"folder": folder, "scale": 1.0 if metres else 0.001}
            note = f"'{folder}': {len(names):,} depth maps, taken as {'metres' if metres else 'millimetres'}; 0 means no measurement"
            guesses.append(Guess(options, labelled={"depth": len(names)}, images={"exclude": [folder]}, notes=[note]))
        return guesses

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        targets = Targets(options.task, "depth", unit=options.unit)
        prefix = f"{options.folder}/" if options.folder else ""
        for file in context.tree.files:
            stem = stem_of(file)
            fits = (is_picture(file) or file.lower().endswith(".npy")) and file.startswith(prefix) and stem.endswith(options.suffix)
            if not fits or file in context.index:
                continue
            folder = file.removeprefix(prefix).rpartition("/")[0]
            key = context.image(f"{folder}/{stem.removesuffix(options.suffix)}".strip("/"), file, options.task, options.images)
            if key:
                targets.values[key] = DepthFile(context.tree, file, options.scale, tuple(options.missing))
        return [targets]


def _image(content: bytes) -> np.ndarray:
    image = opened(content)
    try:
        values = np.asarray(image)
    except Exception as error:
        raise UnreadableError(f"the map is damaged or cut off ({type(error).__name__}: {str(error)[:100]})") from None
    if values.ndim != 2 or image.mode == "P":
        raise UnreadableError(f"pixels of mode {image.mode}; expected one number per pixel (16-bit grey)")
    return values.astype(np.float64)


def _npy(content: bytes) -> np.ndarray:
    """Numbers only: an npy of Python objects would run code when read, and is refused."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        if dtype.hasobject:
            raise UnreadableError("an npy of Python objects (pickled); expected numbers. Save it with allow_pickle=False")
        if int(np.prod(shape, dtype=np.float64)) > MOST_PIXELS or dtype.kind not in "fui":
            raise UnreadableError(f"an npy of {dtype} {shape}; expected at most {MOST_PIXELS:,} numbers")
        file.seek(0)
        values = np.load(file, allow_pickle=False)
    except UnreadableError:
        raise
    except Exception as error:
        raise UnreadableError(f"not a readable npy ({type(error).__name__}: {str(error)[:100]})") from None
    values = values.squeeze()
    if values.ndim != 2:
        raise UnreadableError(f"an npy of shape {values.shape}; expected (height, width)")
    return values.astype(np.float64)
