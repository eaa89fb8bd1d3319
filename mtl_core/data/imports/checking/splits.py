"""The split of an import's images: given by the files, or drawn with a seed, stratified by class or with groups kept together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.formats import Context, Targets
from mtl_core.data.imports.formats.image_index import is_inner
from mtl_core.data.imports.looking.natural_order import natural
from mtl_core.data.imports.spec import SourceSpec, SplitSpec
from mtl_core.data.imports.tables.table_opening import open_table
from mtl_core.data.imports.tables.table_options import CsvOptions
from mtl_core.data.imports.tables.table_reading import ImageNames, read_table
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

SPLITS = ("train", "val", "test")


def assign(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec], targets: list[Targets]) -> dict[str, str]:
    """Image -> part (train, val, test), for every image that belongs to one.

    Raises:
        DataError: a list, folder or column that the spec names is not there.
    """
    is_given = spec.how != "ratio"
    taken = given(spec, keys, context, sources)
    rest = [key for key in keys if key not in taken]
    if not is_given or not spec.train:
        taken |= dict.fromkeys(rest, "train")
    elif rest:
        context.findings.add("note", "in_no_split", "", f"{len(rest):,} images are in none of the parts given; they are left out")
    drawn = [part for part in ("val", "test") if not (is_given and getattr(spec, part))]
    pool = [key for key in keys if taken.get(key) == "train"]
    shares = {part: getattr(spec, f"{part}_share") for part in drawn}
    if drawn:
        taken |= _drawn(spec, pool, shares, context, sources, targets)
        left = {key for key, part in taken.items() if part == ""}
        if left:
            context.findings.add("note", "gap", "", f"{len(left):,} frames beside a border between parts are left out")
        taken = {key: part for key, part in taken.items() if part}
    return {key: taken[key] for key in keys if key in taken}


def given(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec]) -> dict[str, str]:
    """Image -> part, for images that lists, folders or a column name, without drawing.

    Raises:
        DataError: a list, folder or column that the spec names is not there.
    """
    way = {"lists": _lists, "folders": _folders, "column": _column}.get(spec.how)
    return way(spec, keys, context, sources) if way else {}


def _lists(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec]) -> dict[str, str]:
    taken: dict[str, str] = {}
    tables = {source.options.get("file"): source for source in sources if source.format == "csv"}
    for part in SPLITS:
        for file in getattr(spec, part):
            for where, key in _of_table(tables[file], context) if file in tables else _of_list(file, context):
                if key in taken and taken[key] != part:
                    context.findings.add("note", "two_splits", where, f"'{key}' is in {taken[key]} already; it stays there")
                elif key:
                    taken[key] = part
    return taken


def _of_list(file: str, context: Context) -> Iterator[tuple[str, str | None]]:
    """(place, image) of each line of a text file that lists images."""
    try:
        text = context.tree.read(file, 64 << 20).decode("utf-8-sig")
    except (UnreadableError, UnicodeDecodeError) as error:
        raise DataError(f"splits: the list '{file}' cannot be read: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            whole, where = line.strip(), f"{file}:{number}"
            key = context.index.find(whole) if whole in context.index else None
            yield where, key or context.image(whole.split()[0], where, near=file.rpartition("/")[0])


def _of_table(source: SourceSpec, context: Context) -> Iterator[tuple[str, str | None]]:
    """(place, image) of each row of a table among the sources. Reading its targets reports odd rows."""
    options = CsvOptions(**source.options)
    quiet = Context(context.tree, context.index, Findings(), near=options.file.rpartition("/")[0])
    names, rows = read_table(quiet, options)
    if options.image_column not in names:
        raise DataError(f"splits: '{options.file}' has no column '{options.image_column}'; it has {', '.join(names)}")
    images, place = ImageNames(quiet, options), names.index(options.image_column)
    for line, row in rows:
        where = f"{options.file}:{line}"
        yield where, images.image(quiet, row[place], where)


def _folders(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec]) -> dict[str, str]:
    part_of = {folder.strip("/"): part for part in SPLITS for folder in getattr(spec, part)}
    taken, used = {}, set()
    for key in keys:
        above = key.rpartition("#")[0] if is_inner(key) else key.rpartition("/")[0]
        while above and above not in part_of:
            above = above.rpartition("/")[0]
        folder = above if above in part_of else "" if "" in part_of else None
        if folder is not None:
            taken[key] = part_of[folder]
            used.add(folder)
    unused = [folder for folder in part_of if folder not in used]
    if unused:
        raise DataError(f"splits: no images in '{unused[0]}'")
    return taken


def _column(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec]) -> dict[str, str]:
    part_of = {value: part for part in SPLITS for value in getattr(spec, part)}
    values = _values(context, spec.file, spec.column, sources)
    return {key: part_of[values[key]] for key in keys if values.get(key) in part_of}


def _values(context: Context, file: str, column: str, sources: list[SourceSpec]) -> dict[str, str]:
    """Image -> cell of a column. The table is read with its source's options, or with guessed ones. Without a file: every table with the column."""
    known = [source for source in sources if source.format == "csv" and source.options.get("file") == (file or source.options.get("file"))]
    if known:
        tables = [CsvOptions(**source.options) for source in (known[:1] if file else known)]
    else:
        if not file or file not in context.tree.files:
            raise DataError(f"splits: '{file}' is not among the files" if file else f"splits: no table among the sources has a column '{column}'")
        try:
            tables = [open_table(Context(context.tree, context.index, Findings()), file).options]
        except DataError as error:
            raise DataError(f"splits: '{file}' is no table that names images: {error}") from None
    found: dict[str, str] = {}
    is_there, last_names = False, []
    for options in tables:
        names, rows = read_table(Context(context.tree, context.index, Findings()) if known else context, options)
        last_names = names
        if column not in names or options.image_column not in names:
            continue
        is_there = True
        images, place, image = ImageNames(context, options), names.index(column), names.index(options.image_column)
        for line, row in rows:
            key = images.image(context, row[image], f"{options.file}:{line}")
            if key and row[place].strip():
                found[key] = row[place].strip()
    if not is_there:
        raise DataError(f"splits: {f'{chr(39)}{file}{chr(39)}' if file else 'no table'} has no column '{column}'; it has {', '.join(last_names)}")
    return found


