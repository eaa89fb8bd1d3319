"""Reading of a table by its options: names of columns, rows of cells, and the image of each row."""

from __future__ import annotations

import re
import weakref
from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.tables.record_rows import json_lines_table, json_table, parquet_table, xlsx_table
from mtl_core.data.imports.tables.table_options import CsvOptions
from mtl_core.data.imports.tables.text_encodings import ENCODINGS
from mtl_core.data.imports.tables.text_rows import text_rows
from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.errors import DataError

MOST_CSV_BYTES = 256 << 20
JSON_LINES = (".jsonl", ".ndjson")
RECORDS = (".xlsx", ".xlsm", ".parquet", ".json", *JSON_LINES)
Rows = list[tuple[int, list[str]]]
_MOST_KEPT = 4_000_000  # most cells in the cache of tables
_KEPT: weakref.WeakKeyDictionary[Tree, dict[tuple, tuple[list[str], Rows, Findings]]] = weakref.WeakKeyDictionary()


def read_table(context: Context, options: CsvOptions) -> tuple[list[str], Rows]:
    """Column names, and (line number, cells) of every row with as many cells; other rows become findings.

    A name that occurs twice gets a number (``size``, ``size (2)``); ``doubles`` finds these, and options must not refer to them.
    A look reads the same table several times: the last tables are cached while the tree is open. Callers must not change the rows.

    Raises:
        DataError: the file cannot be read with these options.
    """
    kept = _KEPT.setdefault(context.tree, {})
    key = tuple(getattr(options, name) for name in ("file", "encoding", "delimiter", "sheet", "skip_lines", "header"))
    if key not in kept:
        own = replace(context, findings=Findings())
        names, rows = _read(own, options)
        while kept and sum(len(names) * len(rows) for names, rows, _ in kept.values()) + len(names) * len(rows) > _MOST_KEPT:
            del kept[next(iter(kept))]
        kept[key] = names, rows, own.findings
    names, rows, findings = kept[key]
    context.findings.take(findings)
    return names, rows


def _read(context: Context, options: CsvOptions) -> tuple[list[str], Rows]:
    if options.encoding not in ENCODINGS:
        raise DataError(f"'{options.file}': encoding '{options.encoding}' is not known; expected {', '.join(ENCODINGS)}")
    ending = PurePosixPath(options.file).suffix.lower()
    try:
        content = context.tree.read(options.file, MOST_CSV_BYTES)
    except UnreadableError as error:
        raise DataError(f"'{options.file}' cannot be read: {str(error)[:160]}") from None
    if ending == ".parquet":
        return parquet_table(content, options.file)
    if ending in (".xlsx", ".xlsm"):
        rows = xlsx_table(content, options.file, options.sheet)[1]
        return _headed([row for row in rows if row[0] > options.skip_lines], context, options)
    try:
        text = content.decode(options.encoding)
    except UnicodeError as error:
        raise DataError(f"'{options.file}' cannot be read as {options.encoding}: {str(error)[:160]}") from None
    if ending in JSON_LINES:
        return json_lines_table(text, options.file)
    if ending == ".json":
        return json_table(text, options.file)

    def odd(line: int, kind: str, sentence: str) -> None:
        context.findings.add("skipped", kind, f"{options.file}:{line}", sentence)

    rows = [row for row in text_rows(text, options.delimiter, options.file, odd) if row[0] > options.skip_lines]
    return _headed(rows, context, options)


def _headed(rows: Rows, context: Context, options: CsvOptions) -> tuple[list[str], Rows]:
    """(names from the first row, or numbered ones; rows). Rows of another width are left out and reported."""
    if not rows:
        raise DataError(f"'{options.file}' has no rows")
    head, body = (rows[0][1], rows[1:]) if options.header else ([], rows)
    widths = Counter(len(cells) for _, cells in body)
    width = len(head) or widths.most_common(1)[0][0]
    if head and body and widths[width] == 0:
        usual = widths.most_common(1)[0][0]
        trailing = usual > width and all(not cell.strip() for _, cells in body if len(cells) == usual for cell in cells[width:])
        if trailing:  # each row ends with a delimiter, the header does not
            body = [(line, cells[:width] if len(cells) == usual else cells) for line, cells in body]
        elif usual == width + 1:  # the names of an index are left out, as in list_attr_celeba.txt
            head, width = ["", *head], usual
    names = numbered([name.strip() or f"column_{n}" for n, name in enumerate(head, 1)] or [f"column_{n}" for n in range(1, width + 1)])
    fitting = []
    for line, cells in body:
        if head and len(cells) == width > 1 and cells == head:
            context.findings.add("skipped", "repeated_header", f"{options.file}:{line}", "the header again, as in tables put together")
        elif len(cells) == width:
            fitting.append((line, cells))
        else:
            sentence = f"{len(cells)} cells; expected {width} as in the first row"
            context.findings.add("skipped", "ragged_row", f"{options.file}:{line}", sentence)
    return names, fitting


def numbered(names: list[str]) -> list[str]:
    """Unique names: the second ``size`` becomes ``size (2)``."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def doubles(names: list[str]) -> set[str]:
    """Names that occur twice in a header, as ``numbered`` writes them, including the first."""
    second = {name for name in names if name.endswith(" (2)") and name.removesuffix(" (2)") in names}
    again = {name.removesuffix(" (2)") for name in second}
    return {name for name in names if name in again or re.sub(r" \(\d+\)$", "", name) in again}


class ImageNames:
    """Resolves cells of the image column to images."""

    def __init__(self, context: Context, options: CsvOptions):
        self.options = options
        self.by_number = image_list(context, options.image_list) if options.image_list else None

    def reference(self, cell: str) -> str:
        """The image's name of a cell, with prefix and padding."""
        cell = cell.strip()
        if self.by_number is not None:
            cell = self.by_number.get(cell, cell)
        return self.options.image_prefix + (cell.zfill(self.options.image_digits) if cell.isascii() and cell.isdigit() else cell)

    def image(self, context: Context, cell: str, where: str) -> str | None:
        """The image of a cell; None, with a finding, if there is none. If the prefix names a folder, the image must be in it."""
        name, folder = self.reference(cell), self.options.image_prefix.replace("\\", "/")
        key = context.image(name, where)
        if key is not None and folder.endswith("/") and f"/{folder.lstrip('./')}" not in f"/{key}":
            context.findings.add("skipped", "missing_image", where, f"'{name}' is missing; '{key}' has the same name, but is in another folder")
            return None
        return key


def image_list(context: Context, file: str) -> dict[str, str]:
    """Number -> name of a file of lines 'number name'.

    Raises:
        DataError: it cannot be read.
    """
    try:
        text = context.tree.read(file, MOST_CSV_BYTES).decode("utf-8-sig")
    except (UnreadableError, UnicodeError) as error:
        raise DataError(f"the list of images '{file}' cannot be read: {str(error)[:160]}") from None
    return {pair[0]: pair[1] for line in text.splitlines() if len(pair := line.strip().split(None, 1)) == 2}
