"""A CSV, or another table in text: a column that names images, and columns with classes, labels separated by commas, numbers, or boxes."""

from __future__ import annotations

import csv
import re
from collections import Counter
from typing import Any, Literal

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import AmbiguousImageError, Context, Format, FormatOptions, Guess, Targets
from mtl_core.data.imports.formats.boxes import Boxes, in_order
from mtl_core.data.imports.proposal import CsvTable
from mtl_core.data.imports.spec import ImageSpec, Strict
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError
from mtl_core.names import suggested_task_name

MOST_CSV_BYTES = 256 << 20
MOST_ROWS = 5_000_000
MISSING = ("", "nan", "na", "n/a", "null", "none", "?", "-")
_GUESS_ROWS = 3000
_FEW = 30  # whole numbers with at most so many different values are classes
_SKIPPED = ("readme", "license", "attribution", "intrinsics", "requirements")
_BOX_NAMES = (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"))
_CORNER_NAMES = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))
_UNITS = {"m": "m", "mm": "mm", "deg": "degrees", "px": "pixels", "s": "s", "kg": "kg", "percent": "%"}


class Column(Strict):
    """One column with targets."""

    column: str = Field(description="Name of the column.")
    task: str = Field(description="Name of the task.")
    kind: Literal["classification", "multi_label", "regression"] = Field(description="What its cells are.")
    classes: list[str] = Field(default_factory=list, description="Class names in order; empty for those found.")
    names: dict[str, str] = Field(default_factory=dict, description="Cell -> class name, where cells are numbers.")
    separator: str = Field(",", min_length=1, max_length=1, description="multi_label: what stands between labels in a cell.")
    unit: str = Field("", max_length=20, description="regression: unit of the number.")


class CsvOptions(FormatOptions):
    """Options of tables in text."""

    file: str = Field("", description="The file.")
    delimiter: str = Field(",", description="Between cells; 'space' for any white space, 'tab' for tabs.")
    encoding: str = Field("utf-8-sig", description="utf-8-sig, utf-16, cp1252 or latin-1.")
    header: bool = Field(True, description="Whether the first row names the columns; without it they are column_1, column_2 ...")
    decimal: Literal[".", ","] = Field(".", description="What stands before decimals.")
    image_column: str = Field("", description="The column that names images.")
    image_prefix: str = Field(
        "", description="Put before each name, such as a folder 'images/' or 'train-images-idx3-ubyte#' for rows of an idx file."
    )
    image_digits: int = Field(0, ge=0, le=20, description="Numbers are filled up with zeros to so many digits.")
    columns: list[Column] = Field(default_factory=list, description="Columns with targets.")
    box: list[str] = Field(default_factory=list, description="Four columns of a box.")
    box_form: Literal["size", "corners"] = Field("size", description="'size': x, y, width, height; 'corners': x1, y1, x2, y2.")
    box_task: str = Field("box", description="Name of the task of boxes; several rows of one image are several boxes.")
    box_class: str = Field("", description="Column with the boxes' classes; empty for one class 'object'.")


class CsvFormat(Format):
    """A table in text."""

    title = "CSV"
    summary = "Rows that name images, with classes, labels, numbers or boxes in columns."
    Options = CsvOptions
    options: CsvOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        guesses = []
        for file in context.tree.files:
            base = file.lower().rpartition("/")[2]
            if base.endswith((".csv", ".tsv")) and not any(word in base for word in _SKIPPED):
                guess = _guess(context, file)
                if guess is not None:
                    guesses.append(guess)
        return guesses

    def read(self, context: Context) -> list[Targets]:
        options, findings = self.options, context.findings
        names, rows = read_table(context, options)
        wanted = [options.image_column, *(column.column for column in options.columns), *options.box, *filter(None, [options.box_class])]
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise DataError(f"'{options.file}' has no column {', '.join(map(repr, unknown))}; it has {', '.join(names)}")
        place = {name: number for number, name in enumerate(names)}
        cells: dict[str, dict[str, str]] = {column.task: {} for column in options.columns}
        boxes: dict[str, list[list[str]]] = {}
        for line, row in rows:
            where = f"{options.file}:{line}"
            key = context.image(reference(row[place[options.image_column]], options), where)
            if key is None:
                continue
            for column in options.columns:
                cell = row[place[column.column]].strip()
                before = cells[column.task].setdefault(key, cell)
                if before != cell:
                    findings.add("skipped", "duplicate", where, f"'{key}' has '{before[:40]}' already; '{cell[:40]}' is not used", column.task)
            if options.box:
                boxes.setdefault(key, []).append([row[place[name]] for name in [*options.box, *filter(None, [options.box_class])]])
        targets = [_targets(context, options, column, cells[column.task]) for column in options.columns]
        return [*targets, *([_boxes(context, options, boxes)] if options.box else [])]


