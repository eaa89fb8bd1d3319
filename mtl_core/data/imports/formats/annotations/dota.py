"""DOTA: one text file per picture, a line per turned box: eight numbers (four corners in pixels), class, difficulty. The box around it is read."""

from __future__ import annotations

import re
from collections import defaultdict

from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess, stem_of
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat, few_folders
from mtl_core.data.imports.formats.annotations.objects import NOWHERE, ObjectOptions, Objects, number
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError

MOST_TEXT_BYTES = 16 << 20
_LINE = re.compile(r"^\s*(-?[\d.]+\s+){8}[A-Za-z][\w-]*(\s+\d+)?\s*$")
_HEAD = ("imagesource:", "gsd:")


class DotaOptions(ObjectOptions):
    """Options of DOTA."""

    folder: str = Field("", description="Folder of the text files.")


class Dota(ObjectFormat):
    """Turned boxes of DOTA."""

    title = "DOTA labels"
    summary = "A text file per picture with four corners and a class for each object; the box around the corners is read."
    Options = DotaOptions
    options: DotaOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        folders: dict[str, list[str]] = defaultdict(list)
        for name in context.tree.files:
            if name.lower().endswith(".txt"):
                folders[name.rpartition("/")[0]].append(name)
        guesses = []
        for folder, files in few_folders(folders).items():
            if any(_begins_as_dota(context, file) for file in files[:5]):
                found = cls.look(context, {"folder": folder}, f"{folder}/*.txt" if folder else "*.txt", len(files), "text file")
                if found:
                    found[0].options.pop("segments", None)
                    found[0].labelled.pop("object_masks", None)
                    guesses.append(found[0])
        return guesses

    def collect(self, context: Context, found: Objects) -> None:
        prefix = f"{self.options.folder}/" if self.options.folder else ""
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
                if not parts or line.startswith(_HEAD):
                    continue
                if len(parts) < 9:
                    found.refuse(key, "bad_line", f"{file}:{count}", f"expected 8 numbers and a class, found '{line[:60]}'")
                    continue
                xs, ys = [number(value) for value in parts[:8:2]], [number(value) for value in parts[1:8:2]]
                straight = len(set(xs)) == 2 and len(set(ys)) == 2
                found.turned += not straight
                nan = any(value != value for value in (*xs, *ys))
                found.add(key, parts[8], NOWHERE if nan else (min(xs), min(ys), max(xs), max(ys)))


def _begins_as_dota(context: Context, file: str) -> bool:
    try:
        text = context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8-sig")
    except (UnreadableError, UnicodeDecodeError):
        return False
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(_HEAD)]
    return bool(lines) and all(_LINE.match(line) for line in lines[:50])
