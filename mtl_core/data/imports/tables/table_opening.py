"""Detection of a table's encoding, delimiter and header, and of the column that names images."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.formats import AmbiguousImageError, Context
from mtl_core.data.imports.picture_reading import is_picture
from mtl_core.data.imports.tables.cells import number
from mtl_core.data.imports.tables.column_words import part_of_file, words_of
from mtl_core.data.imports.tables.record_rows import sheets
from mtl_core.data.imports.tables.table_options import CsvOptions
from mtl_core.data.imports.tables.table_reading import JSON_LINES, MOST_CSV_BYTES, RECORDS, ImageNames, read_table
from mtl_core.data.imports.tables.text_rows import decoded, delimiters, text_rows
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

_HEAD = 1 << 20  # characters read to detect delimiter and header
_MOST_COLUMNS = 2000  # of a table that is looked at
_TRIED = 400  # cells that are looked up as image names
_SAMPLE, _RUN = 12_000, 24  # rows looked at, in runs, so that several rows of an image stay together
_LABEL_STUDIO = ("annotation_id", "annotator", "lead_time")  # columns of its CSV
_IMAGE_WORDS = frozenset(
    ["image", "images", "img", "file", "filename", "filepath", "path", "picture", "photo", "name", "id", "imageid", "fname", "slide", "scan", "frame"]
)

_FRAME_WORDS = frozenset(["image", "images", "img", "file", "filename", "picture", "photo", "frame", "imageid"])


@dataclass
class Opened:
    """A table that names images.

    Attributes:
        names: names of its columns; rows: (line, cells), a sample if there are many; ``count``: number of all rows.
        keys: the image of each of ``rows``; None if there is none.
        found: share of the tried rows whose image exists.
        rivals: (prefix, share) of other folders with images of the same names, if the choice is ambiguous.
    """

    options: CsvOptions
    names: list[str]
    rows: list[tuple[int, list[str]]]
    count: int
    keys: list[str | None]
    found: float
    rivals: list[tuple[str, float]] = field(default_factory=list)


class NoTableError(DataError):
    """The file is no table that names images; the message gives the reason.

    Attributes:
        names, rows: the rows read, for lists of classes; empty if nothing was read.
        hits: share of cells in the best column that name an image.
    """

    def __init__(self, message: str, names: list[str] | None = None, rows: list[list[str]] | None = None, hits: float = 0.0):
        super().__init__(message)
        self.names, self.rows, self.hits = names or [], rows or [], hits


def open_table(context: Context, file: str) -> Opened:
    """Open a table with the options that read it best.

    Raises:
        NoTableError: no column names images. DataError: it cannot be read.
    """
    context = replace(context, near=file.rpartition("/")[0])  # pictures near the table come before others of the same names
    ending = PurePosixPath(file).suffix.lower()
    if ending in RECORDS:
        tries = [CsvOptions(file=file, encoding=_encoding(context, file) if ending in (".json", *JSON_LINES) else "utf-8-sig")]
        if ending in (".xlsx", ".xlsm"):
            every = sheets(context.tree.read(file, MOST_CSV_BYTES))
            each = [tries[0].model_copy(update={"sheet": sheet}) for sheet in (every if len(every) > 1 else [""])]
            tries = [options.model_copy(update=changes) for options in each for changes in _of_sheet(context, options)]
    else:
        tries = _text_options(context, file)
    failed: NoTableError | None = None
    for options in tries[:4]:
        findings = Findings()
        names, rows = read_table(Context(context.tree, context.index, findings), options)
        if len(names) > _MOST_COLUMNS:
            raise NoTableError(
                f"it has {len(names):,} columns; at most {_MOST_COLUMNS:,} are looked at. Write those with labels into a table of their own"
            )
        sample = spread(rows)
        named, hits = _image_column(context, options, names, sample)
        if named is None:
            failed = failed or NoTableError(
                _no_images(names, hits, _naming_files(names, sample)), names, [cells for _, cells in rows[:100_000]], hits[1]
            )
            continue
        images = ImageNames(context, named)
        place = names.index(named.image_column)
        keys = [_found(context, images.reference(cells[place])) for _, cells in sample]
        found = sum(key is not None for key in keys) / max(1, len(keys))
        return Opened(named, names, sample, len(rows), keys, found, _rivals(context, named, names, sample))
    raise failed or NoTableError("it has no rows of several cells")


def spread(rows: list) -> list:
    """A bounded sample of rows, in runs from the whole table, so that sorted tables show all of their classes."""
    if len(rows) <= _SAMPLE:
        return rows
    step = len(rows) * _RUN // _SAMPLE
    return [row for start in range(0, len(rows) - _RUN + 1, step) for row in rows[start : start + _RUN]]


def _of_sheet(context: Context, options: CsvOptions) -> list[dict]:
    try:
        rows = read_table(Context(context.tree, context.index, Findings()), options.model_copy(update={"header": False}))[1][:500]
    except DataError:
        if options.sheet:  # an empty sheet beside others
            return []
        raise
    return _headers(rows, context, options.file)


def _encoding(context: Context, file: str) -> str:
    return decoded(context.tree.read(file, MOST_CSV_BYTES))[0]


def _text_options(context: Context, file: str) -> list[CsvOptions]:
    try:
        encoding, text = decoded(context.tree.read(file, MOST_CSV_BYTES))
    except UnreadableError as error:
        raise NoTableError(str(error)) from None
    head = text if len(text) <= _HEAD else text[: text.rfind("\n", 0, _HEAD) + 1] or text[:_HEAD]
    found = []
    if not text.strip():
        raise NoTableError("the file is empty")
    for delimiter in delimiters(head, file):
        rows = list(text_rows(head, delimiter, file))[:500]
        found += [CsvOptions(file=file, encoding=encoding, delimiter=delimiter, **changes) for changes in _headers(rows, context, file)]
    if not found:
        list(text_rows(head, ",", file))  # raises the reason, such as NUL characters
    return found


def _headers(rows: list[tuple[int, list[str]]], context: Context, file: str) -> list[dict]:
    """Whether the first row is a header, and how many lines stand before it."""
    widths = Counter(len(cells) for _, cells in rows)
    if not widths:
        return []
    width = widths.most_common(1)[0][0]
    filled = Counter(sum(bool(cell.strip()) for cell in cells) for _, cells in rows)
    least = 2 if filled.most_common(1)[0][0] > 1 else 1
    start = 0
    while start < min(10, len(rows) - 1) and (
        (len(rows[start][1]) not in (width, width - 1) or rows[start][1][0].startswith("sep="))
        or (sum(bool(cell.strip()) for cell in rows[start][1]) < least and not any(_hit(context, c) or is_picture(c.strip()) for c in rows[start][1]))
    ):
        start += 1  # a line with a title or a count of rows
    skip = rows[start - 1][0] if start else 0
    first, body = rows[start][1], [cells for _, cells in rows[start + 1 :] if len(cells) == width]
    header = True
    if len(first) == width and body:
        names_images = [n for n in range(width) if sum(_hit(context, cells[n]) for cells in body[:60]) > min(60, len(body)) / 2]
        header = not any(_hit(context, first[n]) for n in names_images[:1]) and not any(is_picture(cell.strip()) for cell in first)
        header = header and not (all(number(cell) is not None for cell in first) and not names_images)
    return [{"header": header, "skip_lines": skip}]


def _hit(context: Context, cell: str) -> bool:
    return bool(cell.strip()) and _found(context, cell.strip()) is not None


def _found(context: Context, name: str) -> str | None:
    try:
        return context.index.find(name, near=context.near) if name else None
    except AmbiguousImageError:
        return None


def _naming_files(names: list[str], rows: list[tuple[int, list[str]]]) -> dict[str, str]:
    """Column -> one of its cells, for the columns whose cells are names of picture files."""
    found = {}
    for place, name in enumerate(names):
        cells = [cell for _, row in rows[:_TRIED] if (cell := row[place].strip())]
        if cells and sum(is_picture(cell.partition("?")[0]) for cell in cells) > 0.9 * len(cells):
            found[name] = cells[0]
    return found


def _no_images(names: list[str], hits: tuple[str, float], files: dict[str, str]) -> str:
    if set(_LABEL_STUDIO) <= set(names):
        return "it is Label Studio's CSV, whose names of pictures have a prefix: export JSON from Label Studio, which is read"
    if files and hits[1] <= 0.5:
        name, cell = next(iter(files.items()))
        return (
            f"no column names images of this set: '{name}' names picture files that are not in it, such as '{cell[:60]}', and numbers in other "
            "columns are not taken for names then, because they match any numbered pictures"
        )
    if hits[1] > 0.5:
        return f"the numbers of its column '{hits[0]}' repeat, or are few: they would match any numbered pictures"
    best = f"the best, '{hits[0]}', names one in {hits[1]:.0%} of its rows" if hits[1] else f"its columns are {', '.join(names[:6])}"
    return f"no column names images of this set: {best}"


def _image_column(
    context: Context, options: CsvOptions, names: list[str], rows: list[tuple[int, list[str]]]
) -> tuple[CsvOptions | None, tuple[str, float]]:
    """(options with the column and pattern that name most images, or None; (best column, its share))."""
    best: tuple[float, CsvOptions | None] = (0.0, None)
    closest = ("", 0.0)
    files = _naming_files(names, rows)
    for place, name in enumerate(names):
        every = [cells[place].strip() for _, cells in rows]
        filled = [cell for cell in every if cell]
        if len(filled) < 0.5 * len(every) or not filled:
            continue
        cells = filled[:: max(1, len(filled) // _TRIED)]
        if files and name not in files and all(cell.isascii() and cell.isdigit() for cell in cells):
            continue  # another column names files, so these numbers count rows, labels or persons
        are_files = sum(is_picture(cell) for cell in cells) > 0.9 * len(cells)
        hint = bool(set(words_of(name)) & _IMAGE_WORDS) or words_of(name) == []
        for prefix, digits in _patterns(context, options.file, cells):
            tried = options.model_copy(update={"image_column": name, "image_prefix": prefix, "image_digits": digits})
            images = ImageNames(context, tried)
            found = [_found(context, images.reference(cell)) for cell in cells]
            within = prefix if prefix.endswith("/") else ""
            found = [key if key is not None and key.startswith(within) else None for key in found]
            hits = sum(key is not None for key in found) / len(cells)
            closest = max(closest, (name, hits), key=lambda pair: pair[1])
            different = len(set(found) - {None})
            unique = len(set(filled)) / len(filled)
            by_number = bool(digits) or "#" in prefix
            if by_number and unique < 0.9 and not set(words_of(name)) & _FRAME_WORDS:
                continue  # such numbers, a class or a writer, match any numbered pictures
            if different < min(3, len(set(cells))) or (not are_files and not hint and different < min(8, 0.3 * len(context.index))):
                continue
            if hits <= 0.5 and not (are_files and _covers(context, images, filled)):
                continue
            score = hits + 0.2 * are_files + 0.1 * hint + _nearness(options.file, prefix) - 0.05 * by_number + 0.2 * unique
            if score > best[0]:
                best = (score, tried)
    return best[1], closest


def _nearness(file: str, prefix: str) -> float:
    """Rank of a folder of images: it is the table's own, lies below it, or belongs to the part in the table's name."""
    if not prefix or "#" in prefix:
        return 0.0
    folder = file.rpartition("/")[0]
    part = part_of_file(file)
    if folder and prefix == f"{folder}/":
        return 1.0
    if part and part_of_file(prefix) == part:
        return 0.9
    return 0.8 if folder and prefix.startswith(f"{folder}/") else 0.02


def _rivals(context: Context, options: CsvOptions, names: list[str], rows: list[tuple[int, list[str]]]) -> list[tuple[str, float]]:
    """Other folders with images of most of the table's names."""
    if not options.image_prefix.endswith("/") or _nearness(options.file, options.image_prefix) > 0.1:
        return []
    place = names.index(options.image_column)
    cells = [cells[place] for _, cells in rows][:: max(1, len(rows) // _TRIED)]
    found = []
    for folder in sorted(context.index.folders)[:200]:
        images = ImageNames(context, options.model_copy(update={"image_prefix": f"{folder}/" if folder else ""}))
        if images.options.image_prefix != options.image_prefix:
            keys = [_found(context, images.reference(cell)) for cell in cells]
            hits = sum(key is not None and key.rpartition("/")[0] == folder for key in keys) / max(1, len(cells))
            if hits > 0.5 and folder:
                found.append((f"{folder}/", hits))
    return found[:5]


def _covers(context: Context, images: ImageNames, cells: list[str]) -> bool:
    """Whether the table names half of the pictures, though most of its rows name missing ones: part of a set with the whole set's table."""
    found = {_found(context, images.reference(cell)) for cell in cells} - {None}
    return len(found) > 0.5 * len(context.index) or len(found) >= 200


def _patterns(context: Context, file: str, cells: list[str]) -> list[tuple[str, int]]:
    """(prefix, digits) to try. A name without folder means a picture in or below the table's folder, or in the only folder that has it."""
    patterns = [("", 0)]
    if not any("/" in cell or "\\" in cell for cell in cells):
        folder = file.rpartition("/")[0]
        folders = context.index.folders
        if len(folders) > 1:
            near = [name for name in folders if name and (name == folder or f"{name}/".startswith(f"{folder}/" if folder else "\0"))]
            part = part_of_file(file.rpartition("/")[2])
            same_part = [name for name in folders if name and part and part_of_file(f"{name}/") == part]
            patterns += [(f"{name}/", 0) for name in dict.fromkeys([*near[:4], *same_part[:4], *[n for n, _ in folders.most_common(3) if n]])]
    elif file.rpartition("/")[0]:
        patterns.append((f"{file.rpartition('/')[0]}/", 0))
    if all(cell.isascii() and cell.isdigit() for cell in cells[:200]):
        patterns += _numbered(context, file)
    return patterns


def _numbered(context: Context, file: str) -> list[tuple[str, int]]:
    """(prefix, digits) for whole numbers: rows of an idx file, or the end of names such as img_00012."""
    idx = context.index.idx_files
    part = next((word for word in ("train", "test", "val") if word in file.lower().rpartition("/")[2]), "")
    words = {"test": ("t10k", "test"), "train": ("train",), "val": ("val",)}.get(part, ("",))
    patterns = [(f"{name}#", 0) for name in idx if name.rpartition("/")[2].startswith(words)]
    stems: Counter[tuple[str, int]] = Counter()
    for key in context.index.keys[:2000]:
        match = re.fullmatch(r"(.*?)(\d+)\.\w+", key.rpartition("/")[2])
        if match:
            stems[match[1], len(match[2])] += 1
    return patterns + [pattern for pattern, _ in stems.most_common(2)]
