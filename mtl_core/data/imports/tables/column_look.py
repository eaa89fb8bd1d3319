"""Guess of a column's kind: classes, several labels, numbers, or no target. An ambiguous column becomes a question."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.tables.cells import number
from mtl_core.data.imports.tables.column_sample import Found, Sample
from mtl_core.data.imports.tables.column_words import CLASSES, PROVENANCE, is_group, is_identifier, is_quantity, means, words_of
from mtl_core.data.imports.tables.table_options import MISSING, Column
from mtl_core.data.imports.tables.text_columns import DOUBTFUL, FEW, ask_about_several_rows, look_at_texts
from mtl_core.names import suggested_task_name

_MOST_NUMBERED = 300  # most different whole numbers that may be classes
_UNITS = {"m": "m", "mm": "mm", "cm": "cm", "deg": "degrees", "px": "pixels", "s": "s", "kg": "kg", "g": "g", "percent": "%"}
_MOST_WORDS = 8  # most different words in a column of numbers
_SENTINELS = ("-1", "-9", "-99", "-999", "-9999", "999", "9999", "99999", "-1.0", "-99.0", "-999.0", "-9999.0", "999.0", "9999.0")


def look_at_column(name: str, sample: Sample, alone: bool = False) -> Found:
    """The column as a task, or the reason why it is none. Changes in the questions start at the column's own keys.

    Args:
        alone: whether the table has no other column with targets, so that even a column named after persons is the target.
    """
    cells = sample.columns[name]
    filled = [cell for cell in cells if cell]
    if not filled:
        return Found(None, "every cell is empty")
    others = [cell for cell in filled if cell.lower() not in MISSING]
    numbers = [sample.number(cell) for cell in others]
    words = {cell.lower() for cell, value in zip(others, numbers, strict=True) if value is None}
    made: dict[str, Any] = {"column": name, "task": "class" if sample.is_list else suggested_task_name(name)}
    if not alone and (means(name, PROVENANCE) or is_group(name, filled)):
        what = "its name marks the source of a row" if means(name, PROVENANCE) else "its name marks groups of images"
        return Found(Column(**made, kind="left_out"), what)
    if others and all(value is not None for value in numbers):
        return _numbers(name, sample, others, [value for value in numbers if value is not None], made)
    known = [(cell, value) for cell, value in zip(others, numbers, strict=True) if value is not None]
    if len(known) > 0.6 * len(others) and len({cell for cell, _ in known}) > 2 and (words <= DOUBTFUL or len(words) <= _MOST_WORDS):
        return _among_numbers(name, sample, others, known, words, made)
    return look_at_texts(name, sample, filled, made)


def _numbers(name: str, sample: Sample, cells: list[str], values: list[float], made: dict[str, Any]) -> Found:
    different, count = len(set(values)), len(values)
    if different < 2:
        return Found(None, f"every cell is {cells[0]}")
    unit = _UNITS.get(words_of(name)[-1], "") if words_of(name) and len(words_of(name)) > 1 else ""
    given: dict[str, Any] = made | ({"task": "value"} if sample.is_list else {})
    quantity = Column(**given, kind="regression", unit=unit)
    if different == count and _are_times(values):
        return Found(quantity.model_copy(update={"kind": "left_out"}), "its numbers are points in time (seconds or parts of them since 1970)")
    if different == count and not sample.headed and _name_their_images(name, sample):
        return Found(quantity.model_copy(update={"kind": "left_out"}), "its cells are the names of the images")
    whole = all(np.isfinite(value) and value == int(value) and abs(value) < 1e15 for value in values)
    unnamed = not sample.headed and not sample.is_list
    if not whole and unnamed and sum(_are_numbers(sample, cells) for cells in sample.columns.values()) > 1:
        return Found(quantity.model_copy(update={"kind": "left_out"}), "numbers without a header: their meaning is unknown")
    if not whole:
        return _with_sentinels(quantity, cells, values)
    classes = Column(
        **made, kind="classification", names={cell: str(int(float(cell))) for cell in sorted(set(cells)) if re.fullmatch(r"-?\d+\.0+", cell)}
    )
    if unnamed:
        return Found(classes.model_copy(update={"kind": "left_out"}), "numbers without a header: their meaning is unknown")
    low, span = min(values), max(values) - min(values) + 1
    is_id = is_identifier(name)
    if is_id and means(name, CLASSES) and different < count:
        is_id = False
    if is_id and not (different <= FEW and count >= 4 * different):
        return Found(classes.model_copy(update={"kind": "left_out"}), "its name and its cells are those of an identifier")
    if different == count and span == different and not is_quantity(name):
        return Found(classes.model_copy(update={"kind": "left_out"}), "it counts the rows")
    if (means(name, CLASSES) or sample.is_list) and different < count and different <= _MOST_NUMBERED * 10:
        return ask_about_several_rows(classes, sample, [])
    if is_quantity(name):
        return _with_sentinels(quantity, cells, values)
    if different <= 2 and count > 2:
        return Found(classes)
    if different > _MOST_NUMBERED or (different > FEW and span > 4 * different) or count < 2 * different:
        return _with_sentinels(quantity, cells, values)
    contiguous = span == different and low in (0, 1) and count >= 2 * different
    taken = "classes" if contiguous or (is_id and different < count) else "quantity"
    evidence = f"{different} different whole numbers from {low:.0f} to {max(values):.0f} in {count:,} rows; each number between occurs"
    if (gone := span - different) > 0:
        evidence = f"{different} different whole numbers from {low:.0f} to {max(values):.0f} in {count:,} rows; {gone:.0f} between do not occur"
    text = f"Are the whole numbers of '{name}' classes (kinds without an order), or a quantity (to be predicted as a number)?"
    readings = (
        Reading("classes", f"{different} classes", {"kind": "classification"}),
        Reading("quantity", "a quantity", {"kind": "regression"}),
    )
    question = Question("whole_numbers", text, readings, taken, evidence, _examples(name, sample))
    return Found(classes.model_copy(update={"unit": unit, "kind": "classification" if taken == "classes" else "regression"}), "", [question])


def attribute_column(columns: Mapping[str, list[str]], keys: list[str | None]) -> str:
    """The column of a long table that says what a row is about; '' if there is none.

    Every image has the same cells in it, each once, and no cell of another column goes with two of them.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if key:
            rows[key].append(row)
    if len(rows) < 4 or len(columns) < 2 or min(map(len, rows.values())) < 2:
        return ""
    for name, cells in columns.items():
        sets = {tuple(sorted(cells[row] for row in numbers)) for numbers in rows.values()}
        if len(sets) != 1 or len(set(first := next(iter(sets)))) < len(first) or not any(cell and not number(cell) for cell in first):
            continue
        others = [other for other in columns if other != name]
        if any(_is_told(columns[other], cells) for other in others):
            return name
    return ""


