"""The look at a set's tables: their columns, the columns that are not read with the reason, and the questions."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.image_index import is_idx_row
from mtl_core.data.imports.image_keys import ImageReader
from mtl_core.data.imports.looking.proposal import CsvTable
from mtl_core.data.imports.looking.questions import Question
from mtl_core.data.imports.picture_reading import MOST_BYTES, read_picture
from mtl_core.data.imports.tables.box_look import BoxColumns, look_at_boxes
from mtl_core.data.imports.tables.class_lists import ClassLists
from mtl_core.data.imports.tables.column_look import attribute_column, look_at_column
from mtl_core.data.imports.tables.column_sample import Sample
from mtl_core.data.imports.tables.headerless_boxes import boxes_without_header
from mtl_core.data.imports.tables.indicator_look import indicator_groups
from mtl_core.data.imports.tables.split_columns import group_values, parts_of_column
from mtl_core.data.imports.tables.table_files import table_files
from mtl_core.data.imports.tables.table_kin import ask_second_table, class_of_list, is_list_of_one_class, without_overlap
from mtl_core.data.imports.tables.table_opening import NoTableError, Opened, open_table
from mtl_core.data.imports.tables.table_options import Column, CsvOptions
from mtl_core.data.imports.tables.table_questions import (
    ask_empty_boxes,
    ask_folder,
    ask_image_column,
    ask_landmarks,
    ask_marks,
    ask_same,
    ask_unlisted,
)
from mtl_core.data.imports.tables.table_reading import MOST_CSV_BYTES, RECORDS, doubles
from mtl_core.data.imports.tables.text_encodings import ask_encoding
from mtl_core.data.imports.tables.via_regions import is_via, look_at_via
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError
from mtl_core.names import suggested_task_name

_BOXES = {"pixels": "boxes in pixels", "shares": "boxes in shares", "percent": "boxes in percent"}  # unit -> what the note says
_MEASURED = 32  # pictures whose size is read, for boxes


def look_at_tables(context: Context) -> list[Guess]:
    """A guess for each table that names images, and notes on tables that are not read."""
    alike: dict[tuple, list[Opened]] = defaultdict(list)
    lists = ClassLists()
    for file in table_files(context):
        try:
            opened = open_table(context, file)
        except NoTableError as error:
            if lists.take(context, file, error.names, error.rows):
                continue  # once the columns are known, ``tell`` adds the note
            elif not file.lower().endswith((".txt", ".lst", ".json")) or (error.hits > 0 and len(error.rows) > 1):
                context.not_understood(file, f"a table, but {error}")
        except DataError as error:
            if not file.lower().endswith(".json"):  # 'foreign' adds the note on unread JSON files
                context.not_understood(file, str(error))
        else:
            alike[tuple(opened.names), opened.options.header].append(opened)
    guesses: list[Guess] = []
    number = 0
    for tables in alike.values():
        ones, tables = [table for table in tables if is_list_of_one_class(table)], [table for table in tables if not is_list_of_one_class(table)]
        guesses += [_guess_of_list(context, table) for table in ones]
        groups = without_overlap(tables)
        for group in groups:
            number += 1
            found = _guesses_of(context, group, lists, f"tables-{number}" if len(group) > 1 else "")
            if group is not groups[0]:
                names = {name for guess in (*guesses, *found) for name in guess.labelled}
                for table in group:
                    ask_second_table(found, groups[0][0], table, names)
            guesses += found
    lists.tell(context)
    ask_unlisted(context, guesses)
    return guesses


def _guess_of_list(context: Context, table: Opened) -> Guess:
    """The guess for a list that says of each image whether it has one class."""
    own = table.options.model_copy(update={"columns": [class_of_list(table)]})
    context.understood(table.options.file, _words(own, table, None, {}))
    notes = [f"{_note(own, table)} Its numbers say whether an image has the class: 1 yes, -1 no, 0 not labelled."]
    return Guess(brief(own), labelled={own.columns[0].task: table.count}, table=_shown(table, own), notes=notes)


def _guesses_of(context: Context, tables: list[Opened], lists: ClassLists, mark: str) -> list[Guess]:
    """Guesses for tables with the same header. They are read as one, so that a column has the same meaning in each."""
    sample = _sample(context, tables)
    first = tables[0]
    if is_via(first.names):
        return look_at_via(context, [(table.options, table.keys) for table in tables], sample)
    questions = ask_marks(sample, first.options)
    options = first.options.model_copy(update={"decimal": sample.decimal, "thousands": sample.thousands})
    sizes = _sizes(context, [key for table in tables for key in table.keys if key])
    boxes = boxes_without_header(sample, options) or look_at_boxes(sample, options, sizes)
    if boxes.options:
        boxes.questions = [replace(q, examples=q.examples or _first_keys(sample)) for q in boxes.questions]
    changes, left, more, splits, groups = _columns(sample, options, boxes, sizes)
    questions += boxes.questions + more
    changes |= boxes.options
    options = lists.named(options.model_copy(update=changes), sample)
    questions += ask_empty_boxes(options, sample)
    if options.box and options.box_empty == "unlabelled" and not options.columns and not options.indicators:
        options = options.model_copy(update={"box_empty": "no_object"})
    has_targets = bool(options.box or options.indicators or any(column.kind != "left_out" for column in options.columns))
    questions += ask_image_column(context, options, sample)
    questions += _ask_encoding(context, options)
    guesses = []
    for table in tables:
        file = table.options.file
        fields = ("file", "delimiter", "encoding", "header", "skip_lines", "image_column", "image_prefix", "image_digits", "sheet")
        own = options.model_copy(update={name: getattr(table.options, name) for name in fields})
        if not has_targets and not splits and not groups and not questions:
            why = "; ".join(f"'{name}': {reason}" for name, reason in left.items()) or "it has no other column"
            context.not_understood(file, f"it names images, but no column gives a task: {why}")
            continue
        context.understood(file, _words(own, table, splits, groups))
        guess = Guess(_holding(brief(own), questions), table=_shown(table, own), alike=mark, questions=[] if guesses else list(questions))
        guess.questions += ask_folder(table, _first_keys(sample))
        _holding(guess.options, guess.questions)
        guess.notes = [
            _note(own, table),
            *_unnamed(context, tables, own, bool(guesses)),
            *(boxes.notes if not guesses else []),
            *([_left(file, left)] if left and not guesses else []),
        ]
        guess.splits = {"how": "column", "file": file if len(tables) == 1 else "", "column": splits[0], **splits[1]} if splits else None
        guess.groups = dict(groups)
        guess.labelled = {column.task: table.count for column in own.columns if column.kind != "left_out"} | ({"box": table.count} if own.box else {})
        guess.labelled |= {group.task: table.count for group in own.indicators}
        guesses.append(guess)
    return guesses


def brief(options: CsvOptions) -> dict[str, Any]:
    """The options as plain values: those that a table usually needs, and those that differ from the defaults."""
    usual = ("file", "delimiter", "encoding", "header", "decimal", "image_column", "image_prefix", "image_digits", "columns", "box", "box_form")
    values = options.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in options.model_dump(mode="json").items() if name in usual} | values


def _ask_encoding(context: Context, options: CsvOptions) -> list[Question]:
    if options.file.lower().endswith(RECORDS):
        return []
    return ask_encoding(context.tree.read(options.file, MOST_CSV_BYTES), options)


def _unnamed(context: Context, tables: list[Opened], options: CsvOptions, later: bool) -> list[str]:
    """A note on rows without an image and on images without a row, where every row was looked at. Tables of boxes have a question for the latter."""
    if later or any(table.count > len(table.rows) for table in tables):
        return []
    rows, lost = sum(len(table.rows) for table in tables), sum(table.keys.count(None) for table in tables)
    named = {key for table in tables for key in table.keys if key}
    bare = 0 if options.box else sum(key not in named for key in context.index.keys)
    what = " and ".join([f"'{tables[0].options.file}'", *([f"{len(tables) - 1} more"] if len(tables) > 1 else [])])
    notes = [f"{lost:,} of {rows:,} rows of {what} name no image of this set: they are not used."] if lost else []
    return notes + ([f"{bare:,} of {len(context.index):,} images have no row in {what}: they get no label from it."] if bare else [])


def _holding(options: dict[str, Any], questions: list[Question]) -> dict[str, Any]:
    """The options with every key of each question's taken reading, including defaults."""
    for question in questions:
        for path, value in question.reading(question.taken).changes.items() if question.taken else ():
            node: Any = options
            *above, last = path.split(".")
            for part in above:
                node = node[int(part)] if isinstance(node, list) else node[part]
            node[last] = copy.deepcopy(value)
    return options


