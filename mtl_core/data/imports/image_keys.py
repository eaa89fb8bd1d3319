"""The images of an import: their keys and their reader. A key is a file's name, or an idx file's name with ``#`` and a row."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass

import numpy as np

from mtl_core.data.imports.formats import stem_of
from mtl_core.data.imports.formats.idx import numbers
from mtl_core.data.imports.looking.name_roles import below
from mtl_core.data.imports.picture_reading import MOST_BYTES, Picture, frames_of, is_picture, read_picture
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import Tree, UnreadableError

_SEVERAL = (".tif", ".tiff", ".gif", ".webp")
_MOST_FRAMES = 5000


@dataclass(frozen=True)
class Facts:
    """Facts about one usable image: (width, height), whether it is grey, hashes of its file and of its pixels, and ``Picture.since``."""

    size: tuple[int, int]
    grey: bool
    content: str
    pixels: str
    since: int = 0


class ImageReader:
    """Reads pictures by their key: files, and rows of idx files."""

    def __init__(self, tree: Tree, levels: tuple[float, float] | None = None):
        self.tree, self.levels = tree, levels
        self._arrays: dict[str, np.ndarray] = {}

    def rows(self, file: str) -> int:
        """Number of pictures in an idx file."""
        return len(self._array(file))

    def at_hand(self, keys: list[str]) -> bool:
        """Whether all keys are rows of idx files, which need no decoding."""
        return all(key.rpartition("#")[0] in self._arrays for key in keys)

    def content(self, key: str) -> bytes:
        """Bytes that identify the picture's content."""
        file, _, row = key.rpartition("#")
        return self._array(file)[int(row)].tobytes() if file in self._arrays else self.tree.read(self._split(key)[0], MOST_BYTES)

    def picture(self, key: str, content: bytes, draft: tuple[int, int] | None) -> Picture:
        """The decoded picture."""
        from PIL import Image

        file = key.rpartition("#")[0]
        if file in self._arrays:
            height, width = self._array(file).shape[1:]
            return Picture(Image.frombytes("L", (width, height), content), (width, height), ())
        name, frame = self._split(key)
        return read_picture(content, name, draft, self.levels, frame)

    def _split(self, key: str) -> tuple[str, int]:
        """(file, frame number) of a key; a file's own name may contain '#'."""
        file, mark, frame = key.rpartition("#")
        return (file, int(frame)) if mark and key not in self.tree.files else (key, 0)

    def _array(self, file: str) -> np.ndarray:
        if file not in self._arrays:
            self._arrays[file] = numbers(self.tree, file, 3)
        return self._arrays[file]


def image_keys(tree: Tree, images: ImageSpec, reader: ImageReader) -> list[str]:
    """Keys of the images that a spec selects."""
    under = tuple(f"{folder.strip('/')}/" if folder.strip("/") else "" for folder in images.folders)
    plain = tuple(f"{folder.strip('/')}/" for folder in images.exclude if "*" not in folder)
    globs = [folder.strip("/") for folder in images.exclude if "*" in folder]
    patterns = re.compile("|".join(fnmatch.translate(pattern) for pattern in images.exclude_files), re.IGNORECASE) if images.exclude_files else None
    ends = tuple(images.exclude_suffixes)
    inside: dict[str, bool] = {}  # folder -> whether its images count; cached, because a set has many files in few folders

    def counts(name: str) -> bool:
        folder = name.rpartition("/")[0]
        if folder not in inside:
            there = f"{folder}/" if folder else ""
            inside[folder] = not (plain and there.startswith(plain)) and not any(below(pattern, folder) is not None for pattern in globs)
        return inside[folder] and not (patterns and patterns.fullmatch(name)) and not (ends and stem_of(name).endswith(ends))

    keys = [name for name in tree.files if is_picture(name) and name.startswith(under) and counts(name)]
    if images.frames == "all":
        keys = [key for name in keys for key in _frames(tree, name)]
    for file in images.files:
        keys += [f"{file}#{row}" for row in range(reader.rows(file))]
    return keys


def _frames(tree: Tree, name: str) -> list[str]:
    """Keys of a file's pictures. The first key is the file's own name, so that targets find it."""
    try:
        count = frames_of(tree.read(name, MOST_BYTES)) if name.lower().endswith(_SEVERAL) else 1
    except UnreadableError:
        return [name]
    return [name, *(f"{name}#{frame}" for frame in range(1, min(count, _MOST_FRAMES)))]
