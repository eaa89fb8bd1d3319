"""A table: CSV or other text, xlsx, parquet, JSON lines, JSON. A column names images; others hold classes, labels, numbers or boxes."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mtl_core.data.imports.formats import Context, Format, Guess, Targets
from mtl_core.data.imports.formats.annotations.boxes import in_order
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tables.cells import is_missing, labels, number
from mtl_core.data.imports.tables.table_boxes import box_targets
from mtl_core.data.imports.tables.table_look import look_at_tables
from mtl_core.data.imports.tables.table_options import Column, CsvOptions, Indicators
from mtl_core.data.imports.tables.table_reading import ImageNames, doubles, read_table
from mtl_core.data.imports.tables.via_regions import attribute
from mtl_core.errors import DataError
from mtl_core.names import suggested_task_name

_Cells = dict[str, list[str]]  # image -> a cell for each of its rows


class CsvFormat(Format):
    """Tables of labels."""

    title = "Table"
    summary = "Rows that name images, with classes, labels, numbers or boxes in columns: CSV, xlsx, parquet, JSON lines."
    Options = CsvOptions
    options: CsvOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        return look_at_tables(context)

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        names, rows = read_table(context, options)
        _refuse_unknown(options, names)
        columns = [column for column in options.columns if column.kind != "left_out"]
        groups = [group for group in options.indicators if group.kind != "left_out"]
        place = {name: number for number, name in enumerate(names)}
        box_names = [*options.box, *filter(None, [options.box_class if options.box else ""])]
        images = ImageNames(context, options)
        cells: list[_Cells] = [{} for _ in columns]
        said_yes: list[dict[str, list[str]]] = [{} for _ in groups]
        boxes: dict[str, list[list[str]]] = {}
        for line, row in rows:
            where = f"{options.file}:{line}"
            key = images.image(context, row[place[options.image_column]], where)
            if key is None:
                continue
            for column, found in zip(columns, cells, strict=True):
                self._take(context, column, found, key, row[place[column.column]].strip(), where)
            for group, found in zip(groups, said_yes, strict=True):
                group_row = [row[place[name]].strip().lower() for name in group.columns]
                if found.setdefault(key, group_row) != group_row:
                    context.findings.add("skipped", "duplicate", where, f"'{key}' has a row with other cells already; it is used", group.task)
            if options.box:
                boxes.setdefault(key, []).append([_cell(row, place, name) for name in box_names])
        targets = [_targets(context, options, column, found) for column, found in zip(columns, cells, strict=True)]
        for group, found in zip(groups, said_yes, strict=True):
            targets += indicator_targets(context, group, found)
        return [*targets, *([box_targets(context, options, boxes)] if options.box else [])]

    def _take(self, context: Context, column: Column, found: _Cells, key: str, cell: str, where: str) -> None:
        """Add a cell of an image if it is the first, or if all rows count. A row without a label is no contradiction."""
        before = found.setdefault(key, [])
        if column.all_rows and column.kind == "multi_label":
            before.append(cell)
        elif not before or is_missing(before[0], _missing(self.options, column)):
            found[key] = [cell]
        elif before[0] != cell and not is_missing(cell, _missing(self.options, column)):
            sentence = f"'{key}' has '{before[0][:40]}' already; '{cell[:40]}' is not used"
            context.findings.add("skipped", "duplicate", where, sentence, column.task)


def _cell(row: list[str], place: dict[str, int], name: str) -> str:
    """A column's cell, or 'column.attribute' of a column that holds JSON objects."""
    if name in place:
        return row[place[name]]
    column, _, inner = name.partition(".")
    return attribute(row[place[column]], inner)


