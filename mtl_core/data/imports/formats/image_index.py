"""ImageIndex: resolves a name in a file of targets to a picture. The folders in the name must agree with the picture's; nothing is guessed.

A name such as ``train/0003.jpg`` never means ``test/0003.jpg``. Folders of the machine that wrote the file, as in ``/home/me/3.jpg``, do not exist in
the set. Such a name means the only picture with its base name, unless two different names resolve to that picture (``Claims``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property
from posixpath import normpath, splitext
from urllib.parse import unquote, urlsplit

from mtl_core.data.imports.picture_reading import EXTENSIONS
from mtl_core.data.imports.tree import same_name

_WITH_EXTENSION = {*EXTENSIONS, ".npy", ".xml", ".txt", ".json"}
PART_WORDS = {
    **dict.fromkeys(("train", "training", "trainval", "train2017", "train2014"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "val2017", "val2014"), "val"),
    **dict.fromkeys(("test", "testing", "test2017", "test2014"), "test"),
}


def is_inner(key: str) -> bool:
    """Whether a key names one of several pictures in a file (``file#17``): a row of an idx file or a TIFF's frame. File names may contain '#'."""
    file, mark, number = key.rpartition("#")
    return bool(file and mark) and number.isdigit()


def is_idx_row(key: str) -> bool:
    """Whether a key names a row of an idx file. Its folder and name tell nothing about the picture."""
    return is_inner(key) and splitext(key.rpartition("#")[0])[1].lower() not in EXTENSIONS


class AmbiguousImageError(Exception):
    """Several images fit a name; the message lists some."""


class ImageIndex:
    """The images of a set, and the lookup of an image by a name in a file of targets.

    Attributes:
        keys: names below the path, in order; ``file#17`` is picture number 17 in an idx file.
    """

    def __init__(self, keys: Iterable[str]):
        self.keys = list(keys)
        self._exact = {same_name(key): key for key in self.keys}
        self._by: list[dict[str, list[str]]] = [defaultdict(list) for _ in range(4)]
        self._folders: set[str] = set()
        for key in self.keys:
            if is_inner(key):
                continue
            for table, form in zip(self._by, _forms(key), strict=True):
                table[form].append(key)
            self._folders.add(key.rpartition("/")[0])
        self._words = {word.casefold() for folder in self._folders for word in folder.split("/") if word}
        self._own: dict[str, str] = {}
        self._sorted: list[str] | None = None

    @cached_property
    def folders(self) -> Counter[str]:
        """Folder -> number of picture files in it, without rows of idx files and frames of stacks."""
        return Counter(key.rpartition("/")[0] for key in self.keys if not is_inner(key))

    @cached_property
    def idx_files(self) -> tuple[str, ...]:
        """The idx files whose rows are images."""
        files = dict.fromkeys(key.rpartition("#")[0] for key in self.keys if "#" in key)
        return tuple(sorted(file for file in files if is_idx_row(f"{file}#0")))

    def __contains__(self, key: str) -> bool:
        return same_name(key) in self._exact

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, reference: str, folder: str = "", near: str = "") -> str | None:
        """The image of a full or partial name, with or without extension, in any case; None if there is none.

        Args:
            folder: only images below this one count.
            near: folder of the file that holds the name. Its own pictures come before others with the same names.

        Raises:
            AmbiguousImageError: several fit equally well.
        """
        return self.match(reference, folder, near)[0]

    def match(self, reference: str, folder: str = "", near: str = "") -> tuple[str | None, bool]:
        """The result of ``find``, and whether the image's folders agree with the reference, not only its base name.

        Raises:
            AmbiguousImageError: several fit equally well.
        """
        reference = same_name(_without_query(reference) if "://" in reference else reference)
        if not reference:
            return None, False
        own = self._own_folder(near) if near and not folder else ""
        for base in (folder,) if folder else (near, own, ""):
            exact = self._exact.get(normpath(f"{base}/{reference}").removeprefix("./") if base else reference)
            if exact is not None and exact.startswith(f"{own}/" if own else ""):
                return exact, True
        wanted = _parts(reference)
        for table, form in zip(self._by, _forms(reference), strict=True):
            found = [key for key in table.get(form, ()) if not folder or key.startswith(f"{folder}/")]
            found = [key for key in found if key.startswith(f"{own}/")] if own else found
            if not found:
                continue
            fits = [(key, self._agreement(wanted, key, near)) for key in found]
            fits = [(key, fit) for key, fit in fits if fit is not None]
            if not fits:
                continue
            best = max(fit for _, fit in fits)
            first = [key for key, fit in fits if fit == best]
            if len(first) == 1:
                return first[0], best[0] > 0 or not wanted
            raise AmbiguousImageError(f"'{reference}' fits {len(first)} images: {', '.join(first[:3])}. Say which with folders in the name")
        return None, False

    def same_stem(self, reference: str, near: str = "") -> list[str]:
        """All images with the reference's stem; only those of the folder ``near`` if it has some."""
        found = self._by[3].get(_forms(reference)[3], [])
        return [key for key in found if key.rpartition("/")[0] == near] or found

    def _agreement(self, wanted: list[str], key: str, near: str) -> tuple[int, int, int, int] | None:
        """How well the folders of an image fit those of a reference (more is better); None if they contradict each other.

        First: 2 if one is the end of the other, 1 for some common folders, 0 for none. Then the number of equal last folders, and how near the image
        is to the file of targets.
        """
        have = [word.casefold() for word in key.split("/")[:-1]]
        same = 0
        while same < min(len(wanted), len(have)) and wanted[-1 - same] == have[-1 - same]:
            same += 1
        rest, left = wanted[: len(wanted) - same], have[: len(have) - same]
        if any(word in self._words and word not in have for word in rest):
            return None
        around = [word.casefold() for word in near.split("/") if word]
        parts = {PART_WORDS[word] for word in have if word in PART_WORDS}
        meant = {PART_WORDS[word] for word in wanted if word in PART_WORDS} or {PART_WORDS[word] for word in around if word in PART_WORDS}
        if meant and parts and not meant & parts:
            return None
        whole = 2 if wanted and (not rest or (same and not left)) else 1 if same else 0
        common = 0
        while common < min(len(around), len(have)) and around[common] == have[common]:
            common += 1
        return whole, same if len(wanted) else 0, common, len(set(around) & set(have))

    def _own_folder(self, near: str) -> str:
        """The folder at or above ``near`` whose picture names also occur elsewhere; references in its files mean its own pictures. '' for none."""
        if near not in self._own:
            self._own[near] = next((folder for folder in _upwards(near) if self._has_doubles(folder)), "")
        return self._own[near]

    def _has_doubles(self, folder: str) -> bool:
        if self._sorted is None:
            self._sorted = sorted(key for key in self.keys if not is_inner(key))
        begin = f"{folder}/"
        first = at = bisect_left(self._sorted, begin)
        while at < len(self._sorted) and self._sorted[at].startswith(begin):
            same = self._by[3][_forms(self._sorted[at])[3]]
            if len(same) > 1 and any(not key.startswith(begin) for key in same):
                return True
            at += 1
            if at - first > 2000:  # the limit keeps a look linear if every folder has a file of targets
                return False
        return False


