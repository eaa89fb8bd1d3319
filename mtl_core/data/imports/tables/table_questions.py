"""Questions about a whole table: commas in numbers, points, rows with an empty box, folders, images that no row names."""

from __future__ import annotations

import re

from mtl_core.data.imports.formats import AmbiguousImageError, Context, Guess
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.tables.column_sample import Sample
from mtl_core.data.imports.tables.table_opening import Opened
from mtl_core.data.imports.tables.table_options import Column, CsvOptions
from mtl_core.data.imports.tables.table_reading import ImageNames, read_table

_COMMA = re.compile(r"[-+]?\d{1,3}(,\d{3})+")
_POINT = re.compile(r"[-+]?[1-9]\d{0,2}(\.\d{3})+")


def ask_marks(sample: Sample, options: CsvOptions) -> list[Question]:
    """Set ``sample.decimal`` and ``sample.thousands``. Asks if every number with a comma, or with a point, can be read both ways."""
    asked = _ask_commas(sample, options)
    return asked or _ask_points(sample)


def _ask_points(sample: Sample) -> list[Question]:
    """Ask what the point is where the comma is the decimal mark and every number with a point could have it between thousands."""
    cells = [cell for column in sample.columns.values() for cell in column[:400]]
    pointed = [cell for column in sample.columns.values() if _are_numbers(column[:400]) for cell in column[:400] if "." in cell]
    if (sample.decimal, sample.thousands) != (",", "") or not pointed or not all(map(_POINT.fullmatch, pointed)):
        return []
    sample.thousands = "."
    readings = (
        Reading("thousands", f"thousands: {pointed[0]} is {pointed[0].replace('.', '')}", {"thousands": "."}),
        Reading("decimal", f"decimals: {pointed[0]} is {pointed[0].partition('.')[0]} and a fraction", {"thousands": ""}),
    )
    commas = next(cell for cell in cells if re.fullmatch(r"[-+]?\d+,\d+", cell))
    evidence = f"every number with a point has three digits after it ({', '.join(pointed[:4])}); others of this table have a decimal comma ({commas})"
    return [Question("points", f"What is the point in numbers such as {pointed[0]}?", readings, "thousands", evidence)]


def _are_numbers(cells: list[str]) -> bool:
    known = [cell for cell in cells if cell]
    return bool(known) and all(re.fullmatch(r"[-+]?[\d.,]+", cell) for cell in known)


