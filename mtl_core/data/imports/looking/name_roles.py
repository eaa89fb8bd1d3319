"""Role: a pattern of file names, such as all masks of one folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import splitext

_GLOBS: dict[str, re.Pattern] = {}
_PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}


@dataclass(frozen=True)
class Role:
    """A pattern of file names with a fixed prefix, suffix and ending. The variable part of a stem is its core.

    Attributes:
        folder: folder of the files, '' for any; a part ``*`` stands for any one folder.
        prefix, suffix: fixed parts of the stem. ``ending``: file ending in lower case, such as '.png'; '' for any.
    """

    folder: str = ""
    prefix: str = ""
    suffix: str = ""
    ending: str = ""

    def core(self, name: str) -> tuple[str, str] | None:
        """(folder below the role's own, stem without prefix and suffix); None if the name does not fit."""
        folder, _, base = name.rpartition("/")
        rest = below(self.folder, folder)
        stem, ending = splitext(base)
        if rest is None or (self.ending and ending.lower() != self.ending) or not (stem.startswith(self.prefix) and stem.endswith(self.suffix)):
            return None
        core = stem[len(self.prefix) : len(stem) - len(self.suffix)] if len(stem) >= len(self.prefix) + len(self.suffix) else None
        return None if core is None else (rest, core)

    def place(self, name: str) -> str:
        """The folders of a name that its partner's name should share: those that match ``*``, and those below the role's own."""
        parts = name.split("/")[:-1]
        wanted = self.folder.split("/") if self.folder else []
        open_ones = [part for part, want in zip(parts, wanted, strict=False) if want == "*"]
        return "/".join(plain_part(part) for part in [*open_ones, *parts[len(wanted) :]])

    def words(self) -> str:
        """The pattern as text for messages."""
        name = f"{self.prefix}*{self.suffix}{self.ending or '.*'}"
        return f"{self.folder}/{name}" if self.folder else name


def below(pattern: str, folder: str) -> str | None:
    """The rest of ``folder`` below ``pattern``, whose parts may hold ``*``; None if ``folder`` does not match."""
    if not pattern:
        return folder
    wanted, parts = pattern.split("/"), folder.split("/")
    if len(parts) < len(wanted) or not all(w == p or ("*" in w and _glob(w).fullmatch(p)) for w, p in zip(wanted, parts, strict=False)):
        return None
    return "/".join(parts[len(wanted) :])


def _glob(pattern: str) -> re.Pattern:
    found = _GLOBS.get(pattern)
    if found is None:
        found = _GLOBS[pattern] = re.compile(".*".join(re.escape(part) for part in pattern.split("*")))
    return found


def plain_part(name: str) -> str:
    """A folder's name in its compared form: 'Training' is 'train'."""
    return _PARTS.get(name.lower(), name.lower())


def part_in(folder: str) -> str:
    """train, val or test if a part of the folder's path names it, as ``trainannot`` and ``val_masks`` do; else ''."""
    for name in reversed(folder.lower().split("/")):
        found = re.match(r"(training|train|validation|valid|val|testing|test)(?![a-z])", name) or re.search(
            r"(?<![a-z])(training|train|validation|valid|val|testing|test)$", name
        )
        found = found or re.match(r"(train|val|test)(?=annot|label|mask|img|image|gt|seg)", name)
        if found:
            return _PARTS[found[1]]
    return ""
