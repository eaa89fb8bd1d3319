"""Rows of a text table: its encoding, its delimiter, and records with unclosed quotes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator

from mtl_core.data.imports.tables.text_encodings import encodings
from mtl_core.errors import DataError

MOST_ROWS = 5_000_000
_MOST_LINES = 200  # most lines of one record; a quoted cell may contain line ends
_Rows = Iterator[tuple[int, list[str]]]


def decoded(content: bytes) -> tuple[str, str]:
    """(encoding, text) with the likeliest encoding.

    Raises:
        UnreadableError: none fits.
    """
    encoding = encodings(content)[0]
    return encoding, content.decode(encoding)


def text_rows(text: str, delimiter: str, file: str, odd: Callable[[int, str, str], None] | None = None) -> _Rows:
    """(line number, cells) of every row that is not empty.

    Args:
        odd: called with (line, kind, sentence) for each line that is left out because its quote is never closed.

    Raises:
        DataError: the text is no table.
    """
    if "\0" in text:
        raise DataError(f"'{file}' holds NUL characters; it is no table in text, or its encoding is another one (utf-16?)")
    if delimiter == "space":
        lines = ((number, line.split()) for number, line in enumerate(text.splitlines(), 1) if not line.startswith("#"))
        yield from ((number, cells) for number, cells in lines if cells)
        return
    separator = "\t" if delimiter == "tab" else delimiter[:1] or ","
    for count, (line, cells) in enumerate(
        _records(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), separator, file, odd or (lambda *_: None))
    ):
        if count > MOST_ROWS:
            raise DataError(f"'{file}' has more than {MOST_ROWS:,} rows")
        if any(cell.strip() for cell in cells):
            yield line, cells


def _records(lines: list[str], separator: str, file: str, odd: Callable[[int, str, str], None]) -> _Rows:
    """Records of the lines. A record spans several lines only if its opening quote is properly closed."""
    if not any('"' in line for line in lines):
        reader = csv.reader(lines, delimiter=separator)
        try:
            yield from enumerate(reader, 1)
        except csv.Error as error:
            raise DataError(f"'{file}' is no readable CSV at line {reader.line_num}: {error}") from None
        return
    place = 0
    while place < len(lines):
        line = lines[place].removesuffix("\r")
        try:
            if '"' not in line:
                cells = next(csv.reader([line], delimiter=separator), [])
                yield place + 1, cells
                place += 1
                continue
            end = _end_of_record(lines, place, separator)
            if end is None:
                sentence = "a quote opens in this line and is never closed; the line is left out. Close the quote, or remove it"
                odd(place + 1, "unclosed_quote", sentence)
                place += 1
                continue
            whole = "\n".join(one.removesuffix("\r") for one in lines[place : end + 1])
            yield end + 1, next(csv.reader([whole + "\n"] if end == place else whole.splitlines(keepends=True), delimiter=separator), [])
            place = end + 1
        except csv.Error as error:
            raise DataError(f"'{file}' is no readable CSV at line {place + 1}: {error}") from None


def _end_of_record(lines: list[str], start: int, separator: str) -> int | None:
    """The last line of a record; None if its quote is never closed, or closed only by the opening quote of another cell."""
    if not _is_open(lines[start : start + 1], separator):
        return start
    width = len(next(csv.reader([lines[start].replace('"', "")], delimiter=separator), []))
    for end in range(start + 1, min(len(lines), start + _MOST_LINES)):
        if '"' not in lines[end]:
            continue
        if _is_open(lines[start : end + 1], separator):
            continue
        between = lines[start + 1 : end]
        rows = sum(len(next(csv.reader([line], delimiter=separator), [])) >= width > 1 for line in between if line.strip())
        closes_nothing = not _is_strict(lines[start : end + 1], separator)
        return None if closes_nothing or (between and rows > len(between) / 2) else end
    return None


def _parsed(lines: list[str], separator: str) -> list[list[str]]:
    return list(csv.reader([line + "\n" for line in lines], delimiter=separator, strict=True))


def _is_open(lines: list[str], separator: str) -> bool:
    """Whether a quote is still open after these lines."""
    try:
        _parsed(lines, separator)
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _is_strict(lines: list[str], separator: str) -> bool:
    try:
        return len(_parsed(lines, separator)) == 1
    except csv.Error:
        return False


def delimiters(text: str, file: str) -> list[str]:
    """Delimiters that give rows of several cells, the most even first; white space last, because names may contain it."""
    head = "\n".join(text.split("\n", 200)[:200])

    def evenness(delimiter: str) -> tuple[float, int]:
        try:
            widths = Counter(len(cells) for _, cells in text_rows(head, delimiter, file))
        except DataError:
            return (0.0, 0)
        width, rows = widths.most_common(1)[0] if widths else (1, 0)
        return (rows / max(1, sum(widths.values())) if width > 1 else 0.0, width)

    even = {delimiter: evenness(delimiter) for delimiter in (",", ";", "tab", "|", "space")}
    by_evenness = sorted((d for d in even if even[d][0]), key=lambda d: even[d], reverse=True)
    return sorted(by_evenness, key=lambda d: d == "space" and any(even[other][0] > 0.8 for other in by_evenness if other != "space"))
