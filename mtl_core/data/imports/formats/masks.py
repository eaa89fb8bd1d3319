"""Masks: an image of class numbers per picture, of the same stem in another folder, or beside the picture with an ending such as '_mask'."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets, stem_of
from mtl_core.data.imports.geometry import Placement, place_map
from mtl_core.data.imports.pictures import MOST_BYTES, index_image, is_picture, opened
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.errors import ConfigError, DataError
from mtl_core.plain_yaml import read_yaml

SUFFIXES = ("_mask", "_masks", "_seg", "_segmentation", "_gt", "_label", "_labels")
_WORDS = ("mask", "trimap", "segment", "seg", "annotation", "label", "gt")
_LOOKED_AT = 24
_UNLABELLED = ("unlabeled", "unlabelled", "ignore", "void", "not classified")


class MasksOptions(FormatOptions):
    """Options of masks."""

    folder: str = Field("", description="Folder of the masks, '' for beside the images.")
    suffix: str = Field("", description="What a mask's stem has after the image's, such as '_mask'.")
    images: str = Field("", description="Folder of the images, empty for any.")
    task: str = Field("segments", description="Name of the task.")
    values: dict[int, str] = Field(default_factory=dict, description="Number in the mask -> class name; those not here are ignored, and said.")
    ignore: list[int] = Field(default_factory=lambda: [IGNORE], description="Numbers that mean: don't count this pixel.")


@dataclass(frozen=True)
class MaskFile:
    """A mask in its file. ``table``: number in the file -> class index, IGNORE for ignored ones."""

    tree: Tree
    file: str
    table: dict[int, int]

    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return opened(self.tree.read(self.file, MOST_BYTES)).size

    def numbers(self) -> np.ndarray:
        """int32 (H, W) as in the file."""
        return index_image(self.tree.read(self.file, MOST_BYTES))

    def unlisted(self, numbers: np.ndarray) -> dict[int, int]:
        """Numbers that have no class -> pixels."""
        values, counts = np.unique(numbers, return_counts=True)
        return {int(v): int(c) for v, c in zip(values, counts, strict=True) if int(v) not in self.table}

    def render(self, place: Placement) -> np.ndarray:
        """uint8 (H, W) class index, IGNORE where there is none."""
        placed = place_map(self.numbers(), place, -1)
        mask = np.full(placed.shape, IGNORE, np.uint8)
        for value, index in self.table.items():
            mask[placed == value] = index
        return mask


class Masks(Format):
    """Index masks."""

    title = "Masks"
    summary = "An image of class numbers for each picture."
    Options = MasksOptions
    options: MasksOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        found = [*cls._other_folders(context), *cls._beside(context)]
        return [guess for guess in found if guess is not None]

    @classmethod
    def _other_folders(cls, context: Context) -> list[Guess | None]:
        by_folder: dict[str, list[str]] = {}
        for name in context.tree.files:
            if is_picture(name):
                by_folder.setdefault(name.rpartition("/")[0], []).append(name)
        stems = Counter(stem_of(name) for name in context.tree.files if is_picture(name))
        guesses = []
        for folder, names in by_folder.items():
            words = folder.lower().rpartition("/")[2] + " " + folder.lower().rpartition("/")[0].rpartition("/")[2]
            shared = sum(stems[stem_of(name)] > 1 or any(stem_of(name).endswith(s) for s in SUFFIXES) for name in names)
            if any(word in words for word in _WORDS) and "depth" not in words and shared > len(names) / 2:
                guesses.append(cls._guess(context, folder, "", names))
        return guesses

    @classmethod
    def _beside(cls, context: Context) -> list[Guess | None]:
        files = [key for key in context.index.keys if "#" not in key]  # a picture in an idx file has no file beside it
        stems = {key.rpartition(".")[0] for key in files}
        guesses = []
        for suffix in SUFFIXES:
            names = [key for key in files if stem_of(key).endswith(suffix) and key.rpartition(".")[0].removesuffix(suffix) in stems]
            if names:
                guesses.append(cls._guess(context, "", suffix, names))
        return guesses

    @classmethod
    def _guess(cls, context: Context, folder: str, suffix: str, names: list[str]) -> Guess | None:
        seen: set[int] = set()
        step = max(1, len(names) // _LOOKED_AT)
        for name in names[::step][:_LOOKED_AT]:
            try:
                seen |= set(np.unique(index_image(context.tree.read(name, MOST_BYTES))).tolist())
            except UnreadableError:
                continue
        if not seen or max(seen) > 255 or min(seen) < 0:
            return None
        values, ignore, note = _classes(context, folder, seen)
        task = "trimap" if "trimap" in folder else "segments"
        images = {"exclude": [folder]} if folder else {"exclude_suffixes": [suffix]}
        where = f"folder '{folder}'" if folder else f"files ending in '{suffix}'"
        options = {"folder": folder, "suffix": suffix, "task": task, "values": values, "ignore": ignore}
        return Guess(options, labelled={task: len(names)}, images=images, notes=[f"{where}: {len(names):,} masks. {note}"])

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        if not options.values:
            raise DataError(f"masks '{options.folder or options.suffix}': no classes. Give 'values', number in the mask -> class name.")
        if len(options.values) > IGNORE - 1:
            raise DataError(f"masks '{options.folder}': {len(options.values)} classes; at most {IGNORE - 1}")
        numbers = [number for number in options.values if number not in options.ignore]
        table = {number: index for index, number in enumerate(numbers)} | dict.fromkeys(options.ignore, IGNORE)
        if numbers != list(range(len(numbers))):
            sentence = f"numbers {numbers[0]} to {numbers[-1]} in the masks are classes 0 to {len(numbers) - 1} here"
            context.findings.add("note", "class_numbers", options.folder or options.suffix, sentence, options.task)
        targets = Targets(options.task, "segmentation", tuple(options.values[number] for number in numbers))
        prefix = f"{options.folder}/" if options.folder else ""
        for file in context.tree.files:
            stem = stem_of(file)
            if not is_picture(file) or not file.startswith(prefix) or not stem.endswith(options.suffix):
                continue
            folder = file.removeprefix(prefix).rpartition("/")[0] if options.folder else file.rpartition("/")[0]
            reference = f"{folder}/{stem.removesuffix(options.suffix)}".strip("/")
            own = context.image(reference, file, options.task, options.images)
            if own in targets.values:
                context.findings.add("skipped", "duplicate", file, f"a second mask of '{own}'; the first is used", options.task)
            elif own and own != file:
                targets.values[own] = MaskFile(context.tree, file, table)
        return [targets]


def _classes(context: Context, folder: str, seen: set[int]) -> tuple[dict[int, str], list[int], str]:
    """Number -> name, ignored numbers, and where they come from."""
    parent = folder.rpartition("/")[0]
    for name in context.tree.files:
        if name.lower().endswith((".yaml", ".yml")) and name.rpartition("/")[0] in (folder, parent, ""):
            names = _named(context, name)
            if names and seen <= {*names, 255, 0}:
                ignore = [number for number, text in names.items() if text.lower() in _UNLABELLED] + [IGNORE]
                return names, ignore, f"{len(names)} names from '{name}'"
    if seen == {1, 2, 3} and "trimap" in folder:
        return {1: "animal", 2: "background", 3: "border"}, [IGNORE], "Named as Oxford-IIIT Pet's trimaps"
    if seen <= {0, 255} and 255 in seen:
        return {0: "background", 255: "object"}, [], "Black and white: taken as background and object"
    values = {number: f"class {number}" if number else "background" for number in sorted(seen) if number != IGNORE}
    return values, [IGNORE], f"Numbers seen: {', '.join(map(str, sorted(seen)[:20]))}; name them under 'values'"


def _named(context: Context, file: str) -> dict[int, str]:
    try:
        data = read_yaml(context.tree.read(file, 1 << 20).decode("utf-8"))
    except (UnreadableError, UnicodeDecodeError, ConfigError):
        return {}
    names = data.get("classes", data.get("names", data)) if isinstance(data, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    fits = isinstance(names, dict) and names and all(isinstance(n, int) and not isinstance(n, bool) for n in names)
    return {number: str(text) for number, text in names.items()} if fits else {}
