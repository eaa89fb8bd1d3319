"""The board of a class: its learners with their runs of a lesson, and an estimate of how long each queued run waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mtl_core.language import tr
from mtl_core.lessons.lesson import Lesson
from mtl_core.lessons.lesson_runs import Learner, learner_in, learner_of, lesson_of, runs_tagged, trainings
from mtl_core.runs.run_record import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore


@dataclass(frozen=True)
class Entry:
    """One learner on the board.

    Attributes:
        name: as typed; learners of one name are told apart by a number.
        trainings: see ``lesson_runs.trainings``.
    """

    learner: Learner
    name: str
    trainings: Mapping[Any, Sequence[Run]]


def entries_of(store: RunStore, class_id: str, name: str, lesson: Lesson, seed: int | None = None) -> list[Entry]:
    """The learners of a class who have a run of this lesson, in the order of their first one."""
    runs, by_learner = runs_tagged(store, class_id), {}
    for run in reversed(runs):  # the oldest first
        found = lesson_of(run.tags)
        if found and found[0] == name and (learner := learner_in(run.tags)):
            by_learner.setdefault(learner, []).insert(0, run)
    learners = [learner_of(store, learner) for learner in by_learner]
    names = told_apart([learner.name or tr("no name") for learner in learners])
    return [
        Entry(learner, shown, trainings(name, lesson, by_learner[learner.id], class_id, seed)) for learner, shown in zip(learners, names, strict=True)
    ]


def told_apart(names: Iterable[str]) -> list[str]:
    """The names, all different: a later one that is taken gets the next free number, as in ``Ann (2)``."""
    found: list[str] = []
    for name in names:
        number, shown = 1, name
        while shown in found:
            number += 1
            shown = f"{name} ({number})"
        found.append(shown)
    return found


def seconds_until_start(active: Sequence[Run], queued: Sequence[Run], expected: Mapping[str, float]) -> dict[str, float | None]:
    """Run id -> estimated seconds until each queued run starts, if the device trains one run at a time.

    Args:
        queued: in the order of the queue.
        expected: run id -> seconds that a run takes in all; a run that is not in it is unknown, and so is the wait of those behind it.

    Returns:
        None where the time is unknown.
    """
    total: float | None = 0.0
    for run in active:
        left = run.eta_seconds
        if left is None and expected.get(run.id, 0.0) > run.seconds:  # one that takes longer than expected is unknown
            left = expected[run.id] - run.seconds
        total = None if total is None or left is None else total + left
    found = {}
    for run in queued:
        found[run.id] = total
        own = expected.get(run.id)
        total = None if total is None or own is None else total + own
    return found


def expected_seconds(runs: Iterable[Run], lessons: Mapping[str, Lesson], seen: Iterable[Run]) -> dict[str, float]:
    """Run id -> seconds that a lesson's run takes: the median of the finished runs of its training among ``seen``, else what one that trains is
    expected to take, else as measured for the lesson.

    Runs of no lesson are left out.
    """
    taken: dict[tuple[str, int], list[float]] = {}
    going: dict[tuple[str, int], list[float]] = {}
    for run in seen:
        found = lesson_of(run.tags)
        if found and run.status == RunStatus.FINISHED:
            taken.setdefault(found, []).append(run.seconds)
        elif found and run.eta_seconds is not None:
            going.setdefault(found, []).append(run.seconds + run.eta_seconds)
    taken = going | taken
    expected = {}
    for run in runs:
        found = lesson_of(run.tags)
        if not found or found[0] not in lessons:
            continue
        lesson = lessons[found[0]]
        values = lesson.control.values
        if found in taken:
            expected[run.id] = median(taken[found])
        elif found[1] < len(values):
            value = values[found[1]]
            expected[run.id] = lesson.seconds[value != lesson.control.first] / len(lesson.configs(value))
    return expected
