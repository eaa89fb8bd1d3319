"""The singular of English texts: the engine writes ``{count} images`` for any number, and a text that is shown says "1 image"."""

from __future__ import annotations

import re

_SINGULARS = {"classes": "class", "boxes": "box", "entries": "entry", "copies": "copy", "processes": "process"}  # others lose their s
_NOUNS = (
    "annotation|area|bit|breed|byte|cell|channel|character|checkpoint|colour|column|combination|comparison|core|day|degree|"
    "device|digit|epoch|evaluation|example|file|folder|fold|frame|group|head|image|keypoint|label|layer|learner|letter|level|"
    "line|mask|measurement|method|metric|minute|mistake|name|network|number|object|outline|pair|parameter|part|picture|piece|"
    "pixel|place|point|polygon|portion|prediction|problem|question|record|region|repetition|row|run|sample|scene|seed|setting|"
    "shade|shape|size|split|stage|step|table|target|task|text|thread|threshold|tile|time|unit|update|value|version|weight|"
    "word"
)
_VERBS = {"are": "is", "have": "has", "were": "was", "do": "does", "lie": "lies", "hold": "holds", "wait": "waits", "say": "says", "give": "gives"}
_NUMBERED = (
    "of",
    "epoch",
    "seed",
    "stage",
    "level",
    "task",
    "fold",
    "step",
    "class",
    "part",
    "group",
    "x",
    "network",
    "number",
    "layer",
    "to",
    "version",
)
_ONE = re.compile(
    rf"(?P<before>\b[A-Za-z]+ )?(?<![\w.,:/-])(?P<one>1)(?P<all> of [\d,]+)? (?P<noun>{'|'.join(_SINGULARS)}|(?:{_NOUNS})s)\b"
    rf"(?: (?P<verb>{'|'.join(_VERBS)})\b)?"
)
_QUOTES = re.compile(r"(?<!\w)'[^']*'")


def has_one(text: str) -> bool:
    """Whether a text has something that ``in_singular`` would change."""
    return in_singular(text) != text


def in_singular(english: str) -> str:
    """English with the singular after the number 1: the engine writes ``{count} images`` for any number, and other languages need no change.

    What stands in quotes is a name, ``epoch 1`` is no count, and ``0 of 1 runs`` counts among several.
    """
    if "1 " not in english:
        return english
    quoted = [found.span() for found in _QUOTES.finditer(english)]

    def one(found: re.Match[str]) -> str:
        if (found["before"] or "").strip().lower() in _NUMBERED or any(start < found.start("one") < end for start, end in quoted):
            return found[0]
        noun, verb = found["noun"], found["verb"] or ""
        if not found["all"]:
            noun = _SINGULARS.get(noun, noun[:-1])
        return f"{found['before'] or ''}1{found['all'] or ''} {noun}{verb and ' ' + _VERBS[verb]}"

    return _ONE.sub(one, english)
