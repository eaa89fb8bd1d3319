"""Options of tables of labels. The defaults are those of old descriptions of a CSV; the look writes the options that differ."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mtl_core.data.imports.formats import FormatOptions
from mtl_core.data.imports.spec import Strict

MISSING = ["", "nan", "na", "n/a", "null", "none", "?", "-"]
YES = ["1", "1.0", "true", "yes", "y", "x", "t"]
NO = ["0", "0.0", "-1", "-1.0", "false", "no", "n", "f", ""]


class Column(Strict):
    """One column with targets."""

    column: str = Field(description="Name of the column.")
    task: str = Field(description="Name of the task.")
    kind: Literal["classification", "multi_label", "regression", "left_out"] = Field(description="Kind of its task; 'left_out': no task.")
    classes: list[str] = Field(default_factory=list, description="Class names in order; empty for those found.")
    names: dict[str, str] = Field(default_factory=dict, description="Cell -> class name, where cells are numbers.")
    missing: list[str] | None = Field(
        default=None, description="Cells that mean 'no label' in this column, in any case of letters; null for those of the table ('missing')."
    )
    form: Literal["separated", "list", "one"] = Field(
        default="separated",
        description="multi_label: labels in a cell have a separator between them, are a list such as ['a', 'b'], or a cell is one label.",
    )
    separator: str = Field(
        default=",", min_length=1, max_length=5, description="multi_label: separator of the labels in a cell; 'space' for white space."
    )
    empty: Literal["unlabelled", "no_label"] = Field(
        default="unlabelled", description="multi_label: an image whose cell is missing is not labelled, or has none of the labels."
    )
    all_rows: bool = Field(default=False, description="multi_label: an image's labels are those of all its rows; else its first row counts.")
    unit: str = Field(default="", max_length=20, description="regression: unit of the number.")


class Indicators(Strict):
    """Columns of yes and no, one per class, that form one task: one-hot columns, or attributes."""

    columns: list[str] = Field(min_length=1, description="The columns, one per class.")
    task: str = Field(description="Name of the task; for 'separate' the columns' own names are used.")
    kind: Literal["classification", "multi_label", "separate", "left_out"] = Field(
        description="'classification': exactly one says yes; 'multi_label': any number; 'separate': each column is a task of two classes, no and yes."
    )
    classes: list[str] = Field(default_factory=list, description="Class names in the order of the columns; empty for the columns' names.")
    yes: list[str] = Field(default_factory=lambda: list(YES), description="Cells that mean yes, in any case of letters.")
    no: list[str] = Field(default_factory=lambda: list(NO), description="Cells that mean no. A row with any other cell has no label and is reported.")


class CsvOptions(FormatOptions):
    """Options of tables."""

    file: str = Field(default="", description="The file: text (csv, tsv, txt), xlsx, parquet, JSON lines or JSON.")
    delimiter: str = Field(default=",", description="Separator of cells in a text; 'space' for any white space, 'tab' for tabs.")
    encoding: str = Field(
        default="utf-8-sig",
        description="Encoding of a text: utf-8-sig, utf-16, cp1250 to cp1254, latin-1, cp932, gb18030, big5, cp949, mac_roman, cp850.",
    )
    sheet: str = Field(default="", description="Sheet of an xlsx; empty for the first.")
    skip_lines: int = Field(default=0, ge=0, le=1000, description="Lines of a text before its header or first row.")
    header: bool = Field(default=True, description="Whether the first row names the columns; without it they are column_1, column_2 ...")
    decimal: Literal[".", ","] = Field(default=".", description="Decimal separator of numbers.")
    thousands: Literal["", ",", ".", " ", "'"] = Field(default="", description="Separator of groups of three digits.")
    missing: list[str] = Field(default_factory=lambda: list(MISSING), description="Cells that mean 'no label', in any case of letters.")
    image_column: str = Field(default="", description="The column that names images.")
    image_prefix: str = Field(
        default="", description="Put before each name, such as a folder 'images/' or 'train-images-idx3-ubyte#' for rows of an idx file."
    )
    image_digits: int = Field(default=0, ge=0, le=20, description="Numbers are padded with zeros to this many digits.")
    image_list: str = Field(default="", description="A text file of lines 'number name': which image each number of the image column is.")
    columns: list[Column] = Field(default_factory=list, description="Columns with targets.")
    indicators: list[Indicators] = Field(default_factory=list, description="Groups of columns of yes and no, one column per class.")
    box: list[str] = Field(default_factory=list, description="Four columns of a box, or one column with a list of four numbers, or of such lists.")
    box_form: Literal["size", "corners", "centre"] = Field(
        default="size", description="'size': x, y, width, height; 'corners': x1, y1, x2, y2; 'centre': the middle's x and y, width, height."
    )
    box_unit: Literal["pixels", "shares", "percent"] = Field(
        default="pixels", description="pixels, or shares (0 to 1) or percent of the picture's sides."
    )
    box_task: str = Field(default="box", description="Name of the task of boxes; several rows of one image are several boxes.")
    box_class: str = Field(default="", description="Column with the boxes' classes; empty for one class 'object'.")
    box_names: dict[str, str] = Field(default_factory=dict, description="Cell of the class column -> class name.")
    box_empty: Literal["unlabelled", "no_object"] = Field(
        default="unlabelled", description="A row that names an image and leaves its box empty: the image is not labelled, or has no object."
    )
    box_unlisted: Literal["unlabelled", "no_object"] = Field(
        default="unlabelled", description="Images that no row names: not labelled, or without any object."
    )