def _is_told(values: list[str], about: list[str]) -> bool:
    """Whether each value goes with one attribute only, and values repeat."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for value, kind in zip(values, about, strict=True):
        kinds[value].add(kind)
    return all(len(found) == 1 for found in kinds.values()) and len(kinds) > len(set(about)) and len(kinds) < len(values)


def _are_numbers(sample: Sample, cells: list[str]) -> bool:
    filled = [cell for cell in cells[:400] if cell]
    return bool(filled) and all(sample.number(cell) is not None for cell in filled)


def _are_times(values: list[float]) -> bool:
    """Whether all numbers are times from 2001 to 2040, in seconds, milliseconds, microseconds or nanoseconds since 1970."""
    return len(values) > 2 and any(all(1e9 * unit <= value <= 2.2e9 * unit for value in values) for unit in (1, 1e3, 1e6, 1e9))


def _name_their_images(name: str, sample: Sample) -> bool:
    pairs = [(cell, key.rpartition("/")[2].rpartition(".")[0]) for cell, key in zip(sample.columns[name], sample.keys, strict=True) if key]
    return bool(pairs) and all(cell == stem for cell, stem in pairs)


def _among_numbers(name: str, sample: Sample, cells: list[str], known: list[tuple[str, float]], words: set[str], made: dict[str, Any]) -> Found:
    """A column of numbers with a few words such as 'unknown', and the question whether the words mean 'no label'."""
    found = _numbers(name, sample, [cell for cell, _ in known], [value for _, value in known], made)
    if found.column is None or found.column.kind == "left_out":
        return found
    counts = Counter(cell for cell in cells if cell.lower() in words)
    listing = ", ".join(f"'{word}' ({count:,})" for word, count in counts.most_common(8))
    separate = [asked for asked in found.questions if asked.name not in ("sentinel", "whole_numbers")]
    joint = next((asked for asked in found.questions if asked not in separate), None)
    readings = _word_readings(found.column, sorted(words), joint)
    text = f"'{name}' holds numbers and words. Do the words mean 'no label'?" + (f" {joint.text}" if joint else "")
    evidence = f"{len(known):,} numbers; {listing}" + (f". {joint.evidence}" if joint else "")
    examples = tuple(dict.fromkeys(key for cell, key in zip(sample.columns[name], sample.keys, strict=True) if cell in counts and key))[:6]
    question = Question("words", text, readings, "missing", evidence, examples)
    changes = question.reading("missing").changes
    return Found(found.column.model_copy(update=dict(changes)), "", [question, *(_also_missing(asked, sorted(words)) for asked in separate)])


def _word_readings(column: Column, words: list[str], joint: Question | None) -> tuple[Reading, ...]:
    """Readings of words among numbers. With another question about the numbers, every pair of answers is a reading: both change the same keys."""
    own = MISSING if column.missing is None else column.missing
    kind = {"kind": column.kind} if column.kind != "multi_label" else {}
    as_classes = {"kind": "classification"} if column.kind != "multi_label" else {}
    if joint is None:
        return (
            Reading("missing", "no label; the column holds numbers", {**kind, "missing": [*own, *words]}),
            Reading("texts", "classes, and every number is a class too", {**as_classes, "missing": list(own)}),
        )
    taken = joint.reading(joint.taken)
    readings = []
    for one in (taken, *(reading for reading in joint.readings if reading is not taken)):
        mark = "" if one is taken else f"-{one.name}"
        missing = one.changes.get("missing", own)
        readings.append(Reading(f"missing{mark}", f"no label; the numbers: {one.title}", {**kind, **one.changes, "missing": [*missing, *words]}))
        if joint.name == "sentinel" or one is taken:  # where every number is a class, a quantity is no reading
            rest = f"; {one.title}" if joint.name == "sentinel" else ""
            changes = {**one.changes, "kind": "classification", "missing": list(missing)}
            readings.append(Reading(f"texts{mark}", f"classes, and every number is a class too{rest}", changes))
    return tuple(readings)


def _also_missing(question: Question, words: list[str]) -> Question:
    """The question with these words added to each reading's 'missing'."""
    readings = tuple(
        Reading(r.name, r.title, {**r.changes, **({"missing": [*r.changes["missing"], *words]} if "missing" in r.changes else {})})
        for r in question.readings
    )
    return Question(question.name, question.text, readings, question.taken, question.evidence, question.examples)


