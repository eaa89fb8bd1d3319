"""The question about maps of another size than their pictures."""

from __future__ import annotations

from mtl_core.data.imports.checking.frames import in_proportion
from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.looking.pairing import Pair
from mtl_core.data.imports.looking.picture_contents import content_of
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import MOST_BYTES, read_picture
from mtl_core.data.imports.tree import UnreadableError


def ask_size(context: Context, pair: Pair, questions: list[Question], options: dict, examples: tuple) -> None:
    """Add a question if masks have another size than their pictures; the taken reading scales them if the proportions agree."""
    looked_at, other, fits, example = 0, 0, True, ""
    for file, picture in pair.pairs[:: max(1, len(pair.pairs) // 6)][:6]:
        mine, theirs = pair.contents.get(file) or content_of(context.tree, file), _size(context, picture)
        if theirs is None or mine.kind == "unreadable":
            continue
        looked_at += 1
        if mine.size != theirs:
            other += 1
            fits = fits and in_proportion(mine.size, theirs)
            example = example or f"'{file}' has {mine.size[0]} x {mine.size[1]} pixels, '{picture}' {theirs[0]} x {theirs[1]}"
    if not other:
        return
    first = "refuse" if not fits else "scale"
    options["other_size"] = first
    ask(
        questions,
        "size",
        "Masks have another size than their pictures. Are they to be scaled?",
        Reading("scale", "scaled to the picture, each pixel the nearest one", {"other_size": "scale"}),
        Reading("refuse", "refused: these pictures are not labelled", {"other_size": "refuse"}),
        first,
        f"{other} of {looked_at} looked at: {example}. Their proportions agree."
        if fits
        else f"{other} of {looked_at} looked at: {example}. Their proportions differ, so they show another part or are turned.",
        examples,
    )


def _size(context: Context, picture: str) -> tuple[int, int] | None:
    try:
        return read_picture(context.tree.read(picture, MOST_BYTES), picture, (64, 64)).size
    except UnreadableError:
        return None


def ask(questions: list[Question], name: str, text: str, one: Reading, other: Reading, taken: str, evidence: str, examples: tuple) -> None:
    """Add a question of two readings."""
    questions.append(Question(name, text, (one, other), taken, evidence, tuple(dict.fromkeys(examples))[:6]))
