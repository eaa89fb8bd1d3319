"""Lists of classes beside tables, which name numbers and codes, such as ``/m/01,Person`` of OpenImages or ``cow,0`` of RetinaNet."""

from __future__ import annotations

from pathlib import PurePosixPath

from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.tables.cells import number
from mtl_core.data.imports.tables.column_sample import Sample
from mtl_core.data.imports.tables.column_words import words_of
from mtl_core.data.imports.tables.table_options import CsvOptions
from mtl_core.data.imports.tables.table_reading import RECORDS
from mtl_core.data.imports.tables.text_rows import decoded
from mtl_core.data.imports.tree import UnreadableError

_NAMES = frozenset(
    [
        "class",
        "classes",
        "label",
        "labels",
        "category",
        "categories",
        "names",
        "words",
        "wnids",
        "synset",
        "synsets",
        "species",
        "breeds",
        "descriptions",
        "obj",
    ]
)
_MOST = 200_000


class ClassLists:
    """The lists of classes of a set."""

    def __init__(self) -> None:
        self.lists: list[dict[str, str]] = []
        self.files: list[str] = []  # of the lists
        self.used: set[str] = set()

    def take(self, context: Context, file: str, names: list[str], rows: list[list[str]]) -> bool:
        """Keep a file that is no table of images if it is a list of classes. Returns whether it is.

        Args:
            names, rows: as read; empty where it has one column only.
        """
        if not set(words_of(PurePosixPath(file).stem)) & _NAMES:
            return False
        if len(names) == 2 and rows:
            head = [] if file.lower().endswith(RECORDS) else [(names[0], names[1])]  # a record's names are those of its keys
            pairs = [*head, *((first.strip(), second.strip()) for first, second in rows)]
        else:
            pairs = _pairs(context, file)
        pairs = [(first, second) for first, second in pairs if first and second][:_MOST]
        if len(pairs) < 2:
            return False
        seconds_are_numbers = sum(number(second) is not None for _, second in pairs) >= len(pairs) - 1
        firsts_are_numbers = sum(number(first) is not None for first, _ in pairs) >= len(pairs) - 1
        if seconds_are_numbers and not firsts_are_numbers:
            pairs = [(second, first) for first, second in pairs]
        found = dict(pairs)
        if len(found) < len(pairs):
            return False
        self.lists.append(found)
        self.files.append(file)
        return True

    def tell(self, context: Context) -> None:
        """Add a note for each list: it explains a column of a table, or may hold labels whose pictures another file names."""
        for file, found in zip(self.files, self.lists, strict=True):
            first = next(iter(found.items()))
            if file in self.used:
                context.understood(file, "a list of classes: what numbers or short names of classes mean")
            elif len(set(found.values())) < len(found):  # several have the same name: labels rather than names of classes
                context.not_understood(
                    file,
                    f"seen, not understood: a table of pairs such as '{first[0]}' and '{first[1]}' that names no image; if they are labels, "
                    "put the images' file names into it",
                )

    def named(self, options: CsvOptions, sample: Sample) -> CsvOptions:
        """The options with class names instead of numbers or codes, if a list explains all of them."""
        if options.box and options.box_class:
            names = self._of(set(sample.columns[options.box_class]) - {""})
            options = options.model_copy(update={"box_names": names or {}})
        columns = []
        for column in options.columns:
            cells = {column.names.get(cell, cell) for cell in sample.columns[column.column]} - {""}
            names = self._of(cells) if column.kind == "classification" else None
            if names:
                whole = {cell: names.get(name, name) for cell, name in column.names.items()}
                column = column.model_copy(update={"names": {**names, **whole}})
            columns.append(column)
        return options.model_copy(update={"columns": columns})

    def _of(self, cells: set[str]) -> dict[str, str] | None:
        for file, found in zip(self.files, self.lists, strict=True):
            if len(cells) > 1 and cells <= set(found):
                self.used.add(file)
                return {cell: found[cell] for cell in sorted(cells)}
        return None


def _pairs(context: Context, file: str) -> list[tuple[str, str]]:
    """(number or code, name) of lines 'number name' or 'code<tab>name'."""
    try:
        _, text = decoded(context.tree.read(file, 32 << 20))
    except UnreadableError:
        return []
    lines = [line.strip() for line in text.splitlines() if line.strip()][:_MOST]
    tabs = sum("\t" in line for line in lines) > len(lines) / 2
    pairs = [tuple(part.strip() for part in line.split("\t" if tabs else None, 1)) for line in lines]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
