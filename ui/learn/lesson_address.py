"""The address of a lesson: which one, for which class, and what the page leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson_runs import CLASS, LARGEST_SEED

HIDEABLE = {  # part of the page -> its words
    "text": "The explanation",
    "change": "The choice in step 3: the proposed one is taken",
    "links": "Links to other pages",
    "question": "The question",
}


@dataclass(frozen=True)
class LessonAddress:
    """What a link to a lesson says.

    Attributes:
        lesson: name of a lesson; empty for none.
        class_id: empty outside a class.
        seed: of all runs; None for the lesson's own.
        hidden: names in ``HIDEABLE``.
        large: whether the page is drawn for a projector.
        board: whether the board of the class is shown.
    """

    lesson: str = ""
    class_id: str = ""
    seed: int | None = None
    hidden: frozenset[str] = frozenset()
    large: bool = False
    board: bool = False

    def query(self, **changes: Any) -> dict[str, str]:
        """The parameters of its link, with some fields replaced."""
        values = {**self.__dict__, **changes}
        found = {"lesson": values["lesson"], "class": values["class_id"], "seed": "" if values["seed"] is None else str(values["seed"])}
        found |= {"hide": ",".join(sorted(values["hidden"])), "large": "1" if values["large"] else "", "board": "1" if values["board"] else ""}
        return {key: value for key, value in found.items() if value}

    def link(self, **changes: Any) -> str:
        """Its link, relative to the server."""
        return f"learn?{urlencode(self.query(**changes))}"


def read_address(query: Mapping[str, str]) -> LessonAddress:
    """The address in these parameters. What cannot be read counts as not given, except a lesson that does not exist: it stays for a message."""
    class_id, seed = query.get("class", ""), query.get("seed", "")
    number = int(seed) if seed.isascii() and seed.isdigit() and len(seed) <= 10 else None
    return LessonAddress(
        lesson=query.get("lesson", ""),
        class_id=class_id if CLASS.fullmatch(class_id) else "",
        seed=number if number is not None and number <= LARGEST_SEED else None,
        hidden=frozenset(query.get("hide", "").split(",")) & frozenset(HIDEABLE),
        large=query.get("large") == "1",
        board=query.get("board") == "1" and bool(CLASS.fullmatch(class_id)),
    )


def following(lesson: str) -> str:
    """The lesson after this one; empty after the last."""
    names = list(LESSONS)
    place = names.index(lesson) + 1
    return names[place] if place < len(names) else ""
