"""CSV output that is safe to open in a spreadsheet: no cell is run as a formula.

Names of classes, files and tasks come from outside. A cell that begins with one of ``STARTS`` gets a ' before it, as OWASP advises
(https://owasp.org/www-community/attacks/CSV_Injection). A program that reads the file must remove that character. Numbers do not change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas

STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
)  # the last four are full-width; some spreadsheets treat them like the ASCII ones


def safe_cell(value: Any) -> Any:
    """A text that no spreadsheet runs as a formula; other values are returned unchanged."""
    return f"'{value}" if isinstance(value, str) and value.startswith(STARTS) else value


def csv_of(frame: pandas.DataFrame) -> str:
    """A table as CSV, its column names in the first line, without its index."""
    safe = frame.copy(deep=False)
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if column.dtype.kind not in "biuf":
            safe.isetitem(place, cast("Any", column.map(safe_cell)))  # pandas-stubs knows no Series here
    return safe.set_axis([safe_cell(name) for name in frame.columns], axis=1).to_csv(index=False, lineterminator="\n")