def _with_sentinels(column: Column, cells: list[str], values: list[float]) -> Found:
    """A column of numbers, with a question if a repeated outlier may mean 'not measured'."""
    counts = Counter(cells)
    odd = [cell for cell in _SENTINELS if counts[cell]]
    for cell in odd:
        rest = np.array([value for value, text in zip(values, cells, strict=True) if text != cell])
        value = float(cell)
        if not rest.size or rest.min() <= value <= rest.max():
            continue
        away = min(abs(value - rest.min()), abs(value - rest.max()))
        often = counts[cell] >= 3 and counts[cell] >= 0.02 * len(cells)
        if not often and (abs(value) < 99 or away <= 2 * (rest.max() - rest.min())):
            continue
        if away > 2 * (rest.max() - rest.min()) or (value < 0 <= rest.min()):
            words = sorted({text for text in counts if text.rstrip("0").rstrip(".") == cell.rstrip("0").rstrip(".") or text == cell} | {cell})
            readings = (
                Reading("number", f"a number like the others: {cell}", {"missing": list(MISSING)}),
                Reading("missing", "not measured: such an image has no label", {"missing": [*MISSING, *words]}),
            )
            evidence = f"{counts[cell]:,} of {len(cells):,} cells are {cell}; the others lie between {rest.min():g} and {rest.max():g}"
            question = Question("sentinel", f"Does {cell} in '{column.column}' stand for 'not measured'?", readings, "missing", evidence)
            return Found(column.model_copy(update={"missing": [*MISSING, *words]}), "", [question])
    return Found(column)


def _examples(name: str, sample: Sample) -> tuple[str, ...]:
    """An image of each of the first few different cells."""
    first: dict[str, str] = {}
    for cell, key in zip(sample.columns[name], sample.keys, strict=True):
        if key:
            first.setdefault(cell, key)
    return tuple(first.values())[:6]
