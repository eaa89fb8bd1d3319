"""KITTI: one text file per picture, a line per object: type, truncation, occlusion, angle, box in pixels, and values in space that are not read."""

from __future__ import annotations

import re
from collections import defaultdict

from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess, stem_of
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat, few_folders
from mtl_core.data.imports.formats.annotations.objects import ObjectOptions, Objects, number
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError

MOST_TEXT_BYTES = 4 << 20
_LINE = re.compile(r"^[A-Za-z_][\w-]*( +-?[\d.]+(e-?\d+)?){14,15} *$")


class KittiOptions(ObjectOptions):
    """Options of KITTI."""

    folder: str = Field("", description="Folder of the text files.")


class Kitti(ObjectFormat):
    """Boxes of KITTI."""

    title = "KITTI labels"
    summary = "A text file per picture with a line for each object, as KITTI's object sets have it."
    Options = KittiOptions
    options: KittiOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        folders: dict[str, list[str]] = defaultdict(list)
        for name in context.tree.files:
            if name.lower().endswith(".txt"):
                folders[name.rpartition("/")[0]].append(name)
        guesses = []
        for folder, files in few_folders(folders).items():
            if any(_begins_as_kitti(context, file) for file in files[:5]):
                found = cls.look(context, {"folder": folder}, f"{folder}/*.txt" if folder else "*.txt", len(files), "text file")
                if found:
                    found[0].options.pop("segments", None)
                    found[0].labelled.pop("object_masks", None)
                    guesses.append(found[0])
        return guesses

    def collect(self, context: Context, found: Objects) -> None:
        prefix, areas = (f"{self.options.folder}/" if self.options.folder else ""), 0
        for file in context.tree.files:
            if not file.startswith(prefix) or not file.lower().endswith(".txt"):
                continue
            try:
                lines = context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8-sig").splitlines()
            except (UnreadableError, UnicodeDecodeError) as error:
                context.findings.add("skipped", "unreadable", file, f"cannot be read: {error}", self.options.boxes)
                continue
            key = context.image(stem_of(file), file, self.options.boxes, self.options.images, near=file.rpartition("/")[0])
            if not key or not found.picture(key, file):
                continue
            for count, line in enumerate(lines, 1):
                parts = line.split()
                if parts and parts[0] == "DontCare":
                    areas += 1
                elif parts and len(parts) < 15:
                    found.refuse(key, "bad_line", f"{file}:{count}", f"expected a type and 14 numbers, found '{line[:60]}'")
                elif parts:
                    x1, y1, x2, y2 = (number(value) for value in parts[4:8])
                    found.add(key, parts[0], (x1, y1, x2, y2))
        if areas:
            sentence = f"{areas:,} areas 'DontCare' are no objects; a detection there counts as wrong"
            context.findings.add("note", "ignored_areas", self.options.folder or ".", sentence, self.options.boxes)


def _begins_as_kitti(context: Context, file: str) -> bool:
    try:
        lines = [line for line in context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8-sig").splitlines() if line.strip()]
    except (UnreadableError, UnicodeDecodeError):
        return False
    return bool(lines) and all(_LINE.match(line) for line in lines)
