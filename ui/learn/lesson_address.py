"""The address of a lesson: which one, for which class, and what the page leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from mtl_core.language import SOURCE, language, mark, tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson_runs import CLASS, LARGEST_SEED
from ui.shell.language_choice import ADDRESS

OPENED = "lesson.opened"  # in the session: the address of the lesson that was opened last
HIDEABLE = {  # part of the page -> its words
    "text": mark("The explanation"),
    "change": mark("The choice in step 3: the proposed one is taken"),
    "links": mark("Links to other pages"),
    "question": mark("The question"),
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
        """Its link, relative to the server. It keeps a class in the teacher's language, whatever the learners' browsers ask for."""
        spoken = {ADDRESS: language()} if language() != SOURCE else {}
        return f"learn?{urlencode({**self.query(**changes), **spoken})}"


def read_address(query: Mapping[str, str]) -> LessonAddress:
    """The address in these parameters. ``address_problems`` says what cannot be read of them; here it counts as not given.

    A lesson that does not exist stays, for a message.
    """
    class_id, number = query.get("class", ""), _number(query.get("seed", ""))
    return LessonAddress(
        lesson=query.get("lesson", ""),
        class_id=class_id if CLASS.fullmatch(class_id) else "",
        seed=number,
        hidden=frozenset(query.get("hide", "").split(",")) & frozenset(HIDEABLE),
        large=query.get("large") == "1",
        board=query.get("board") == "1" and bool(CLASS.fullmatch(class_id)),
    )


def address_problems(query: Mapping[str, str]) -> list[str]:
    """What is wrong with these parameters, in sentences. A learner with a mistyped link would train outside the class, or with another seed."""
    class_id, seed, found = query.get("class", ""), query.get("seed", ""), []
    if class_id and not CLASS.fullmatch(class_id):
        found.append(tr("The link names the class '{class_id}'; expected a code such as class-1a2b3c4d.", class_id=class_id[:40]))
    if seed and _number(seed) is None:
        found.append(
            tr("The link has the seed '{seed}'; expected a whole number from 0 to {largest_seed}.", seed=seed[:20], largest_seed=LARGEST_SEED)
        )
    if query.get("board") == "1" and not (class_id and query.get("lesson")):
        found.append(tr("The link asks for a board; expected the lesson and the class that the board shows, too."))
    if strange := sorted(set(filter(None, query.get("hide", "").split(","))) - set(HIDEABLE)):
        found.append(tr("The link leaves out '{strange}'; expected parts among {hideable}.", strange=strange[0][:40], hideable=", ".join(HIDEABLE)))
    return found


def _number(seed: str) -> int | None:
    number = int(seed) if seed.isascii() and seed.isdigit() and len(seed) <= 10 else None
    return number if number is not None and number <= LARGEST_SEED else None


def following(lesson: str) -> str:
    """The lesson after this one; empty after the last."""
    names = list(LESSONS)
    place = names.index(lesson) + 1
    return names[place] if place < len(names) else ""