def _sample(context: Context, tables: list[Opened]) -> Sample:
    columns: dict[str, list[str]] = {name: [] for name in tables[0].names if name != tables[0].options.image_column}
    keys: list[str | None] = []
    for table in tables:
        places = [(table.names.index(name), cells) for name, cells in columns.items()]
        for (_, row), key in zip(table.rows, table.keys, strict=True):
            for place, cells in places:
                cells.append(row[place].strip())
            keys.append(key)

    def names_files(cell: str) -> bool:
        return (
            cell in context.tree.files or ("." in cell and cell in context.index) or ("/" in cell and cell.replace("\\", "/") in context.tree.files)
        )

    told = [cells for cells in columns.values() if len(set(cells)) < len(cells)]  # a column with a different cell in each row numbers the rows
    headed = tables[0].options.header
    return Sample(columns, keys, names_files, headed=headed, is_list=not headed and len(told) == 1 and len(columns) <= 2)


def _columns(sample: Sample, options: CsvOptions, boxes: BoxColumns, sizes: dict[str, tuple[int, int]]) -> tuple[dict, dict, list, Any, dict]:
    """(options of columns and indicators, column -> why it is not read, questions, (split column, its parts) or None, group column -> groups)."""
    left: dict[str, str] = {}
    questions: list[Question] = []
    splits, groups = None, {}
    taken = {*boxes.used, *boxes.landmarks, *doubles(list(sample.columns))}
    left |= dict.fromkeys(doubles(list(sample.columns)), "its name occurs twice in the header")
    for name, cells in sample.columns.items():
        called = name if options.header or len(sample.columns) > 1 else PurePosixPath(options.file).stem
        parts = parts_of_column(called, cells) if name not in taken else None
        if parts is not None and splits is None:
            splits = (name, parts)
            taken.add(name)
        elif name not in taken and (values := group_values(name, cells)):
            groups[name] = values
        if name not in taken and _is_picture_size(name, sample, sizes):
            left[name] = "it is the picture's size"
            taken.add(name)
    about = attribute_column({name: cells for name, cells in sample.columns.items() if name not in {*taken, *groups}}, sample.keys)
    if about:
        kinds = ", ".join(repr(cell) for cell in list(dict.fromkeys(sample.columns[about]))[:6])
        why = f"'{about}' says in each row what the row is about ({kinds}): write one row for each image, with a column for each of them"
        return {"columns": [], "indicators": []}, left | dict.fromkeys(set(sample.columns) - taken, why), questions, splits, groups
    indicators = []
    for number, (group, open_) in enumerate(indicator_groups(sample.columns, {*taken, *groups})):
        indicators.append(group)
        taken |= set(group.columns)
        questions += [_at(question, "indicators.0.", f"indicators.{number}.") for question in open_]
    columns = []
    found = {name: look_at_column(name, sample) for name in sample.columns if name not in taken}
    if not indicators and not boxes.options and not any(made.column and made.column.kind != "left_out" for made in found.values()):
        found = {name: look_at_column(name, sample, alone=True) if name in groups else made for name, made in found.items()}
    for name, made in found.items():
        if made.column is not None:
            questions += [_at(question, "", f"columns.{len(columns)}.") for question in made.questions]
            columns.append(made.column)
        if made.reason:
            left[name] = made.reason
    if boxes.landmarks:
        start = len(columns)
        columns += [_landmark(name) for name in boxes.landmarks]
        questions.append(ask_landmarks(boxes.landmarks, start, _first_keys(sample)))
        left |= dict.fromkeys(boxes.landmarks, "it is a place in the picture")
    _own_names(columns, indicators)
    questions += ask_same(columns, sample)
    return {"columns": columns, "indicators": indicators}, left, questions, splits, groups


