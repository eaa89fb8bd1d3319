"""idx files, MNIST's format: many pictures in one file, their class numbers in another."""

from __future__ import annotations

import gzip
import io
import zlib

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import MOST_FILE_BYTES, Tree, UnreadableError
from mtl_core.errors import DataError


class IdxOptions(FormatOptions):
    """Options of idx files."""

    file: str = Field("", description="The file of class numbers.")
    images: str = Field("", description="The file of pictures.")
    task: str = Field("class", description="Name of the task.")
    classes: list[str] = Field(default_factory=list, description="Class names; empty for the numbers found.")


class Idx(Format):
    """Class numbers of an idx file."""

    title = "idx files (MNIST)"
    summary = "Pictures in one file, class numbers in another."
    Options = IdxOptions
    options: IdxOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        guesses, taken = [], set()
        for name in context.tree.files:
            plain = name.removesuffix(".gz")
            if "images-idx3" not in plain or plain in taken or (name != plain and plain in context.tree.files):
                continue
            taken.add(plain)
            labels = plain.replace("images-idx3", "labels-idx1")
            labels = next((file for file in (labels, f"{labels}.gz") if file in context.tree.files), "")
            part = "test" if plain.rpartition("/")[2].startswith(("t10k", "test")) else "train"
            guess = Guess({"file": labels, "images": name}, images={"files": [name]}, splits={"how": "folders", part: [name]})
            guess.notes.append(f"'{name}': pictures in an idx file, taken as {part}")
            if labels:
                guess.labelled["class"] = len(numbers(context.tree, labels, 1))
            guesses.append(guess)
        return guesses

    def read(self, context: Context) -> list[Targets]:
        if not self.options.file:
            return []
        values = numbers(context.tree, self.options.file, 1)
        count = len(values)
        classes = tuple(self.options.classes) or tuple(str(number) for number in range(int(values.max()) + 1 if count else 0))
        targets = Targets(self.options.task, "classification", classes)
        for row, value in enumerate(values.tolist()):
            key = f"{self.options.images}#{row}"
            if key in context.index and value < len(classes):
                targets.values[key] = value
            else:
                context.findings.add("skipped", "idx_row", f"{self.options.file}#{row}", f"class {value} of picture {row}: no such class or picture")
        return [targets]


def numbers(tree: Tree, file: str, dimensions: int) -> np.ndarray:
    """uint8 array of an idx file, plain or gzipped.

    Raises:
        DataError: the file is not an idx file, or its size contradicts its header.
    """
    try:
        content = tree.read(file)
        if file.endswith(".gz"):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(MOST_FILE_BYTES + 1)
        if len(content) > MOST_FILE_BYTES:
            raise UnreadableError(f"more than {MOST_FILE_BYTES:,} bytes unpacked")
        shape = np.frombuffer(content[4 : 4 + 4 * dimensions], ">i4").astype(np.int64)
        header = 4 + 4 * dimensions
        if content[:4] != bytes([0, 0, 8, dimensions]) or (shape < 0).any() or len(content) - header != int(np.prod(shape.astype(np.float64))):
            raise UnreadableError("its header and its length do not fit an idx file of bytes")
    except (UnreadableError, OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"'{file}' is not a readable idx file: {error}") from None
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