def reference(cell: str, options: CsvOptions) -> str:
    """The image's name that a cell stands for."""
    cell = cell.strip()
    return options.image_prefix + (cell.zfill(options.image_digits) if cell.isascii() and cell.isdigit() else cell)


def read_table(context: Context, options: CsvOptions) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Column names, and (line number, cells) of every row that has as many; others are findings.

    Raises:
        DataError: the file cannot be read as said.
    """
    if options.encoding not in ("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"):
        raise DataError(f"'{options.file}': encoding '{options.encoding}' is not known; expected utf-8-sig, utf-16, cp1252 or latin-1")
    try:
        text = context.tree.read(options.file, MOST_CSV_BYTES).decode(options.encoding)
    except (UnreadableError, UnicodeError) as error:
        raise DataError(f"'{options.file}' cannot be read as {options.encoding}: {str(error)[:160]}") from None
    rows = list(_rows(text, options.delimiter, options.file))
    if not rows:
        raise DataError(f"'{options.file}' has no rows")
    width = len(rows[0][1])
    if not options.header:
        width = Counter(len(cells) for _, cells in rows).most_common(1)[0][0]
    names = (
        [name.strip() or f"column_{n}" for n, name in enumerate(rows[0][1], 1)] if options.header else [f"column_{n}" for n in range(1, width + 1)]
    )
    if len(set(names)) < len(names):
        raise DataError(f"'{options.file}' names a column twice: {', '.join(name for name, n in Counter(names).items() if n > 1)}")
    fitting = []
    for line, cells in rows[1:] if options.header else rows:
        if len(cells) == width:
            fitting.append((line, cells))
        else:
            sentence = f"{len(cells)} cells; expected {width} as in the first row"
            context.findings.add("skipped", "ragged_row", f"{options.file}:{line}", sentence)
    return names, fitting


def _rows(text: str, delimiter: str, file: str):
    if "\0" in text:
        raise DataError(f"'{file}' holds NUL characters; it is no table in text, or its encoding is another one (utf-16?)")
    if delimiter == "space":
        lines = ((number, line.split()) for number, line in enumerate(text.splitlines(), 1) if not line.startswith("#"))
        yield from ((number, cells) for number, cells in lines if cells)
        return
    reader = csv.reader(text.splitlines(keepends=True), delimiter="\t" if delimiter == "tab" else delimiter[:1] or ",")
    try:
        for count, cells in enumerate(reader):
            if count > MOST_ROWS:
                raise DataError(f"'{file}' has more than {MOST_ROWS:,} rows")
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"'{file}' is no readable CSV at line {reader.line_num}: {error}") from None


def _number(cell: str, decimal: str) -> float | None:
    try:
        return float(cell.replace(",", ".") if decimal == "," else cell)
    except ValueError:
        return None


def _targets(context: Context, options: CsvOptions, column: Column, cells: dict[str, str]) -> Targets:
    known = {key: column.names.get(cell, cell) for key, cell in cells.items() if cell.lower() not in MISSING}
    targets = Targets(column.task, column.kind, unit=column.unit)
    if column.kind == "regression":
        for key, cell in known.items():
            value = _number(cell, options.decimal)
            if value is None or not np.isfinite(value) or abs(value) > 1e30:
                context.findings.add("skipped", "not_a_number", key, f"'{cell[:40]}' is no finite number ('{column.column}')", column.task)
            else:
                targets.values[key] = value
        return targets
    parts = {key: [cell] for key, cell in known.items()}
    if column.kind == "multi_label":
        parts = {key: [p.strip() for p in cell.split(column.separator) if p.strip()] for key, cell in known.items()}
    targets.classes = tuple(column.classes) or in_order({name for names in parts.values() for name in names})
    place = {name: index for index, name in enumerate(targets.classes)}
    for key, names in parts.items():
        others = [name for name in names if name not in place]
        if others:
            context.findings.add(
                "skipped", "unknown_class", key, f"'{', '.join(others)[:60]}' is not among the classes of '{column.column}'", column.task
            )
        elif column.kind == "multi_label":
            targets.values[key] = tuple(sorted({place[name] for name in names}))
        else:
            targets.values[key] = place[names[0]]
    return targets


def _boxes(context: Context, options: CsvOptions, rows: dict[str, list[list[str]]]) -> Targets:
    classes = in_order({row[4].strip() for found in rows.values() for row in found}) if options.box_class else ("object",)
    place = {name: index for index, name in enumerate(classes)}
    targets = Targets(options.box_task, "detection", classes)
    for key, found in rows.items():
        boxes = []
        for row in found:
            if all(cell.strip().lower() in MISSING for cell in row[:4]):
                continue
            numbers = [_number(cell, options.decimal) for cell in row[:4]]
            x, y, a, b = (float("nan") if number is None else number for number in numbers)
            corners = (x, y, a, b) if options.box_form == "corners" else (x, y, x + a, y + b)
            boxes.append((*corners, place[row[4].strip()] if options.box_class else 0))
        if boxes:
            targets.values[key] = Boxes(np.array(boxes, np.float64).reshape(-1, 5))
    return targets


def _guess(context: Context, file: str) -> Guess | None:
    try:
        content = context.tree.read(file, MOST_CSV_BYTES)
        encoding, text = _decoded(content)
        head = text[: 1 << 20]
        delimiter = _delimiter(head, file)
        options = CsvOptions(file=file, encoding=encoding, delimiter=delimiter)
        names, rows = read_table(Context(context.tree, context.index, type(context.findings)()), options)
    except (UnreadableError, DataError):
        return None
    rows = rows[:_GUESS_ROWS]
    columns = {name: [row[n].strip() for _, row in rows] for n, name in enumerate(names)}
    options, note = _image_column(context, options, columns)
    if not options.image_column:
        return None
    table = CsvTable(0, file, delimiter, encoding, tuple(names), tuple(tuple(row) for _, row in rows[:20]))
    if delimiter != "," and any(re.fullmatch(r"-?\d+,\d+", cell) for cells in columns.values() for cell in cells[:100]):
        options = options.model_copy(update={"decimal": ","})
    guess = Guess({}, table=table, notes=[f"'{file}': {encoding}, delimiter '{delimiter}'. {note}"])
    boxes = _box_columns(names)
    found = []
    for name in names:
        if name == options.image_column or name in boxes[0]:
            continue
        column = _column(name, columns[name], options.decimal, context)
        if column is not None:
            found.append(column)
            guess.labelled[column.task] = sum(cell.lower() not in MISSING for cell in columns[name])
    options = options.model_copy(update={"columns": found, "box": boxes[0], "box_form": boxes[1]})
    if boxes[0]:
        guess.labelled["box"] = len(rows)
    guess.options = options.model_dump(mode="json")
    return guess if found or boxes[0] else None


def _decoded(content: bytes) -> tuple[str, str]:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"), (b"", "cp1252"), (b"", "latin-1")):
        if content.startswith(mark):
            try:
                return encoding, content.decode(encoding)
            except UnicodeError:
                continue
    raise UnreadableError("no encoding fits")


def _delimiter(text: str, file: str) -> str:
    """The one that gives the most rows the same number of cells, more than one."""

    def evenness(delimiter: str) -> tuple[float, int]:
        try:
            widths = Counter(len(cells) for _, cells in list(_rows("".join(text.splitlines(keepends=True)[:100]), delimiter, file)))
        except DataError:
            return (0.0, 0)
        width, rows = widths.most_common(1)[0] if widths else (1, 0)
        return (rows / max(1, sum(widths.values())) if width > 1 else 0.0, width)

    return max((",", ";", "tab", "|", "space"), key=evenness)


def _image_column(context: Context, options: CsvOptions, columns: dict[str, list[str]]) -> tuple[CsvOptions, str]:
    best: tuple[float, CsvOptions, str] = (0.5, options, "")
    for name, cells in columns.items():
        for prefix, digits in [("", 0), *(_patterns(context, options.file, cells))]:
            tried = options.model_copy(update={"image_column": name, "image_prefix": prefix, "image_digits": digits})
            hits = sum(_finds(context, reference(cell, tried)) for cell in cells[:500]) / max(1, min(500, len(cells)))
            if hits > best[0]:
                pattern = f" (as '{reference(cells[0], tried)}')" if prefix or digits else ""
                best = (hits, tried, f"Column '{name}' names images{pattern}")
    return best[1], best[2]


def _patterns(context: Context, file: str, cells: list[str]) -> list[tuple[str, int]]:
    """Whole numbers may be rows of an idx file, or the end of names such as img_00012."""
    if not cells or not all(cell.isascii() and cell.isdigit() for cell in cells[:200]):
        return []
    idx = sorted({key.rpartition("#")[0] for key in context.index.keys if "#" in key})
    part = next((word for word in ("train", "test", "val") if word in file.lower().rpartition("/")[2]), "")
    words = {"test": ("t10k", "test"), "train": ("train",), "val": ("val",)}.get(part, ("",))
    patterns = [(f"{name}#", 0) for name in idx if name.rpartition("/")[2].startswith(words)]
    stems = Counter()
    for key in context.index.keys[:2000]:
        match = re.fullmatch(r"(.*?)(\d+)\.\w+", key.rpartition("/")[2])
        if match:
            stems[match[1], len(match[2])] += 1
    return patterns + [pattern for pattern, _ in stems.most_common(2)]


def _finds(context: Context, name: str) -> bool:
    try:
        return context.index.find(name) is not None
    except AmbiguousImageError:
        return False


def _box_columns(names: list[str]) -> tuple[list[str], str]:
    lower = {name.lower(): name for name in names}
    for forms, form in ((_BOX_NAMES, "size"), (_CORNER_NAMES, "corners")):
        for quadruple in forms:
            for before in ("", "box_", "bbox_"):
                if all(before + part in lower for part in quadruple):
                    return [lower[before + part] for part in quadruple], form
    return [], "size"


def _column(name: str, cells: list[str], decimal: str, context: Context) -> Column | None:
    known = [cell for cell in cells if cell.lower() not in MISSING]
    different = set(known)
    ending = name.lower().replace("-", "_").rpartition("_")[2]
    if len(different) < 2 or ending in ("id", "index", "frame", "unnamed", "path", "file"):
        return None
    numbers = [_number(cell, decimal) for cell in known]
    made: dict[str, Any] = {"column": name, "task": suggested_task_name(name)}
    if all(number is not None for number in numbers):
        whole = all(number == int(number) for number in numbers if np.isfinite(number))
        if not whole or len(different) > _FEW:
            if whole and len(different) == len(known):
                return None  # a number of its own for each row is a name, not a quantity
            return Column(**made, kind="regression", unit=_UNITS.get(ending, ""))
        return Column(**made, kind="classification")
    if any(_finds(context, cell) or cell in context.tree.files for cell in list(different)[:5]):
        return None  # names of files
    for separator in (",", "|", ";"):
        parts = {part.strip() for cell in different for part in cell.split(separator)}
        if sum(separator in cell for cell in known) and len(parts) < len(different):
            return Column(**made, kind="multi_label", separator=separator)
    return Column(**made, kind="classification") if len(different) <= max(_FEW, len(known) // 4) and len(different) < len(known) else None