def _own_names(columns: list, indicators: list) -> None:
    """Number the tasks of columns that would have the same task name."""
    seen: dict[str, int] = defaultdict(int)
    for option in [*(column for column in columns if column.kind != "left_out"), *indicators]:
        seen[option.task] += 1
        if seen[option.task] > 1:
            option.task = f"{option.task}_{seen[option.task]}"


def _at(question: Question, before: str, after: str) -> Question:
    """The question with the prefix ``before`` of its changes replaced by ``after``."""
    readings = tuple(
        replace(reading, changes={after + path.removeprefix(before): value for path, value in reading.changes.items()})
        for reading in question.readings
    )
    return replace(question, readings=readings)


def _landmark(name: str) -> Column:
    return Column(column=name, task=suggested_task_name(name), kind="left_out", unit="pixels")


def _is_picture_size(name: str, sample: Sample, sizes: dict[str, tuple[int, int]]) -> bool:
    """Whether a column named after width or height holds the pictures' own sizes."""
    side = 0 if re.search(r"width|\bw\b|cols?$", name.lower()) else 1 if re.search(r"height|\bh\b|rows?$", name.lower()) else None
    if side is None:
        return False
    pairs = [(cell, sizes[key][side]) for cell, key in zip(sample.columns[name], sample.keys, strict=True) if key in sizes and cell]
    return bool(pairs) and sum(sample.number(cell) == size for cell, size in pairs) > 0.9 * len(pairs)


