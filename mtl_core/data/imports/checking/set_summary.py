"""The summary of a report: leaks between parts, each task in numbers, and problems that prevent training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mtl_core.data.dataset import Task
from mtl_core.data.imports.checking.check_report import Leak, TaskSummary
from mtl_core.data.imports.checking.splits import SPLITS
from mtl_core.data.imports.formats import Targets
from mtl_core.data.imports.image_keys import Facts
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.tasks import kind_of, layout_of

_LEAKS_LISTED = 200


def leaks_between(facts: dict[str, Facts], split: dict[str, str]) -> tuple[list[Leak], int]:
    """Identical pictures in two parts of the data: the first of them, and their number.

    Args:
        split: image -> its part.
    """
    first: dict[str, str] = {}
    found: list[Leak] = []
    count = 0
    for key, fact in facts.items():
        other = first.setdefault(fact.pixels, key)
        if split[other] != split[key]:
            count += 1
            if len(found) < _LEAKS_LISTED:
                found.append(Leak((split[other], split[key]), (other, key)))
    return found, count


def task_summary(task: Task, target: Targets, split: dict[str, str]) -> TaskSummary:
    """The number of images with the target in each part, and its classes or values over all parts."""
    values = {key: value for key, value in target.values.items() if key in split}
    labelled = Counter(split[key] for key in values)
    kind, counts = kind_of(task.kind), Counter()
    for value in values.values():
        counts.update(kind.imported_classes(value))
    named: dict[str, int] = {}
    for index, name in enumerate(task.classes if kind.needs_classes else ()):
        named[name] = named.get(name, 0) + counts[index]
    low, high = None, None
    if kind.valued and values:
        low, high = task.value_range if kind.valued == "pixels" else (min(values.values()), max(values.values()))
    return TaskSummary(task, {part: labelled[part] for part in SPLITS}, named, low, high)


def problems_with(parts: Counter[str], summaries: tuple[TaskSummary, ...], images_alone: bool = False) -> Iterable[str]:
    """Sentences with the reasons why no training is possible.

    Args:
        parts: number of images in each part.
        images_alone: whether the description has no source or no task, so that the set is for self-supervised tasks.
    """
    if not sum(parts.values()):
        yield "No image can be used: see the findings for why."
    elif any(parts[part] == 0 for part in SPLITS):
        empty = ", ".join(part for part in SPLITS if parts[part] == 0)
        yield f"No images in {empty}. Change the splits, or add pictures: each part needs one at least."
    if not summaries and not images_alone:
        yield (
            "No task: the sources give no targets. Add a source, keep a column that is left out, or name the tasks to keep; "
            "without sources the pictures alone are imported."
        )
    for summary in summaries:
        if not summary.labelled["train"]:
            yield f"Task '{summary.task.name}' has no target in train; leave it out, or change the splits."
        elif kind_of(summary.task.kind).counted and summary.class_counts and not sum(summary.class_counts.values()):
            yield f"Task '{summary.task.name}' has no object in any picture: see the findings for why, or leave it out."
        if kind_of(summary.task.kind).needs_classes and not summary.task.classes:
            yield f"Task '{summary.task.name}' has no classes; leave it out, or name them."


def without_train(summaries: tuple[TaskSummary, ...], given: bool) -> tuple[Question, ...]:
    """Questions about tasks that have no targets in train with the given parts: draw other parts, or leave the task out?

    Args:
        given: whether the files give the parts, so that they are not drawn.
    """
    asked = []
    for summary in summaries:
        name, elsewhere = summary.task.name, {part: count for part, count in summary.labelled.items() if count}
        if not given or summary.labelled["train"] or not elsewhere:
            continue
        others = [other.task.name for other in summaries if other.task.name != name and other.labelled["train"]]
        readings = (
            Reading("drawn", "train, val and test are drawn at random from all pictures", {"splits": {}}),
            Reading("left_out", f"the parts stay, and '{name}' is left out", {"tasks": others}),
        )
        val, test = elsewhere.get("val", 0), elsewhere.get("test", 0)
        if val and test:
            evidence = f"Its targets: {val:,} in val and {test:,} in test; none in train."
        elif val:
            evidence = f"Its targets: {val:,} in val; none in train."
        else:
            evidence = f"Its targets: {test:,} in test; none in train."
        text = f"The given parts leave '{name}' without a target in train. What is to change?"
        asked.append(Question(f"no_train_{name}", text, readings, "", evidence))
    return tuple(asked)


def row_bytes(task: Task, target: Targets, shape: tuple[int, int, int]) -> int:
    """Bytes of one image's target and its labelled flag once prepared."""
    layout = layout_of(task.kind, task, shape[1:])
    longest = max((len(value) for value in target.values.values()), default=0) if layout.is_list else 1
    return 1 + (layout.row(longest).nbytes if longest else 0)
