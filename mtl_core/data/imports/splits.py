"""Which image belongs to train, val and test: given, or drawn with a seed, in equal shares of classes or with neighbours kept together."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from mtl_core.data.imports.formats import Context, Targets
from mtl_core.data.imports.formats.csv_table import CsvFormat, CsvOptions, _guess, read_table, reference
from mtl_core.data.imports.spec import SourceSpec, SplitSpec
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

SPLITS = ("train", "val", "test")


def assign(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec], targets: list[Targets]) -> dict[str, str]:
    """Image -> split, for every image that belongs to one.

    Raises:
        DataError: a list, folder or column that the spec names is not there.
    """
    given = {"lists": _lists, "folders": _folders, "column": _column}.get(spec.how)
    taken = given(spec, keys, context, sources) if given else {}
    rest = [key for key in keys if key not in taken]
    if given is None or not spec.train:
        taken |= dict.fromkeys(rest, "train")
    elif rest:
        context.findings.add("note", "in_no_split", "", f"{len(rest):,} images are in none of the parts given; they are left out")
    drawn = [part for part in ("val", "test") if not (given and getattr(spec, part))]
    pool = [key for key in keys if taken.get(key) == "train"]
    shares = {part: getattr(spec, f"{part}_share") for part in drawn}
    if drawn:
        taken |= _drawn(spec, pool, shares, context, sources, targets)
        left = {key for key, part in taken.items() if part == ""}
        if left:
            context.findings.add("note", "gap", "", f"{len(left):,} frames beside a border between parts are left out")
        taken = {key: part for key, part in taken.items() if part}
    return {key: taken[key] for key in keys if key in taken}


def _lists(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec]) -> dict[str, str]:
    taken: dict[str, str] = {}
    for part in SPLITS:
        for file in getattr(spec, part):
            try:
                text = context.tree.read(file, 64 << 20).decode("utf-8-sig")
            except (UnreadableError, UnicodeDecodeError) as error:
                raise DataError(f"splits: the list '{file}' cannot be read: {error}") from None
            for number, line in enumerate(text.splitlines(), 1):
                if not line.strip() or line.startswith("#"):
                    continue
                whole = line.strip()
                key = context.index.find(whole) if whole in context.index else None
                key = key or context.image(whole.split()[0], f"{file}:{number}")
                if key in taken and taken[key] != part:
                    context.findings.add("note", "two_splits", f"{file}:{number}", f"'{key}' is in {taken[key]} already; it stays there")
                elif key:
                    taken[key] = part
    return taken


def _folders(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec]) -> dict[str, str]:
    taken = {}
    for part in SPLITS:
        for folder in getattr(spec, part):
            found = [key for key in keys if key.startswith((f"{folder}/", f"{folder}#"))]
            if not found:
                raise DataError(f"splits: no images in '{folder}'")
            taken |= dict.fromkeys(found, part)
    return taken


def _column(spec: SplitSpec, keys: list[str], context: Context, sources: list[SourceSpec]) -> dict[str, str]:
    part_of = {value: part for part in SPLITS for value in getattr(spec, part)}
    values = _values(context, spec.file, spec.column, sources)
    return {key: part_of[values[key]] for key in keys if values.get(key) in part_of}


def _values(context: Context, file: str, column: str, sources: list[SourceSpec]) -> dict[str, str]:
    """Image -> cell of a column; the CSV is read as its source says, or as it looks."""
    known = [source for source in sources if source.format == "csv" and source.options.get("file") == file]
    if known:
        options = CsvOptions(**known[0].options)
    else:
        guess = _guess(context, file) if file in context.tree.files else None
        if guess is None:
            raise DataError(f"splits: '{file}' is no CSV that names images")
        options = CsvFormat.Options(**guess.options)
    names, rows = read_table(context, options)
    if column not in names:
        raise DataError(f"splits: '{file}' has no column '{column}'; it has {', '.join(names)}")
    place, image = names.index(column), names.index(options.image_column)
    found = {}
    for line, row in rows:
        key = context.image(reference(row[image], options), f"{file}:{line}")
        if key:
            found[key] = row[place].strip()
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
        for _, units in sorted(strata.items(), key=lambda item: str(item[0])):
            taken |= _dealt(units, shares, random)
        return taken
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
    """Units in random order: as many as come nearest to each share, the rest to train; each part gets one where there are enough."""
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
    values = _values(context, spec.group_file, spec.group_column, sources) if spec.groups == "column" else {}
    for key in keys:
        groups[values.get(key, f"#{key}") if values else key.rpartition("/")[0]].append(key)
    return list(groups.values())


def natural(keys: list[str]) -> list[str]:
    """Names in the order that people count: frame_2 before frame_10."""
    return sorted(
        keys, key=lambda key: [(0, int(p), "") if p.isascii() and p.isdigit() and len(p) < 300 else (1, 0, p) for p in re.split(r"(\d+)", key)]
    )
