"""Rows of xlsx, parquet, JSON lines and JSON tables as names and cells of text. Nested values become columns 'a.b'."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from mtl_core.data.imports.tables.cells import as_text
from mtl_core.data.imports.tables.text_rows import MOST_ROWS
from mtl_core.errors import DataError

_MOST_UNPACKED = 1 << 30  # bytes of an xlsx's or parquet's content
_MOST_COLUMNS = 2000
_MOST_CELLS = 30_000_000  # rows times columns, because an empty row still gets a cell for each column
_MOST_EXCEL_ROWS = 1 << 20  # Excel's own limit; a file may state any number
_BATCH, _NESTED_BATCH = 1024, 16  # rows of a parquet per batch; fewer for lists of texts, which are copied for each row
_Table = tuple[list[str], list[tuple[int, list[str]]]]


def xlsx_table(content: bytes, file: str, sheet: str) -> _Table:
    """A sheet of an xlsx: the values that Excel has saved, not the formulas; the first row holds the names. Rows count from 1 as Excel shows them."""
    try:
        book = _book(content, file)
        if sheet and sheet not in book.sheetnames:
            raise DataError(f"'{file}' has no sheet '{sheet}'; it has {', '.join(book.sheetnames)}")
        page = book[sheet or book.sheetnames[0]]
        page.reset_dimensions()  # the stated extent may be wrong, and openpyxl would pad rows up to it
        found = [(line, _without_end([_of_excel(cell) for cell in row])) for line, row in _filled_rows(page)]
        book.close()
    except DataError:
        raise
    except Exception as error:  # openpyxl raises arbitrary errors for damaged XML
        raise DataError(f"'{file}' is no readable xlsx ({type(error).__name__}: {str(error)[:120]}). Save its sheet as CSV") from None
    found = [(line, cells) for line, cells in found if any(cells)]
    if not found:
        raise DataError(f"'{file}' has no rows in its sheet '{sheet}'" if sheet else f"'{file}' has no rows")
    width = max(len(cells) for _, cells in found)
    _check_cells(len(found), width, file)
    return [], [(line, cells + [""] * (width - len(cells))) for line, cells in found]


def sheets(content: bytes) -> list[str]:
    """Names of an xlsx's sheets; empty if it cannot be read."""
    try:
        return list(_book(content, "").sheetnames)
    except Exception:  # the error is reported when its rows are read
        return []


def _book(content: bytes, file: str) -> Any:
    import openpyxl

    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if sum(entry.file_size for entry in packed.infolist()) > _MOST_UNPACKED:
            raise DataError(f"'{file}' would unpack to more than {_MOST_UNPACKED:,} bytes. Save its sheet as CSV")
    return openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)


def _filled_rows(page: Any) -> Iterator[tuple[int, tuple]]:
    """Rows with their numbers. For rows that a sheet leaves out, of any number, openpyxl yields the same empty row object."""
    before = None
    for line, row in enumerate(page.iter_rows(max_row=_MOST_EXCEL_ROWS, max_col=_MOST_COLUMNS, values_only=True), 1):
        if row is not before and any(cell is not None for cell in row):
            yield line, row
        before = row


def _without_end(cells: list[str]) -> list[str]:
    """Cells up to the last one that is not empty."""
    width = len(cells)
    while width and not cells[width - 1]:
        width -= 1
    return cells[:width]


def _check_cells(rows: int, columns: int, file: str) -> None:
    if rows * columns > _MOST_CELLS:
        raise DataError(
            f"'{file}' has {rows:,} rows of {columns:,} columns; at most {_MOST_CELLS:,} cells are read. Leave out the columns that are no labels"
        )


