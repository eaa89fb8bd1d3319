"""The board of a class: its learners with their runs of a lesson, and estimates of how long lessons' runs take and wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from mtl_core.language import tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson import Lesson
from mtl_core.lessons.lesson_runs import Learner, finished_runs, learner_in, learner_of, lesson_of, runs_tagged, trainings
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
    """Run id -> seconds that a lesson's run takes on this machine, as ``expected_run`` estimates them from the runs in ``seen``.

    Left out are runs of no lesson, and those of lessons of which none was seen: how fast this machine is at the moment is not known.
    """
    seen, expected = list(seen), {}
    for run in runs:
        found = lesson_of(run.tags)
        if found and found[0] in lessons and found[1] < len(lessons[found[0]].control.values):
            name, place = found
            seconds = expected_run(name, lessons[name], lessons[name].control.values[place], seen)
            expected |= {} if seconds is None else {run.id: seconds}
    return expected


def expected_run(name: str, lesson: Lesson, value: Any, seen: Iterable[Run]) -> float | None:
    """Seconds that one run of a lesson's training takes on this machine; None where no run of the lesson has finished or trains.

    With finished runs of this training among ``seen`` it is their median, else what one that trains is expected to take. With runs of other values
    only, it is the time until they began to train, and their training in proportion to the lesson's measured seconds. Of two the lower counts,
    because the first run of a server also loads the libraries.
    """
    taken: dict[int, list[tuple[float, float]]] = {}  # place of the value -> seconds until training began, and of training
    going: dict[int, list[tuple[float, float]]] = {}
    for run in seen:
        found = lesson_of(run.tags)
        if not found or found[0] != name or found[1] >= len(lesson.control.values):
            continue
        if run.status == RunStatus.FINISHED:
            taken.setdefault(found[1], []).append(_parts(run, run.seconds))
        elif run.eta_seconds is not None:
            going.setdefault(found[1], []).append(_parts(run, run.seconds + run.eta_seconds))
    known, place = going | taken, lesson.control.values.index(value)
    if place in known:
        return median_low(map(sum, known[place]))
    if not known:
        return None
    began = median_low(before for runs in known.values() for before, _ in runs)
    pace = median_low(trained / _measured(lesson, other) for other, runs in known.items() for _, trained in runs)
    return began + pace * _measured(lesson, place)


def _parts(run: Run, seconds: float) -> tuple[float, float]:
    """Of all seconds of a run, those until its training began, and the rest."""
    before = 0.0
    if run.started_at is not None and run.training_started_at is not None:
        before = min(max(run.training_started_at - run.started_at, 0.0), seconds)
    return before, seconds - before


def _measured(lesson: Lesson, place: int) -> float:
    """Measured seconds of one run of the training with the value in this place of the control."""
    value = lesson.control.values[place]
    return lesson.seconds_of(value) / len(lesson.configs(value))


def waits(store: RunStore) -> dict[str, float | None]:
    """Run id -> estimated seconds until each queued run starts, as ``seconds_until_start`` gives them, from the runs of the same lessons on this
    machine."""
    active, queued = store.active(), store.queued()
    if not queued:
        return {}
    named = {found[0] for run in (*active, *queued) if (found := lesson_of(run.tags)) and found[0] in LESSONS}
    lessons = {name: LESSONS.load(name)() for name in sorted(named)}
    seen = [run for name in lessons for run in finished_runs(store, name)]
    return seconds_until_start(active, queued, expected_seconds([*active, *queued], lessons, [*active, *seen]))
