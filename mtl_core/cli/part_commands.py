"""``parts``: list every registered part of a run with its options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from mtl_core.cli.output import JSON, emit, emit_json
from mtl_core.errors import ConfigError
from mtl_core.registry import unknown_name


@click.command()
@click.argument("sorts", metavar="[SORT]...", nargs=-1)
@JSON
def parts(sorts: tuple[str, ...], as_json: bool) -> None:
    """List every part that a run can be made of, with its options: all of them, or those of each SORT.

    Sorts: data, tasks, self_supervised, backbones, sharing, balancing, updates, denoisers, augmentations, import_formats, evaluations,
    landscapes, study_kinds, lessons, exports.
    Parts of other installed packages are listed too; one that cannot be loaded says why.
    """
    from mtl_core.catalogue import SORTS, described

    for sort in sorts:
        if sort not in SORTS:
            raise ConfigError(unknown_name("sort of part", sort, SORTS))
    found = {sort: described(sort) for sort in sorts or SORTS}
    if as_json:
        emit_json(found)
    else:
        emit("\n".join(line for sort, entries in found.items() for line in _lines(sort, entries)))


def _lines(sort: str, entries: list[dict[str, Any]]) -> Iterator[str]:
    from mtl_core.catalogue import default_in_words

    yield f"{sort} ({len(entries)})"
    for entry in entries:
        yield f"  {entry['name']}: {entry['problem'] or entry['title']}"
        for own in entry["options"]:
            allowed = f"{own['type']} {own['range']}".strip()
            yield f"      {own['name']}: {allowed}; default {default_in_words(own)}"
    yield ""