def _sizes(context: Context, keys: list[str]) -> dict[str, tuple[int, int]]:
    """(width, height) of some of the images."""
    keys = list(dict.fromkeys(keys))
    reader, found = ImageReader(context.tree), {}
    for key in keys[:: max(1, len(keys) // _MEASURED)][:_MEASURED]:
        try:
            if is_idx_row(key):
                reader.rows(key.rpartition("#")[0])
                found[key] = reader.picture(key, reader.content(key), None).size
            else:
                found[key] = read_picture(context.tree.read(key, MOST_BYTES), key, (64, 64)).size
        except (UnreadableError, MemoryError):
            continue
    return found


def _first_keys(sample: Sample) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for key in sample.keys if key))[:6]


def _shown(table: Opened, options: CsvOptions) -> CsvTable:
    rows = tuple(tuple(row) for _, row in table.rows[:20])
    return CsvTable(0, options.file, options.delimiter, options.encoding, tuple(table.names), rows)


def _note(options: CsvOptions, table: Opened) -> str:
    is_record = options.file.lower().endswith(RECORDS)
    if not (is_record or options.sheet or not options.header or options.image_prefix or options.image_digits):
        return f"'{options.file}': {options.encoding}, delimiter '{options.delimiter}'. Column '{options.image_column}' names images."
    how = PurePosixPath(options.file).suffix[1:] if is_record else f"{options.encoding}, delimiter '{options.delimiter}'"
    how += f", sheet '{options.sheet}'; other sheets are not read" if options.sheet else ""
    how += "" if options.header or is_record else ", no header"
    pattern = ""
    if options.image_prefix or options.image_digits:
        cell = table.rows[0][1][table.names.index(options.image_column)]
        pattern = f" (as '{options.image_prefix}{cell.strip().zfill(options.image_digits)}')"
    return f"'{options.file}': {how}. Column '{options.image_column}' names images{pattern}."


def _left(file: str, left: dict[str, str]) -> str:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, reason in left.items():
        by_reason[reason].append(f"'{name}'")
    listing = "; ".join(f"{', '.join(names[:8])}{' ...' if len(names) > 8 else ''} ({reason})" for reason, names in by_reason.items())
    return f"Not read from '{file}': {listing}."


def _words(options: CsvOptions, table: Opened, splits: Any, groups: dict[str, tuple[str, ...]]) -> str:
    tasks = [f"{column.task} ({column.kind.replace('_', ' ')})" for column in options.columns if column.kind != "left_out"]
    tasks += [f"{group.task} ({group.kind.replace('_', ' ')}, {len(group.columns)} columns)" for group in options.indicators]
    tasks += [f"{options.box_task} ({_BOXES[options.box_unit]})"] if options.box else []
    tasks += [f"'{splits[0]}' says the parts"] if splits else []
    tasks += [f"'{name}' makes {len(values):,} groups" for name, values in groups.items()]
    missing = f"; {1 - table.found:.0%} of its rows name no image of this set" if table.found < 0.995 else ""
    return f"table of {table.count:,} rows: {', '.join(tasks) or 'names of images'}{missing}"