def _refuse_unknown(options: CsvOptions, names: list[str]) -> None:
    wanted = [options.image_column, *(column.column for column in options.columns if column.kind != "left_out"), *options.box]
    wanted += [name for group in options.indicators if group.kind != "left_out" for name in group.columns]
    if options.box and options.box_class:
        wanted.append(options.box_class if options.box_class in names else options.box_class.partition(".")[0])
    twice = [name for name in wanted if name in doubles(names)]
    if twice:
        raise DataError(f"'{options.file}' names a column twice: {', '.join(dict.fromkeys(twice))}. Give them names of their own")
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise DataError(f"'{options.file}' has no column {', '.join(map(repr, unknown))}; it has {', '.join(names)}")
    if options.box and len(options.box) not in (1, 4):
        raise DataError(f"'{options.file}': 'box' names {len(options.box)} columns; expected four, or one that holds lists of four numbers")


def _missing(options: CsvOptions, column: Column) -> set[str]:
    return {word.strip().lower() for word in (options.missing if column.missing is None else column.missing)}


def _targets(context: Context, options: CsvOptions, column: Column, cells: _Cells) -> Targets:
    """One column's task. The number of cells of each 'no label' word is reported."""
    words = _missing(options, column)
    known = {key: [column.names.get(cell, cell) for cell in found if not is_missing(cell, words)] for key, found in cells.items()}
    if column.kind != "multi_label" or column.empty == "unlabelled":
        known = {key: found for key, found in known.items() if found}
    left = Counter(cell for found in cells.values() for cell in found if cell and is_missing(cell, words))
    for word, count in left.items():
        sentence = f"{count:,} cells of '{column.column}' are '{word}', which counts as 'no label' (option 'missing')"
        context.findings.add("note", "missing_word", options.file, sentence, column.task)
    targets = Targets(column.task, column.kind, unit=column.unit)
    if column.kind == "regression":
        for key, (cell, *_) in known.items():
            value = number(cell, options.decimal, options.thousands)
            if value is None or not np.isfinite(value) or abs(value) > 1e30:
                context.findings.add("skipped", "not_a_number", key, f"'{cell[:40]}' is no finite number ('{column.column}')", column.task)
            else:
                targets.values[key] = value
        return targets
    parts = known
    if column.kind == "multi_label":
        parts = {}
        for key, found in known.items():
            read = [labels(cell, column.form, column.separator) for cell in found]
            if None in read:
                context.findings.add("skipped", "no_list", key, f"'{found[read.index(None)][:40]}' is no list of labels", column.task)
            else:
                parts[key] = [column.names.get(label, label) for part in read for label in part or ()]
    targets.classes = tuple(dict.fromkeys(column.classes)) or in_order({name for names in parts.values() for name in names})
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


def indicator_targets(context: Context, group: Indicators, rows: dict[str, list[str]]) -> list[Targets]:
    """The task of columns of yes and no, or one task per column. A row with other cells has no label and is reported."""
    classes = tuple(group.classes or group.columns)
    if len(classes) != len(group.columns):
        raise DataError(f"task '{group.task}': {len(group.columns)} columns of yes and no, but {len(classes)} class names")
    yes, no = ({word.strip().lower() for word in words} for words in (group.yes, group.no))
    if group.kind == "separate":
        found = [Targets(name, "classification", ("no", "yes")) for name in map(suggested_task_name, group.columns)]
    else:
        found = [Targets(group.task, group.kind, classes)]
    for key, cells in rows.items():
        if not any(cells):
            continue  # the image has no label
        odd = [cell for cell in cells if cell not in yes and cell not in no]
        marked = tuple(index for index, cell in enumerate(cells) if cell in yes)
        if group.kind == "separate":
            for target, cell in zip(found, cells, strict=True):
                if cell in yes or cell in no:
                    target.values[key] = int(cell in yes)
                elif cell:
                    context.findings.add("skipped", "not_yes_or_no", key, f"'{cell[:40]}' is neither yes nor no", target.name)
        elif odd:
            context.findings.add("skipped", "not_yes_or_no", key, f"'{odd[0][:40]}' is neither yes nor no", group.task)
        elif group.kind == "multi_label":
            found[0].values[key] = marked
        elif len(marked) == 1:
            found[0].values[key] = marked[0]
        else:
            names = ", ".join(classes[index] for index in marked) or "none"
            context.findings.add("skipped", "not_one_class", key, f"expected exactly one class, found {names}", group.task)
    return found