def _ask_commas(sample: Sample, options: CsvOptions) -> list[Question]:
    cells = [cell for column in sample.columns.values() for cell in column[:400] if re.fullmatch(r"[-+]?\d[\d.,' ]*", cell)]
    commas = [cell for cell in cells if "," in cell and cell.count(",") == 1 and re.fullmatch(r"[-+]?\d+,\d+", cell)]
    if any(re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+,\d+", cell) for cell in cells):
        sample.decimal, sample.thousands = ",", "."
    elif any(re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+\.\d+", cell) or re.fullmatch(r"[-+]?\d{1,3}(,\d{3}){2,}", cell) for cell in cells):
        sample.thousands = ","
    elif any(re.fullmatch(r"[-+]?\d{1,3}( \d{3})+([.,]\d+)?", cell) for cell in cells):
        sample.thousands, sample.decimal = " ", "," if any(re.fullmatch(r"[-+]?[\d ]+,\d+", cell) for cell in cells) else "."
    elif any(re.fullmatch(r"[-+]?\d{1,3}('\d{3})+(\.\d+)?", cell) for cell in cells):
        sample.thousands = "'"
    elif commas and options.delimiter == "," and not options.file.lower().endswith((".csv", ".tsv", ".txt")):
        sample.decimal = "," if not all(_COMMA.fullmatch(cell) for cell in commas) else "."
    elif commas:
        numbers = {name: cells for name, cells in sample.columns.items() if any(cell in cells[:400] for cell in commas[:1])}
        doubtful = all(_COMMA.fullmatch(cell) and not cell.lstrip("+-").startswith("0") for cell in commas)
        plain = [cell for column in numbers.values() for cell in column if re.fullmatch(r"\d+", cell)]
        all_numbers = all(re.fullmatch(r"[-+]?[\d,]+", cell) for column in numbers.values() for cell in column if cell)
        if not doubtful:
            sample.decimal = "," if all_numbers or options.delimiter != "," else "."
            return []
        if all_numbers:
            small = sum(len(cell) <= 3 for cell in plain)
            taken = "thousands" if small and not any(len(cell) > 3 for cell in plain) else "decimal"
            sample.decimal, sample.thousands = (".", ",") if taken == "thousands" else (",", "")
            readings = (
                Reading("thousands", f"thousands: {commas[0]} is {commas[0].replace(',', '')}", {"decimal": ".", "thousands": ","}),
                Reading("decimal", f"decimals: {commas[0]} is {commas[0].replace(',', '.')}", {"decimal": ",", "thousands": ""}),
            )
            evidence = f"every number with a comma has three digits after it ({', '.join(commas[:4])}); {len(plain)} numbers have none"
            return [Question("commas", f"What is the comma in numbers such as {commas[0]}?", readings, taken, evidence)]
    return []


def ask_image_column(context: Context, options: CsvOptions, sample: Sample) -> list[Question]:
    """Ask which picture the labels belong to, if several columns name pictures, as in tables of pairs."""
    if options.box:
        return []
    others = []
    for name, cells in sample.columns.items():
        named = [cell for cell in cells if cell][:200]
        if len(set(named)) > 2 and sum("." in cell and cell in context.index for cell in named) > 0.9 * len(named):
            others.append(name)
    if not others:
        return []
    names = [options.image_column, *others]
    same = {name: {"image_column": name, "image_prefix": options.image_prefix if name == options.image_column else ""} for name in names}
    readings = tuple(Reading(f"in-{name}", f"those of '{name}'", same[name]) for name in names)
    text = f"Several columns of '{options.file}' name images: {', '.join(map(repr, names))}. Whose labels are in its rows?"
    evidence = "A label belongs to one image here; tasks that compare two images are not supported"
    return [Question("image_column", text, readings, "", evidence, tuple(dict.fromkeys(key for key in sample.keys if key))[:4])]


def ask_same(columns: list[Column], sample: Sample) -> list[Question]:
    """Ask whether two columns with equivalent classes, such as a number and its name, are one task."""
    asked: list[Question] = []
    plain = [(n, column) for n, column in enumerate(columns) if column.kind == "classification"]
    for place, (n, one) in enumerate(plain):
        for m, other in plain[place + 1 :]:
            pairs = set(zip(sample.columns[one.column], sample.columns[other.column], strict=True))
            firsts, seconds = {first for first, _ in pairs}, {second for _, second in pairs}
            if not len(pairs) == len(firsts) == len(seconds) > 1 or "left_out" in (one.kind, other.kind):
                continue
            numbers = sum(sample.number(cell) is not None for cell in firsts)
            less, more, where = (one, other, n) if numbers else (other, one, m)
            path = f"columns.{where}.kind"
            readings = (
                Reading("one", f"one task, '{more.task}'", {path: "left_out"}),
                Reading("two", f"two tasks, '{one.task}' and '{other.task}'", {path: "classification"}),
            )
            shown = ", ".join(f"'{a}' = '{b}'" for a, b in sorted(pairs)[:4])
            text = f"'{one.column}' and '{other.column}' are equivalent in every row. Are they one task?"
            asked.append(Question("same", text, readings, "one", f"{len(pairs)} pairs: {shown}"))
            less.kind = "left_out"
    return asked


def ask_landmarks(names: list[str], start: int, examples: tuple[str, ...]) -> Question:
    paths = [f"columns.{start + n}.kind" for n in range(len(names))]
    readings = (
        Reading("left_out", "left out", dict.fromkeys(paths, "left_out")),
        Reading("numbers", "numbers, one task each, as they stand in the table", dict.fromkeys(paths, "regression")),
    )
    text = f"Columns such as '{names[0]}' and '{names[1]}' are places in the picture. Are they to be predicted as numbers?"
    evidence = (
        f"{len(names)} columns. There is no kind of task for points: as numbers they stay what they are when the picture is resized, and "
        "augmentations that move the picture (flip, shift, crop, rotation, scale) make them wrong"
    )
    return Question("landmarks", text, readings, "left_out", evidence, examples)


def ask_empty_boxes(options: CsvOptions, sample: Sample) -> list[Question]:
    """Ask about rows with an image and an empty box, in a table that has other targets, too."""
    if not options.box or not (options.columns or options.indicators):
        return []
    empty = [key for key, *cells in zip(sample.keys, *(sample.columns[name] for name in options.box), strict=True) if not any(cells) and key]
    if not empty:
        return []
    readings = (
        Reading("unlabelled", "not labelled: nothing is known about their boxes", {"box_empty": "unlabelled"}),
        Reading("no_object", "nothing is in them", {"box_empty": "no_object"}),
    )
    text = "What do rows mean that name an image and leave its box empty?"
    return [Question("empty_boxes", text, readings, "unlabelled", f"{len(empty):,} rows", tuple(empty[:6]))]


def ask_folder(table: Opened, examples: tuple[str, ...]) -> list[Question]:
    """Ask for the folder of the table's images, if several folders have images of their names."""
    if not table.rivals:
        return []
    every = [(table.options.image_prefix, table.found), *table.rivals]
    readings = tuple(Reading(f"in-{prefix.strip('/')}", f"those in '{prefix}'", {"image_prefix": prefix}) for prefix, _ in every)
    evidence = "; ".join(f"{hits:.0%} of its names are in '{prefix}'" for prefix, hits in every)
    text = f"The names in '{table.options.file}' have no folder, and several folders hold images of these names. Which are meant?"
    return [Question("which_folder", text, readings, readings[0].name, evidence, examples)]


def ask_unlisted(context: Context, guesses: list[Guess]) -> None:
    """Ask whether images beside those of a table of boxes that no row names are without objects, or not labelled."""
    tables = [guess for guess in guesses if guess.options.get("box")]
    if not tables:
        return
    listed: set[str] = set()
    for guess in tables:
        options = CsvOptions(**guess.options)
        names, rows = read_table(Context(context.tree, context.index, type(context.findings)()), options)
        images, place = ImageNames(context, options), names.index(options.image_column)
        for name in {row[place] for _, row in rows}:
            try:
                listed.add(context.index.find(images.reference(name), near=options.file.rpartition("/")[0]) or "")
            except AmbiguousImageError:  # reported when the table is read
                continue
    folders = {key.rpartition("/")[0] for key in listed if key}
    beside = [key for key in context.index.keys if key not in listed and key.rpartition("/")[0] in folders]
    if not beside:
        return
    evidence = f"{len(beside):,} of {len(context.index):,} images lie beside those that the table names, and no row names them"
    if len(tables) > 1:
        tables[0].notes.append(f"{evidence}: they are not labelled with boxes ('box_unlisted' of one table can say that nothing is in them).")
        return
    readings = (
        Reading("unlabelled", "not labelled with boxes", {"box_unlisted": "unlabelled"}),
        Reading("no_object", "without any object", {"box_unlisted": "no_object"}),
    )
    text = f"Are images that '{tables[0].options['file']}' does not name without objects, or not labelled?"
    tables[0].options["box_unlisted"] = "unlabelled"
    tables[0].questions.append(Question("unlisted", text, readings, "unlabelled", evidence, tuple(beside[:6])))
