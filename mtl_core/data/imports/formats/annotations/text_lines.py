"""TextLines: parent of the formats with one text file per picture and one line per object."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict

from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess, stem_of
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat, few_folders
from mtl_core.data.imports.formats.annotations.objects import ObjectOptions, Objects
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError

MOST_TEXT_BYTES = 16 << 20
_LOOKED_AT = 5  # files of a folder, for a guess


class TextLinesOptions(ObjectOptions):
    """Options of a folder of text files."""

    folder: str = Field("", description="Folder of the text files.")


class TextLines(ObjectFormat):
    """Parent of formats of boxes in which each picture has a text file of its name."""

    Options = TextLinesOptions
    options: TextLinesOptions

    @classmethod
    @abstractmethod
    def recognises(cls, text: str) -> bool:
        """Whether the text of a file is of this format, so that a guess proposes its folder."""

    @abstractmethod
    def add_line(self, found: Objects, key: str, where: str, line: str) -> None:
        """Add the object of a line that is not empty to picture ``key``, or refuse it. ``where`` is the file with the number of the line."""

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        folders: dict[str, list[str]] = defaultdict(list)
        for name in context.tree.files:
            if name.lower().endswith(".txt"):
                folders[name.rpartition("/")[0]].append(name)
        guesses = []
        for folder, files in few_folders(folders).items():
            if any(cls._recognises_file(context, file) for file in files[:_LOOKED_AT]):
                found = cls.look(context, {"folder": folder}, f"{folder}/*.txt" if folder else "*.txt", len(files), "text file")
                if found:
                    guesses.append(found[0])
        return guesses

    def collect(self, context: Context, found: Objects) -> None:
        prefix = f"{self.options.folder}/" if self.options.folder else ""
        for file in context.tree.files:
            if not file.startswith(prefix) or not file.lower().endswith(".txt"):
                continue
            try:
                lines = _text(context, file).splitlines()
            except (UnreadableError, UnicodeDecodeError) as error:
                context.findings.add("skipped", "unreadable", file, f"cannot be read: {error}", self.options.boxes)
                continue
            key = context.image(stem_of(file), file, self.options.boxes, self.options.images, near=file.rpartition("/")[0])
            if not key or not found.picture(key, file):
                continue
            for number, line in enumerate(lines, 1):
                if line.strip():
                    self.add_line(found, key, f"{file}:{number}", line)

    @classmethod
    def _recognises_file(cls, context: Context, file: str) -> bool:
        try:
            return cls.recognises(_text(context, file))
        except (UnreadableError, UnicodeDecodeError):
            return False


def _text(context: Context, file: str) -> str:
    return context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8-sig")
