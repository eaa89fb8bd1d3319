"""WIDER FACE: one text file with, for each picture, its name, the number of faces, and a line of numbers for each."""

from __future__ import annotations

from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat
from mtl_core.data.imports.formats.annotations.objects import ObjectOptions, Objects, number
from mtl_core.data.imports.picture_reading import is_picture
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

MOST_TEXT_BYTES = 128 << 20
_INVALID = 7  # column that marks an unusable face


class WiderOptions(ObjectOptions):
    """Options of WIDER FACE."""

    file: str = Field("", description="The text file.")
    name: str = Field("face", description="Class name of the objects.")


class Wider(ObjectFormat):
    """Faces of WIDER FACE."""

    title = "WIDER FACE list"
    summary = "One text file with a name, a count and a line of x, y, width, height for each face."
    Options = WiderOptions
    options: WiderOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        guesses = []
        for file in context.tree.files:
            if file.lower().endswith(".txt") and _begins_as_wider(context, file):
                found = cls.look(context, {"file": file}, file, what="list")
                if found:
                    guesses.append(found[0])
        return guesses

    def collect(self, context: Context, found: Objects) -> None:
        file = self.options.file
        try:
            lines = context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8-sig").splitlines()
        except (UnreadableError, UnicodeDecodeError) as error:
            raise DataError(f"'{file}' cannot be read: {error}") from None
        at = 0
        while at < len(lines):
            name, where = lines[at].strip(), f"{file}:{at + 1}"
            if not name:
                at += 1
                continue
            count = lines[at + 1].strip() if at + 1 < len(lines) else ""
            if not is_picture(name) or not (count.isascii() and count.isdigit() and len(count) < 9):
                found_text = f"found '{name[:40]}', '{count[:20]}'"
                raise DataError(f"'{file}': line {at + 1}: expected a picture's name and then a number of objects, {found_text}")
            rows = lines[at + 2 : at + 2 + max(1, int(count))]
            if not int(count) and rows and is_picture(rows[0].strip()):
                rows = []  # a picture without faces has a line of zeros, or none
            at += 2 + len(rows)
            key = context.image(name, where, self.options.boxes, self.options.images)
            if key and found.picture(key, where):
                for row in rows[: int(count)]:
                    self._face(row, key, where, found)

    def _face(self, row: str, key: str, where: str, found: Objects) -> None:
        parts = [number(value) for value in row.split()]
        if len(parts) < 4:
            found.refuse(key, "bad_line", where, f"expected x, y, width, height, found '{row[:60]}'")
        elif len(parts) > _INVALID and parts[_INVALID] == 1:
            found.ignore(key, (parts[0], parts[1], parts[0] + parts[2], parts[1] + parts[3]))
        else:
            found.add(key, self.options.name, (parts[0], parts[1], parts[0] + parts[2], parts[1] + parts[3]))


def _begins_as_wider(context: Context, file: str) -> bool:
    try:
        lines = context.tree.begin(file, 4096).decode("utf-8-sig", "replace").splitlines()
    except UnreadableError:
        return False
    if len(lines) < 3 or not is_picture(lines[0].strip()) or not lines[1].strip().isdigit():
        return False
    numbers = lines[2].split()
    return len(numbers) >= 4 and all(part.lstrip("-").isdigit() for part in numbers)
