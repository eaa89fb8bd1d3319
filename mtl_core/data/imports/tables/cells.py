"""Parsing of a cell's text: a number, a list, or a missing value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_QUOTED = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"\[\]()][^,\[\]()'"]*))\s*(,|$|(?=['"]))""")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
MOST_LISTED = 10_000  # entries of one cell


def number(cell: str, decimal: str = ".", thousands: str = "") -> float | None:
    """The number in a cell; None if it holds none. 'nan' and 'inf' are non-finite numbers."""
    cell = cell.strip()
    if thousands:
        if not re.fullmatch(
            rf"[-+]?\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})*(?:{re.escape(decimal)}\d+)?|[-+]?\d+(?:{re.escape(decimal)}\d+)?", cell
        ):
            return None if thousands in cell else number(cell, decimal)
        cell = cell.replace(thousands, "")
    if "_" in cell:  # float() would accept 1_000
        return None
    try:
        return float(cell.replace(",", ".") if decimal == "," else cell)
    except ValueError:
        return None


def is_missing(cell: str, words: Iterable[str]) -> bool:
    """Whether a cell is one of the words that mean 'no label'."""
    return cell.strip().lower() in words


def listed(cell: str) -> list | None:
    """The entries of a list such as ``["a", 1]``, ``['a', 'b']``, ``[1 2]`` or ``{a,b}``, also of lists; None if the cell is no list.

    Nothing is evaluated: JSON, then quoted or bare words between commas, or numbers between white space as numpy prints them.
    """
    cell = cell.strip()
    if len(cell) < 2 or _BRACKETS.get(cell[0]) != cell[-1]:
        return None
    if cell[0] == "[":
        try:
            found = json.loads(cell)
            return found[:MOST_LISTED] if isinstance(found, list) else None
        except (ValueError, RecursionError):
            pass
    inside = cell[1:-1].strip().removesuffix(",")
    if not inside:
        return []
    if re.fullmatch(r"[-+.\deE\s]+", inside):
        return [n if n is not None else word for word in inside.split()[:MOST_LISTED] for n in [number(word)]]
    entries, place = [], 0
    while place < len(inside) and len(entries) < MOST_LISTED:
        match = _QUOTED.match(inside, place)
        if not match or match.end() == place:
            return None
        quoted = match[1] if match[1] is not None else match[2]
        if quoted is not None:
            entries.append(re.sub(r"\\(.)", r"\1", quoted))
        else:
            word = match[3].strip()
            value = number(word)
            entries.append(value if value is not None else word)
        place = match.end()
    return entries


def labels(cell: str, form: str, separator: str) -> list[str] | None:
    """The labels of a cell; None if it is no such list."""
    if form == "list":
        found = listed(cell)
        return None if found is None or any(isinstance(entry, (list, dict)) for entry in found) else [as_text(entry) for entry in found]
    parts = [cell] if form == "one" else cell.split() if separator == "space" else cell.split(separator)
    return [part.strip() for part in parts if part.strip()]


def as_text(value: object) -> str:
    """A value of JSON, a sheet or a parquet as text of a CSV: whole numbers without '.0', None as ''."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if value != value else str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value).strip()
