"""A first look at named points: names, lines, mirror and sigmas of a proposed task, and questions about them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mtl_core.data.imports.formats.annotations.point_sets import is_mirror
from mtl_core.data.imports.looking.questions import Question, Reading

_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
PERSON = ["nose", *(f"{side}_{part}" for part in _PAIRS for side in ("left", "right"))]  # COCO's points of a person
# pycocotools.cocoeval.Params.setKpParams, kpt_oks_sigmas; measured by COCO on 5,000 images that several people labelled.
PERSON_SIGMAS = [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089]
PERSON_MIRROR = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
# COCO's skeleton, counted from 0: the category 'person' of person_keypoints_val2017.json.
PERSON_EDGES = [
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3),
    (2, 4), (3, 5), (4, 6),
]  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|[^\W\d_]+")
_SIDES = {"left": "right", "right": "left", "l": "r", "r": "l"}


def proposed_points(task: str, names: Sequence[str], count: int, mirror: Any = None, edges: Any = None) -> tuple[dict[str, Any], list[str]]:
    """(a ``PointTask`` as plain values, notes).

    Args:
        names: as the file gives them; placeholders stand for missing ones.
        count: number of points of an object.
        mirror: as the file gives it; None to read it from the names (left and right).
        edges: pairs of numbers from 0, as the file gives them.
    """
    notes = []
    if len(names) != count:
        if names:
            notes.append(f"{len(names)} names for {count} points: the names are not used")
        if count == len(PERSON) and list(mirror or ()) == PERSON_MIRROR:
            names = PERSON
            notes.append("17 points that mirror as COCO's points of a person do: they have COCO's names here")
        else:
            names = [f"point {number}" for number in range(count)]
            notes.append(f"no file names the {count} points: they are called 'point 0' to 'point {count - 1}' here. Rename them")
    seen: Counter[str] = Counter()
    own = []
    for name in names:
        seen[name] += 1
        own.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    if len(seen) < len(names):
        notes.append(f"several points are called '{seen.most_common(1)[0][0]}': the later ones have a number behind their name")
    if mirror and not is_mirror(mirror, count):
        notes.append(f"{str(mirror)[:60]} does not say which of {count} points takes the place of which in a mirror: it is not used")
        mirror = None
    is_person = own == PERSON
    lines = [tuple(edge) for edge in edges or () if _is_edge(edge, count)]
    if edges and len(lines) < len(edges):
        notes.append(f"{len(edges) - len(lines)} of {len(edges)} lines between points name no two of the {count} points: they are left out")
    return {
        "task": task,
        "names": own,
        "edges": [list(edge) for edge in dict.fromkeys(lines or (PERSON_EDGES if is_person else ()))],
        "mirror": list(mirror or mirror_by_names(own) or ()),
        "sigmas": list(PERSON_SIGMAS) if is_person else [],
    }, notes


def mirror_by_names(names: Sequence[str]) -> list[int] | None:
    """For each point the number of its mirror image, as left and right in the names say. None if they do not say it.

    ``left_eye`` and ``right_eye``, ``LKnee`` and ``RKnee``, ``ear.l`` and ``ear.r`` are each other's; a name without a side is its own. One point
    alone is its own, too.
    """
    words = [tuple(word.lower() for word in _WORDS.findall(name)) for name in names]
    place = {of_name: number for number, of_name in enumerate(words)}
    if len(names) == 1:
        return [0]
    if len(place) < len(names):
        return None
    found, sided = [], False
    for number, of_name in enumerate(words):
        other = tuple(_other_side(word) for word in of_name)
        if other == of_name:
            found.append(number)
        elif other in place:
            found.append(place[other])
            sided = True
        elif any(word in _SIDES for word in of_name):
            return None  # a left without its right
        else:
            found.append(number)  # 'upright' holds a side by chance
    return found if sided and is_mirror(found, len(names)) else None


def mirror_question(points: list[dict[str, Any]], examples: Sequence[str]) -> list[Question]:
    """The question about tasks whose names have no sides."""
    asked = []
    for number, task in enumerate(points):
        if task["mirror"]:
            continue
        itself = list(range(len(task["names"])))
        readings = (
            Reading("unknown", "not known: images are not mirrored in training", {f"named_points.{number}.mirror": []}),
            Reading("itself", "each point keeps its name", {f"named_points.{number}.mirror": itself}),
        )
        text = f"Which points of '{task['task']}' take each other's place in a mirrored image?"
        evidence = f"Neither the file nor the names ({', '.join(task['names'][:4])}, ...) say it. 'mirror' of 'named_points' can state other pairs."
        asked.append(Question("mirror", text, readings, "unknown", evidence, tuple(examples)[:6]))
    return asked


def several_question(images: int, several: int, most: int, examples: Sequence[str]) -> list[Question]:
    """The question about images with several objects that have points.

    Args:
        images: images with points; ``several`` of them with more than one object that has points, at most ``most``.
    """
    if not several:
        return []
    readings = (
        Reading("largest", "the object with the largest box; the others are not learnt", {"several_objects": "largest"}),
        Reading("unlabelled", "none: only images with exactly one object are labelled", {"several_objects": "unlabelled"}),
    )
    evidence = f"A task of points has one object an image. {several:,} of {images:,} images with points show several objects, at most {most:,}."
    text = "Whose points count in an image with several objects?"
    return [Question("several_objects", text, readings, "largest", evidence, tuple(examples)[:6])]


def _other_side(word: str) -> str:
    if word in _SIDES:
        return _SIDES[word]
    for side, other in (("left", "right"), ("right", "left")):
        if word.startswith(side):
            return other + word.removeprefix(side)
        if word.endswith(side):
            return word.removesuffix(side) + other
    return word


def _is_edge(edge: Any, count: int) -> bool:
    ends = list(edge) if isinstance(edge, list | tuple) else []
    return len(ends) == 2 and all(isinstance(end, int) and not isinstance(end, bool) and 0 <= end < count for end in ends) and ends[0] != ends[1]