def _drawn(
    spec: SplitSpec, keys: list[str], shares: dict[str, float], context: Context, sources: list[SourceSpec], targets: list[Targets]
) -> dict[str, str]:
    random = np.random.default_rng([spec.seed, 5])
    if spec.groups == "none":
        strata: dict[object, list[list[str]]] = defaultdict(list)
        classes = next((target.values for target in targets if target.name == spec.stratify), {})
        for key in keys:
            strata[classes.get(key)].append([key])
        taken: dict[str, str] = {}
        rare: list[list[str]] = []
        for _, units in sorted(strata.items(), key=lambda item: str(item[0])):
            dealt = _dealt(units, shares, random)
            if len(units) > len(shares) or len(strata) == 1:
                taken |= dealt
            else:
                rare += units  # classes with too few images for each part are drawn together, so that no part stays empty
        return taken | _dealt(rare, shares, random)
    units = _units(spec, keys, context, sources)
    taken = _dealt(units, shares, random)
    if spec.groups == "blocks" and spec.gap:
        order = natural(keys)
        border = [n for n in range(1, len(order)) if taken[order[n]] != taken[order[n - 1]]]
        for n in border:
            for key in order[max(0, n - spec.gap) : n + spec.gap]:
                taken[key] = ""
    return taken


def _dealt(units: list[list[str]], shares: dict[str, float], random: np.random.Generator) -> dict[str, str]:
    """Units dealt in random order: the number nearest to each share, the rest to train. Each part gets one unit if there are enough."""
    order = [units[n] for n in random.permutation(len(units))]
    total, taken = sum(map(len, units)), {}
    for part, share in shares.items():
        count = 0
        while len(order) > 1 and (count + len(order[-1]) / 2 <= share * total or (count == 0 and len(units) > len(shares) and len(units) < 8)):
            unit = order.pop()
            count += len(unit)
            taken |= dict.fromkeys(unit, part)
    return taken | {key: "train" for unit in order for key in unit}


def _units(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    if spec.groups == "blocks":
        order = natural(keys)
        return [order[start : start + spec.block] for start in range(0, len(order), spec.block)]
    values = _values(context, spec.group_file, spec.group_column, sources) if spec.groups == "column" else None
    for key in keys:
        folder = "/".join(key.split("/")[:-1][: spec.group_depth or None])
        groups[values.get(key, f"#{key}") if values is not None else folder].append(key)
    return list(groups.values())
