"""The question about pictures scaled after labelling: the file states another size in the same proportions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtl_core.data.imports.checking.frames import in_proportion
from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import MOST_BYTES, read_picture
from mtl_core.data.imports.tree import UnreadableError

_LOOKED_AT = 24


def size_question(context: Context, stated: Mapping[str, tuple[int, int] | None], options: dict[str, Any]) -> list[Question]:
    """Ask whether to scale objects whose stated picture size differs from the picture's. The likelier reading is written into ``options``.

    Args:
        stated: image -> (width, height) in the file; None if it states none.
    """
    known = [(key, size) for key, size in stated.items() if size]
    others: list[tuple[str, tuple[int, int], tuple[int, int]]] = []
    looked_at = 0
    for key, size in known[:: max(1, len(known) // _LOOKED_AT)][:_LOOKED_AT]:
        try:
            real = read_picture(context.tree.read(key, MOST_BYTES), key, (64, 64)).size
        except UnreadableError:
            continue
        looked_at += 1
        if real != size and in_proportion(size, real):
            others.append((key, size, real))
    if not others:
        return []
    key, size, real = others[0]
    readings = (
        Reading("scale", "yes: the pictures were scaled after they were labelled", {"other_size": "scale"}),
        Reading("refuse", "no: these pictures are not labelled", {"other_size": "refuse"}),
    )
    options["other_size"] = "scale"
    evidence = (
        f"{len(others)} of {looked_at} looked at: '{key}' has {real[0]} x {real[1]} pixels, its objects are said to lie in "
        f"{size[0]} x {size[1]}. The proportions agree."
    )
    text = "Pictures have another size than the file of their objects says. Are the objects to be scaled to the pictures?"
    return [Question("size", text, readings, "scale", evidence, tuple(key for key, _, _ in others[:6]))]
