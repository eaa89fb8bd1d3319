"""Small files that would become large tables: refused in words, within the memory and time of an ordinary one."""

import io
import json
import zipfile

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtl_core.data.imports.tables import record_rows
from mtl_core.data.imports.tables.record_rows import json_lines_table, json_table, parquet_table, sheets, xlsx_table
from mtl_core.errors import DataError

WIDE = {f"c{number}": number for number in range(100)}


def sheet(rows: str) -> bytes:
    """An xlsx whose only sheet has these rows as XML."""
    plain, changed = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(plain)
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "xl/worksheets/sheet1.xml":
                content = content.replace(b"<sheetData></sheetData>", b"<sheetData />").replace(
                    b"<sheetData />", f"<sheetData>{rows}</sheetData>".encode()
                )
            after.writestr(name, content)
    return changed.getvalue()


@pytest.fixture
def few_cells(monkeypatch):
    monkeypatch.setattr(record_rows, "_MOST_CELLS", 5_000)


def test_rows_that_say_little_count_with_all_columns(few_cells):
    """One long row and many short ones: each of them would get a hundred cells."""
    lines = "\n".join([json.dumps(WIDE), *['{"c0": 1}'] * 60])
    with pytest.raises(DataError, match="61 rows of 100 columns; at most 5,000 cells"):
        json_lines_table(lines, "a.jsonl")
    with pytest.raises(DataError, match="61 rows of 100 columns"):
        json_table(json.dumps([WIDE, *[{"c0": 1}] * 60]), "a.json")
    file = io.BytesIO()
    pq.write_table(pa.table({name: np.zeros(61, np.int8) for name in WIDE}), file)
    with pytest.raises(DataError, match="61 rows of 100 columns"):
        parquet_table(file.getvalue(), "a.parquet")
    far = sheet("".join(f'<row r="{row}"><c r="CV{row}"><v>1</v></c></row>' for row in range(1, 62)))
    with pytest.raises(DataError, match="61 rows of 100 columns"):
        xlsx_table(far, "a.xlsx", "")


def test_a_table_within_the_bound_is_read_whole(few_cells):
    names, rows = json_lines_table("\n".join([json.dumps(WIDE), *['{"c0": 1}'] * 49]), "a.jsonl")
    assert (len(names), len(rows), rows[49][1][:2]) == (100, 50, ["1", ""])


def test_a_sheet_ends_where_excel_does():
    """A row number, or a column far to the right, that a file only claims: nothing is filled up to it."""
    far = '<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"/></row><row r="3"><c r="B3"><v>2</v></c></row>'
    far += '<row r="999999999"><c r="A999999999"><v>3</v></c></row>'
    assert xlsx_table(sheet(far), "a.xlsx", "") == ([], [(1, ["1", ""]), (3, ["", "2"])])


def test_sheets_of_a_bomb_are_not_looked_for(monkeypatch):
    content = sheet('<row r="1"><c r="A1"><v>1</v></c></row>')
    assert sheets(content) == ["Sheet"]
    monkeypatch.setattr(record_rows, "_MOST_UNPACKED", 1000)
    assert sheets(content) == []


def test_a_text_that_rows_of_a_parquet_share_is_there_once():
    """4,000 rows share a megabyte that the file holds once."""
    file = io.BytesIO()
    shared = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 2000, pa.int32()), pa.array(["x" * 1_000_000, "y"]))
    pq.write_table(pa.table({"file_name": ["a.png"] * 4000, "label": shared}), file)
    names, rows = parquet_table(file.getvalue(), "a.parquet")
    assert names == ["file_name", "label"]
    assert len(rows) == 4000
    assert {len(cells[1]) for _, cells in rows} == {1_000_000, 1}
    assert len({id(cells[1]) for _, cells in rows}) == 2


def test_what_a_parquet_says_of_its_size_is_not_believed(monkeypatch):
    """Texts in lists are written out for each row; the bytes that are decoded count, not those that are promised."""
    file = io.BytesIO()
    pq.write_table(pa.table({"file_name": ["a.png"] * 200, "labels": [["x" * 10_000]] * 200}), file, compression="zstd")
    assert len(file.getvalue()) < 20_000
    monkeypatch.setattr(record_rows, "_MOST_UNPACKED", 1_000_000)
    with pytest.raises(DataError, match="would unpack to more than 1,000,000 bytes"):
        parquet_table(file.getvalue(), "a.parquet")
