"""Sample and Found: rows of a table for a look, and the result for one of its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mtl_core.data.imports.looking.questions import Question
from mtl_core.data.imports.tables.cells import number
from mtl_core.data.imports.tables.table_options import Column


@dataclass
class Sample:
    """Rows of one table, or of several with the same header.

    Attributes:
        columns: name -> stripped cells, row by row.
        keys: the image of each row; None if it names none.
        names_files: whether a cell is the name of a file of the set.
        headed: whether the columns' names are the file's own.
        is_list: whether a table without header has one column beside the images' names, as in lists of 'name class'.
    """

    columns: dict[str, list[str]]
    keys: list[str | None]
    names_files: Callable[[str], bool]
    decimal: str = "."
    thousands: str = ""
    headed: bool = True
    is_list: bool = False

    def number(self, cell: str) -> float | None:
        return number(cell, self.decimal, self.thousands)


@dataclass
class Found:
    """The look's result for a column.

    Attributes:
        column: the column's options; None if nothing can be read from it.
        reason: why it gives no task; '' if it gives one.
        questions: their readings' changes start at the column's own keys.
    """

    column: Column | None
    reason: str = ""
    questions: list[Question] = field(default_factory=list)
