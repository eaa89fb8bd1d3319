"""Columns that give the part of an image (train, val, test), or groups of images."""

from __future__ import annotations

from mtl_core.data.imports.looking.natural_order import natural
from mtl_core.data.imports.tables.cells import number
from mtl_core.data.imports.tables.column_words import FOLDS, SPLITS, is_group, means, part_of, words_of

Parts = dict[str, list[str]]
_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")


def parts_of_column(name: str, cells: list[str]) -> Parts | None:
    """Part -> the column's values for it; None if this is no such column.

    Either all values are words for parts (train, valid, test ...), or the name means parts: CelebA's ``partition`` of 0, 1, 2 (train, val, test),
    ``is_train``, ``is_valid`` and ``is_test`` of yes and no.
    """
    values = sorted({cell for cell in cells if cell})
    if not 2 <= len(values) <= 12:
        return None
    named = {value: part_of(value) for value in values}
    if all(named.values()) and "train" in named.values():
        return _by_part(named)
    words = words_of(name)
    plain = {value: (int(n) if (n := number(value)) is not None and n == n and n.is_integer() else -1) for value in values}
    if (means(name, SPLITS) and words[-1] in ("partition", "split", "set", "subset")) and set(plain.values()) in ({0, 1, 2}, {1, 2, 3}):
        first = min(plain.values())
        return _by_part({value: ("train", "val", "test")[n - first] for value, n in plain.items()})
    said = part_of(words[1]) if len(words) > 1 and words[0] == "is" else ""
    if said and all(value.lower() in (*_YES, *_NO) for value in values):
        other = "test" if said == "train" else "train"
        return _by_part({value: said if value.lower() in _YES else other for value in values})
    return None


def _by_part(named: dict[str, str]) -> Parts:
    return {part: sorted(value for value, of in named.items() if of == part) for part in ("train", "val", "test")}


def group_values(name: str, cells: list[str]) -> tuple[str, ...]:
    """The different cells of a column of patients, scenes, folds and the like, in natural order; empty for another column."""
    filled = [cell for cell in cells if cell]
    different = set(filled)
    if not is_group(name, filled) or not 2 <= len(different) < len(filled) or len(filled) < 0.5 * len(cells):
        return ()
    return tuple(natural(list(different)))


def is_fold(name: str) -> bool:
    """Whether the column's name means folds."""
    return means(name, FOLDS)
