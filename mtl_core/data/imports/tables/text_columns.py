"""Guess of text columns: classes, lists of labels, or no labels."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.tables.cells import labels, listed, number
from mtl_core.data.imports.tables.column_sample import Found, Sample
from mtl_core.data.imports.tables.column_words import CLASSES, is_identifier, means
from mtl_core.data.imports.tables.table_options import MISSING, Column

FEW = 30  # up to this number of different texts are classes, regardless of the number of rows
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2})?(\.\d+)?")
_MEASURED = re.compile(r"[^\d\s.,+-]{0,3}\s*[-+]?[\d.,]+\s*[^\d\s.,]{1,4}|[^\d\s.,+-]{1,3}\s*[-+]?[\d.,]+")
DOUBTFUL = frozenset(  # words for 'not known' that may also be classes
    [
        "unknown",
        "unclear",
        "undefined",
        "unspecified",
        "unlabeled",
        "unlabelled",
        "undetermined",
        "missing",
        "void",
        "nil",
        "nd",
        "tbd",
        "not available",
        "not known",
        "not specified",
        "no label",
        "no data",
        "n.a.",
        "n.d.",
        "#n/a",
        "#na",
        "<na>",
        "--",
        "---",
        "??",
        "???",
        "unbekannt",
        "keine angabe",
        "k.a.",
        "k. a.",
        "fehlt",
        "inconnu",
        "non renseigné",
        "desconocido",
        "sconosciuto",
        "onbekend",
    ]
)
_MOST_WORDS = 3  # words for 'nothing' in a column of boxes or masks
_WRITTEN_BY_MACHINES = ("nan",)  # what pandas and numpy write for an empty cell


def _are_boxes(cell: str) -> bool:
    """Whether a cell is classes with boxes behind them, such as 'cat 3 4 20 30 dog 0.9 1 2 8 9' (with a score)."""
    words = [number(word) is None for word in cell.split()]
    places = [place for place, is_word in enumerate(words) if is_word] + [len(words)]
    return words[:1] == [True] and all(5 <= after - place <= 7 for place, after in pairwise(places))


def _are_corners(cell: str) -> bool:
    """Whether a cell is four numbers of a box, or several such groups, such as '3 4 20 30;30 4 50 40'."""
    groups = [re.split(r"[\s,]+", group.strip()) for group in re.split(r"[;|]", cell) if group.strip()]
    numbers = [[number(part) for part in group] for group in groups]
    plain = bool(groups) and all(len(group) == 4 and None not in group for group in numbers)
    return plain and any(value not in (0, 1) for group in numbers for value in group)


def _are_run_lengths(cell: str) -> bool:
    """Whether a cell is pairs of start and length, such as '351 30 415 30 479 30': a mask."""
    parts = cell.split()
    if len(parts) < 2 or len(parts) % 2 or not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):
        return False
    starts, lengths = [int(part) for part in parts[::2]], [int(part) for part in parts[1::2]]
    return all(lengths) and all(start + length <= after for start, length, after in zip(starts, lengths, starts[1:], strict=False))


def _geometry(different: list[str]) -> str:
    """Why cells are no classes but places in the picture, written as one text; '' for others. Words such as 'no_box' may stand among them."""
    numbered = [cell for cell in different if any(character.isdigit() for character in cell)]
    if not numbered or len(different) - len(numbered) > _MOST_WORDS:
        return ""
    if _share(numbered, _are_boxes) > 0.9 or _share(numbered, _are_corners) > 0.9:
        return f"boxes written as one text ('{numbered[0][:40]}'): write class, xmin, ymin, xmax, ymax into columns, a row for each box"
    long = [cell for cell in numbered if len(cell.split()) >= 6]
    if len(long) > len(numbered) / 2 and _share(numbered, _are_run_lengths) > 0.9:
        return f"run lengths of masks ('{numbered[0][:40]}'): draw them as PNG files of class numbers, or convert them to COCO JSON"
    return ""


def look_at_texts(name: str, sample: Sample, filled: list[str], made: dict[str, Any]) -> Found:
    different = list(dict.fromkeys(filled))
    left_out = Column(**made, kind="left_out")
    alike = different[:: max(1, len(different) // 8)][:8]
    if sum(map(sample.names_files, alike)) * 2 > len(alike):
        return Found(None, "its cells name files")
    if reason := _geometry(different):
        return Found(left_out, reason)
    if _share(different, lambda cell: cell.startswith(("http://", "https://"))) > 0.9:
        return Found(None, "its cells are addresses")
    if _share(different, lambda cell: _DATE.fullmatch(cell) is not None) > 0.9:
        return Found(left_out, "its cells are dates")
    if _share(different, lambda cell: cell[:1] in "[({" and cell[-1:] in "])}") > 0.9:
        return _empty_cells(_lists(name, sample, filled, made), sample)
    if (
        any(character.isdigit() for character in filled[0])
        and len(different) > 5
        and _share(different, lambda c: _MEASURED.fullmatch(c) is not None) > 0.9
    ):
        return Found(None, f"numbers with signs beside them, such as '{filled[0][:20]}': write the number alone, and the unit into the column's name")
    split = _separated(name, sample, filled, made)
    if split is not None:
        return _empty_cells(split, sample)
    others = [cell for cell in filled if cell.lower() not in MISSING and cell.lower() not in DOUBTFUL]
    words = Counter(cell for cell in filled if cell.lower() in MISSING or cell.lower() in DOUBTFUL)
    repeats = len(filled) / len(different)
    if is_identifier(name) and not means(name, CLASSES) and repeats < 4:
        return Found(left_out, "its name and its cells are those of an identifier")
    if len(different) > FEW and (repeats < 2 or float(np.median([len(cell) for cell in different])) > 60):
        return Found(left_out if repeats > 1 else None, f"free text: {len(different):,} different texts in {len(filled):,} rows")
    if len(different) == len(filled):
        return Found(left_out, f"each of its {len(filled):,} cells is another text")
    frequent = {word: count for word, count in words.items() if count >= 2}
    if len(set(others)) + len(frequent) < 2:
        return Found(left_out if len(different) > 1 else None, f"every cell is '{different[0][:40]}'" if len(different) == 1 else "one class only")
    column = Column(**made, kind="classification")
    questions: list[Question] = []
    if words:
        column = _missing_words(column, sample, words, others, questions)
    _case(column, different, questions)
    return ask_about_several_rows(column, sample, questions)


def _missing_words(column: Column, sample: Sample, words: Counter[str], others: list[str], questions: list[Question]) -> Column:
    """Ask whether words such as none, NA and '-' in a column of classes are classes or mean 'no label'."""
    by_machine = sorted({word.lower() for word in words if word.lower() in _WRITTEN_BY_MACHINES})
    by_people = sorted({word.lower() for word in words if word.lower() not in _WRITTEN_BY_MACHINES})
    total = sum(words.values())
    listed_words = ", ".join(f"'{word}' ({count:,})" for word, count in words.most_common(6))
    doubtful = sorted({word.lower() for word in words if word.lower() in DOUBTFUL})
    if total < 2 and len(others) > 20 and not doubtful:
        return column  # read as 'no label'; the check reports their number
    all_missing = [*MISSING, *doubtful]
    readings = [Reading("classes", "each is a class of its own", {"missing": [""]}), Reading("missing", "no label", {"missing": all_missing})]
    taken = "classes" if by_people else "missing"
    if by_people and by_machine:
        readings.insert(1, Reading("nan_missing", "'nan' is no label, the others are classes", {"missing": ["", *by_machine]}))
        taken = "nan_missing"
    evidence = f"{listed_words} of {sum(words.values()) + len(others):,} cells; the others: {_some(others)}"
    examples = tuple(dict.fromkeys(key for cell, key in zip(sample.columns[column.column], sample.keys, strict=True) if cell in words and key))[:6]
    text = f"Are {', '.join(repr(word) for word in words)} in '{column.column}' classes, or do they mean 'no label'?"
    questions.append(Question("missing_words", text, tuple(readings), taken, evidence, examples))
    return column.model_copy(update={"missing": next(reading.changes["missing"] for reading in readings if reading.name == taken)})


def _case(column: Column, different: list[str], questions: list[Question]) -> None:
    """Ask about class names that differ only in capitals or inner white space."""
    alike: dict[str, list[str]] = defaultdict(list)
    for cell in different:
        alike[" ".join(cell.lower().split())].append(cell)
    same = [names for names in alike.values() if len(names) > 1]
    if same:
        listing = "; ".join(" = ".join(map(repr, names)) for names in same[:4])
        names = {other: first for first, *others in same for other in others}
        readings = (Reading("apart", "classes of their own", {"names": {}}), Reading("together", "one class each", {"names": names}))
        questions.append(
            Question(
                "spelling", f"Are spellings that differ only in capitals one class in '{column.column}' ({listing})?", readings, "apart", listing
            )
        )


def ask_about_several_rows(column: Column, sample: Sample, questions: list[Question]) -> Found:
    """The column, with a question if rows of one image have different classes: several labels, or the first one only."""
    per_image: dict[str, set[str]] = defaultdict(set)
    for cell, key in zip(sample.columns[column.column], sample.keys, strict=True):
        if key and cell:
            per_image[key].add(cell)
    several = [key for key, cells in per_image.items() if len(cells) > 1]
    if not several or len(several) < 0.02 * len(per_image):
        return Found(column, "", questions)
    readings = (
        Reading("all", "an image has the labels of all its rows", {"kind": "multi_label", "all_rows": True, "form": "one"}),
        Reading("first", "one class: the first row counts", {"kind": "classification", "all_rows": False, "form": "separated"}),
    )
    evidence = f"{len(several):,} of {len(per_image):,} images have rows with different cells"
    text = f"Several rows of one image name different classes in '{column.column}'. Does an image have several labels?"
    questions.append(Question("several_rows", text, readings, "all", evidence, tuple(several[:6])))
    return Found(column.model_copy(update=dict(readings[0].changes)), "", questions)


def _lists(name: str, sample: Sample, filled: list[str], made: dict[str, Any]) -> Found:
    entries = [listed(cell) for cell in dict.fromkeys(filled)]
    if any(found is None or any(isinstance(entry, (list, dict)) for entry in found) for found in entries):
        return Found(None, "lists of lists, or objects in braces: no labels that can be read")
    parts = [entry for found in entries for entry in found or ()]
    if any(isinstance(entry, float) and not entry.is_integer() for entry in parts) or len(set(map(str, parts))) > max(FEW, len(filled)):
        return Found(None, "lists of numbers, or of texts that do not repeat: no labels")
    if len(set(map(str, parts))) < 2:
        return Found(None, "one label only")
    return Found(Column(**made, kind="multi_label", form="list"))


def _separated(name: str, sample: Sample, filled: list[str], made: dict[str, Any]) -> Found | None:
    """The column as labels with a separator. A part that also occurs alone or beside other parts shows that the parts are labels, not one name."""
    different = list(dict.fromkeys(filled))
    for separator in ("|", ";", ",", "/", "+", "&", "space"):
        parts = {cell: labels(cell, "separated", separator) or [] for cell in different}
        joint = [cell for cell in different if len(parts[cell]) > 1]
        if not joint:
            continue
        counts = Counter(part for cell in different for part in set(parts[cell]))
        shared = sum(any(counts[part] > 1 for part in parts[cell]) for cell in joint) / len(joint)
        repeats = sum(counts.values()) / max(1, len(counts))
        column = Column(**made, kind="multi_label", separator=separator)
        few = len(counts) <= max(FEW, len(filled) // 2)
        if len(different) == len(filled) and len(counts) > len(different) / 2 and separator not in "|;":
            continue  # all cells differ: sentences, not labels
        if not few or len(counts) < 2:
            continue
        many = len(joint) >= 0.5 * len(different)
        if shared < 0.5 and not (separator in "|;" or (separator == "," and many and not any(", " in cell for cell in joint))):
            continue
        alone = sum(len(parts[cell]) == 1 for cell in different)
        if shared >= 0.5 and (separator in "|;" or (separator == "," and (len(counts) < len(different) or alone))):
            return Found(column)
        plain = len(different) <= max(FEW, len(filled) // 2) and len(different) < len(filled)
        text = f"Do cells of '{name}' such as '{joint[0][:60]}' hold several labels, or is each one name?"
        mark = "white space" if separator == "space" else f"'{separator}'"
        readings = (
            Reading("labels", f"several labels with {mark} between them: {_some(list(counts))}", {"kind": "multi_label", "separator": separator}),
            Reading("names", f"names of {len(different)} classes: {_some(different)}", {"kind": "classification", "separator": separator}),
        )
        evidence = f"{len(different)} different cells are made of {len(counts)} different parts; {shared:.0%} of the cells with several share a part"
        reused = len(counts) < len(different) and repeats >= 2 and alone > 0
        taken = "labels" if reused or not plain or (separator in "|;" and many) else "names"
        examples = tuple(key for cell, key in zip(sample.columns[name], sample.keys, strict=True) if cell in joint and key)[:6]
        question = Question("labels_in_cell", text, readings, taken, evidence, examples)
        return Found(column.model_copy(update={"kind": "multi_label" if taken == "labels" else "classification"}), "", [question])
    return None


def _empty_cells(found: Found, sample: Sample) -> Found:
    """Ask whether an empty cell or 'none' in a multi-label column means no labels, or an unlabelled image."""
    column = found.column
    if column is None or column.kind != "multi_label":
        return found
    cells = sample.columns[column.column]
    empty = [key for cell, key in zip(cells, sample.keys, strict=True) if not cell or cell.lower() in MISSING]
    if not empty:
        return found
    words = Counter(cell or "empty" for cell in cells if not cell or cell.lower() in MISSING)
    said = any(word.lower() in ("none", "-") for word in words)
    readings = (
        Reading("unlabelled", "not labelled", {"empty": "unlabelled", "missing": list(MISSING)}),
        Reading("no_label", "labelled, with none of the labels", {"empty": "no_label", "missing": list(MISSING)}),
        *([Reading("labels", "labels of their own", {"empty": "unlabelled", "missing": [""]})] if set(words) - {"empty"} else []),
    )
    evidence = ", ".join(f"{count:,} cells are {word if word == 'empty' else repr(word)}" for word, count in words.most_common(4))
    text = f"What do cells of '{column.column}' without a label mean?"
    taken = "no_label" if said else "unlabelled"
    found.questions.append(Question("empty_cells", text, readings, taken, evidence, tuple(dict.fromkeys(key for key in empty if key))[:6]))
    changes = next(reading.changes for reading in readings if reading.name == taken)
    return Found(column.model_copy(update=dict(changes)), found.reason, found.questions)


def _share(cells: list[str], is_so: Callable[[str], bool]) -> float:
    looked_at = cells[:400]
    return sum(map(is_so, looked_at)) / max(1, len(looked_at))


def _some(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