def _without_query(address: str) -> str:
    """The path of an address without query and fragment, with %20 and the like decoded."""
    return unquote(urlsplit(address).path) or address


class Claims:
    """The references of one source that resolved to an image by their base name alone, so that two references never share an image."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self._first: dict[str, tuple[str, bool]] = {}
        self.disputed: set[str] = set()

    def take(self, key: str, reference: str, agrees: bool) -> None:
        """Record a reference. Two references of one image are disputed if one agrees only in the base name."""
        reference = same_name(reference)
        other, other_agrees = self._first.setdefault(key, (reference, agrees))
        if other != reference and _whole_stem(other) != _whole_stem(reference):  # mostly equal, and a table may have a million rows
            self.disputed |= {name for name, fits in ((other, other_agrees), (reference, agrees)) if not fits}
            if agrees and not other_agrees:
                self._first[key] = (reference, agrees)


def _whole_stem(name: str) -> str:
    folder, _, base = name.rpartition("/")
    return f"{folder}/{stem_of(base)}".casefold()


def _upwards(folder: str) -> list[str]:
    parts = [part for part in folder.split("/") if part]
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _parts(reference: str) -> list[str]:
    """The folders of a reference without drives, '.', '..' and the scheme and host of an address."""
    folders = reference.split("/")[:-1]
    return [word.casefold() for word in folders if word not in ("", ".", "..") and not word.endswith(":")]


def _forms(name: str) -> tuple[str, str, str, str]:
    """(name, stem, both in lower case). A name such as ``a.b`` without a known extension is its own stem."""
    base = same_name(name).rpartition("/")[2]
    stem = stem_of(base)
    return base, stem, base.lower(), stem.lower()


def stem_of(name: str) -> str:
    """The last part of a name without a known extension; ``scan.v2`` stays whole."""
    base = name.rpartition("/")[2]
    stem, end = splitext(base)  # many times faster than pathlib, and a set may have a hundred thousand names
    return stem if end.lower() in _WITH_EXTENSION else base
