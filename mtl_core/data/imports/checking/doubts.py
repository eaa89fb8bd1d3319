"""Findings about a whole set: class names that differ only in spelling, classes missing in train, pictures of two classes, boxes below a pixel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.formats import Targets
from mtl_core.data.imports.image_keys import Facts
from mtl_core.tasks import kind_of

_MOST_SAID = 50  # most pictures of two classes that are listed
_FEW_BOXES = 4


def same_spelling(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in capitals and word separators, such as 'Traffic light' and 'traffic_light'."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        alike[" ".join(name.casefold().replace("_", " ").replace("-", " ").split())].append(name)
    return [several for several in alike.values() if len(several) > 1]


def say_doubts(findings: Findings, facts: Mapping[str, Facts], split: Mapping[str, str], targets: Sequence[Targets]) -> None:
    """Add notes about classes and about identical pictures.

    Args:
        split: image -> part.
    """
    for target in targets:
        for names in same_spelling(target.classes):
            listed = " and ".join(f"'{name}'" for name in names)
            findings.add("note", "spelling", target.name, f"{listed} are classes of their own; rename them where they mean the same", target.name)
        _say_absent(findings, split, target)
        if kind_of(target.kind).stratifies:  # each image has exactly one class
            _say_contradictions(findings, facts, target)


def _say_absent(findings: Findings, split: Mapping[str, str], target: Targets) -> None:
    """Add a note for each class that occurs, but not in train: it cannot be learnt."""
    kind = kind_of(target.kind)
    counts: dict[str, Counter[int]] = {"train": Counter(), "val": Counter(), "test": Counter()}
    for key, value in target.values.items():
        if key in split:
            counts[split[key]].update(kind.imported_classes(value))
    for index, name in enumerate(target.classes):
        elsewhere = {part: counts[part][index] for part in ("val", "test") if counts[part][index]}
        if elsewhere and not counts["train"][index] and counts["train"]:
            val, test = (elsewhere.get(part, 0) for part in ("val", "test"))
            if val and test:
                said = f"class '{name}' is not in train ({val:,} in val and {test:,} in test): it cannot be learnt"
            elif val:
                said = f"class '{name}' is not in train ({val:,} in val): it cannot be learnt"
            else:
                said = f"class '{name}' is not in train ({test:,} in test): it cannot be learnt"
            findings.add("note", "not_in_train", target.name, said, target.name)


def _say_contradictions(findings: Findings, facts: Mapping[str, Facts], target: Targets) -> None:
    """Add a note for identical pictures with different classes."""
    first: dict[str, str] = {}
    said = 0
    for key, value in target.values.items():
        if key not in facts:
            continue
        other = first.setdefault(facts[key].pixels, key)
        if target.values[other] != value and said < _MOST_SAID:
            said += 1
            classes = target.classes
            sentence = f"it has the same pixels as '{other}', which is '{classes[target.values[other]]}'; this one is '{classes[value]}'"
            findings.add("note", "two_classes", key, sentence, target.name)


def specks(sides: Mapping[str, Sequence[float]]) -> Iterable[str]:
    """A problem for each task whose boxes are nearly all smaller than a pixel.

    Args:
        sides: task -> the longer side of each of its boxes in pixels.
    """
    for task, values in sides.items():
        small = sum(value <= 1.0 for value in values)
        if small >= _FEW_BOXES and small > 0.9 * len(values):
            yield (
                f"Task '{task}': {small:,} of {len(values):,} boxes are no larger than a pixel. Pixels were expected; the numbers seem to be shares "
                "of the picture's sides (0 to 1). Say so in the description, export pixels, or leave the task out."
            )
