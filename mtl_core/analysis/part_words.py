"""Names of a network's parts and of what a sharing scheme learns, in the reader's language. Their English names are those of the sharing schemes."""

from __future__ import annotations

import re
from functools import cache

from mtl_core.language import mark, tr

# The first that fits is taken. Places and owners of a part are names themselves.
NAMES = (
    mark("shared gate at {place}"),
    mark("gate of {task} at {place}"),
    mark("mean gate weight at {place}"),
    mark("mean gate weight"),
    mark("reduction of {task} after {place}"),
    mark("attention of {task} after {place}"),
    mark("adapter of {task} after {place}"),
    mark("parents after {place}"),
    mark("stitches after {place}"),
    mark("stitch after {place}"),
    mark("weight of columns after {place}"),
    mark("mean attention"),
    mark("probability of parents in {place}"),
    mark("branch probability"),
    mark("head of {task}"),
    mark("gate of {task}"),
    mark("branch of {task}"),
    mark("network of {task}"),
    mark("shared expert {number}"),
    mark("expert {number} of {task}"),
    mark("expert {number}"),
    mark("node {number} of {place}"),
    mark("node {number}"),
    mark("column of {task}"),
    mark("all tasks together"),
    mark("{place} of {owner}"),
)
_STAGE = re.compile(r"stages\.(\d+)")  # the path of its tensors, counted from 0
_PLACES = {"place": r"[\w.]*\d|stem", "number": r"\d+"}  # other values: anything


def part_words(name: str) -> str:
    """``gate of digit`` in the reader's language, ``stages.0`` as ``stage 1``; a name that is none of these as it is."""
    if stage := _STAGE.fullmatch(name):
        return tr("stage {number}", number=int(stage[1]) + 1)
    for english in NAMES:
        if match := _pattern(english).fullmatch(name):
            return tr(english, **{place: part_words(value) for place, value in match.groupdict().items()}) if match.groupdict() else tr(english)
    return name


@cache
def _pattern(english: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", lambda found: f"(?P<{found[1]}>{_PLACES.get(found[1], '.+?')})", re.escape(english)), re.DOTALL)