def parquet_table(content: bytes, file: str) -> _Table:
    """A parquet's rows; columns of bytes (pictures inside the file) are left out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(pa.BufferReader(content), read_dictionary=_texts(pq.ParquetFile(pa.BufferReader(content)).schema_arrow))
        schema = source.schema_arrow
        if pictures_in_parquet(schema):
            raise DataError(pictures_inside(file))
        names = [field.name for field in schema if not _has_bytes(field.type)][:_MOST_COLUMNS]
        if source.metadata.num_rows > MOST_ROWS:
            raise DataError(f"'{file}' has more than {MOST_ROWS:,} rows")
        groups = (source.metadata.row_group(n) for n in range(source.metadata.num_row_groups))
        if sum(group.total_byte_size for group in groups) > _MOST_UNPACKED:
            raise DataError(_too_large(file))
        rows = _rows_of_parquet(source, names, file)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"'{file}' is no readable parquet: {str(error)[:160]}. Save it as CSV") from None
    return _flat(rows, file)


def _texts(schema: Any) -> list[str]:
    """Columns of text. A text that a million rows share is stored once in the file, and must be stored once in memory too."""
    import pyarrow as pa

    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def _rows_of_parquet(source: Any, names: list[str], file: str) -> list[dict]:
    """Rows, decoded batch by batch, because the file's stated size may be wrong."""
    import pyarrow as pa

    _check_cells(source.metadata.num_rows, len(names), file)
    rows: list[dict] = []
    known: dict[str, str] = {}  # equal texts share one object
    decoded = 0
    nested = any(pa.types.is_nested(source.schema_arrow.field(name).type) for name in names)
    for batch in source.iter_batches(batch_size=_NESTED_BATCH if nested else _BATCH, columns=names):
        decoded += batch.nbytes
        if decoded > _MOST_UNPACKED:
            raise DataError(_too_large(file))
        columns = []
        for column in batch.columns:
            if pa.types.is_dictionary(column.type):
                texts = [known.setdefault(text.strip(), text.strip()) for text in column.dictionary.to_pylist()]
                columns.append([None if place is None else texts[place] for place in column.indices.to_pylist()])
            else:
                columns.append(column.to_pylist())
        rows += [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows


def _too_large(file: str) -> str:
    return f"'{file}' would unpack to more than {_MOST_UNPACKED:,} bytes. Save the columns of its labels as CSV"


def pictures_in_parquet(schema: Any) -> list[str]:
    """Columns that hold pictures themselves, as Hugging Face stores them: bytes, or bytes with a path."""
    return [field.name for field in schema if _has_bytes(field.type)]


def pictures_inside(file: str) -> str:
    """Advice for a parquet that holds the pictures themselves."""
    return (
        f"'{file}' holds the pictures themselves, not their names. Write them to files first: 'Pictures inside a file' in "
        "docs/own-pictures.md has the lines that do it"
    )


def _has_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(_has_bytes(kind.field(n).type) for n in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def json_lines_table(text: str, file: str) -> _Table:
    """Rows of JSON lines, one object a line."""
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"'{file}' is no readable JSON at line {number}: {str(error)[:120]}") from None
            if not isinstance(row, dict):
                raise DataError(f"'{file}' line {number}: expected an object such as {{\"file_name\": ...}}, found {type(row).__name__}")
            rows.append(row)
            lines.append(number)
            if len(rows) > MOST_ROWS:
                raise DataError(f"'{file}' has more than {MOST_ROWS:,} rows")
    return _flat(rows, file, lines)


def json_table(text: str, file: str) -> _Table:
    """Rows of a JSON table: a list of objects or of [name, label], also below a key; name -> label or object; columns as lists."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{file}' is no readable JSON: {str(error)[:160]}") from None
    if isinstance(found, dict) and len(found) <= 3:
        lists = [value for value in found.values() if isinstance(value, list)]
        if len(lists) == 1 and lists[0] and isinstance(lists[0][0], (dict, list)):
            found = lists[0]  # such as {"labels": [["00000/img00000000.png", 3], ...]}
    if isinstance(found, dict) and found and all(isinstance(value, list) for value in found.values()) and len({len(v) for v in found.values()}) == 1:
        columns = list(found)
        if len(columns) > 1 and len(found[columns[0]]) > len(columns):
            return _flat([dict(zip(columns, row, strict=True)) for row in zip(*found.values(), strict=True)], file)
    if isinstance(found, dict):
        rows: list[Any] = [{"name": name, **value} if isinstance(value, dict) else {"name": name, "label": value} for name, value in found.items()]
    elif isinstance(found, list) and found and all(isinstance(row, list) and 2 <= len(row) <= 100 for row in found):
        pairs = all(len(row) == 2 for row in found)
        rows = [dict(zip(("name", "label"), row, strict=True)) if pairs else {f"column_{n}": v for n, v in enumerate(row, 1)} for row in found]
    else:
        rows = found if isinstance(found, list) else []
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"'{file}' is no table: expected a list of objects, or names with labels; found {type(found).__name__}")
    return _flat(rows, file)


def _flat(rows: Iterable[dict], file: str, lines: list[int] | None = None) -> _Table:
    flat = [dict(_fields(row)) for row in rows]
    names: dict[str, None] = {}
    for row in flat:
        names.update(dict.fromkeys(row))
        if len(names) > _MOST_COLUMNS:
            raise DataError(f"'{file}' has more than {_MOST_COLUMNS:,} columns; it is no table of labels")
    if not names:
        raise DataError(f"'{file}' has no rows")
    _check_cells(len(flat), len(names), file)
    cells = [[as_text(row.get(name)) for name in names] for row in flat]
    return list(names), list(zip(lines or range(1, len(cells) + 1), cells, strict=True))


def _fields(row: dict, before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict) and depth < 3:
            yield from _fields(value, f"{before}{name}.", depth + 1)
        else:
            yield f"{before}{name}".strip(), value


def _of_excel(cell: Any) -> str:
    return cell.isoformat(sep=" ").removesuffix(" 00:00:00") if hasattr(cell, "hour") and hasattr(cell, "year") else as_text(cell)
