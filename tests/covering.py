"""Which pairs of two lists of parts are tested, where the whole product is too much.

A promise of one part seldom depends on which of thirty others stands beside it. So every part is paired with the few others that differ in kind, and
with one more, another one for each, so that every part of the other list has its turn. The choice follows from the lists alone: a part that is
registered is tested without a line here, and the same lists give the same pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

First, Second = TypeVar("First"), TypeVar("Second")


def pairs(first: Sequence[First], second: Sequence[Second], always: Sequence[Second] = ()) -> list[tuple[First, Second]]:
    """Each of ``first`` with each of ``always`` (of ``second``), and with one of the others in turn; each of ``second`` occurs.

    Where ``second`` is longer than ``first``, what has had no turn is paired with ``first`` from its beginning again.
    """
    others = [each for each in second if each not in always]
    chosen = [(one, other) for one in first for other in always]
    if others:
        chosen += [(first[turn % len(first)], others[turn % len(others)]) for turn in range(max(len(first), len(others)))]
    return chosen


def one_of_each(parts: Sequence[First], sort: Callable[[First], Hashable]) -> list[First]:
    """The first part of each sort, in the order of the list."""
    found: dict[Hashable, First] = {}
    for part in parts:
        found.setdefault(sort(part), part)
    return list(found.values())
