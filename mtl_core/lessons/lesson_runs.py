"""Runs of lessons in the run store: which learner, which lesson, which class. Tags join them, as in a race.

A lesson's run has the tags ``lesson-<name>-<place>``, where the place is that of its value in the lesson's control, and ``learner-<id>``. A run of
a class has ``class-<id>`` too. The name that a learner types, and the answers, are settings of the store under ``learner-<id>``.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.language import SOURCE, speaking, tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson import Lesson, Outcome, Recording
from mtl_core.names import title_problem
from mtl_core.runs.actions import LONGEST_TITLE
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.run_listing import ListedFacts
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore

LONGEST_NAME = 40  # characters of a learner's name
LEARNER, CLASS = re.compile(r"learner-[0-9a-f]{12}"), re.compile(r"class-[0-9a-f]{8}")
_PLACE = re.compile(r"lesson-(.+)-(\d+)")
LARGEST_SEED = 2**31 - 1
SEEN = 20  # finished runs of a lesson from which its time is estimated


@dataclass(frozen=True)
class Answer:
    """What a learner chose, and the runs that the question was about."""

    choice: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Learner:
    """``name``: as typed; may be empty. ``answers``: name of a lesson -> the last answer."""

    id: str
    name: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)


def new_learner() -> str:
    """An id for a learner."""
    return f"learner-{secrets.token_hex(6)}"


def new_class() -> str:
    """An id for a class."""
    return f"class-{secrets.token_hex(4)}"


def learner_of(store: RunStore, learner_id: str) -> Learner:
    """What the store knows of a learner. One of whom it knows nothing, or nothing that can be read, has no name and no answers."""
    try:
        kept = json.loads(store.settings().get(learner_id, "{}"))
        answers = {
            str(lesson): Answer(str(answer["choice"]), tuple(str(run) for run in answer["runs"])) for lesson, answer in kept["answers"].items()
        }
        return Learner(learner_id, str(kept["name"]), answers)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Learner(learner_id)


def name_learner(store: RunStore, learner_id: str, name: str) -> None:
    """Keep the name of a learner.

    Raises:
        ConfigError: the name is empty, too long, or no line of printable characters.
    """
    name = name.strip()
    problem = title_problem(name, LONGEST_NAME) if name else "expected a name, found nothing; type one"
    if problem:
        raise ConfigError(Problem("name", problem))
    _keep(store, Learner(learner_id, name, learner_of(store, learner_id).answers))


def answer(store: RunStore, learner_id: str, lesson: str, choice: str, runs: Iterable[str]) -> None:
    """Keep a learner's answer to the question of a lesson about these runs."""
    known = learner_of(store, learner_id)
    _keep(store, Learner(learner_id, known.name, {**known.answers, lesson: Answer(choice, tuple(runs))}))


def _keep(store: RunStore, learner: Learner) -> None:
    if not LEARNER.fullmatch(learner.id):
        raise ConfigError(Problem("learner", f"'{learner.id:.60}' is no learner's id; reload the page"))
    answers = {lesson: {"choice": each.choice, "runs": list(each.runs)} for lesson, each in learner.answers.items()}
    store.set(learner.id, json.dumps({"name": learner.name, "answers": answers}, ensure_ascii=False))


def configs_of(name: str, lesson: Lesson, value: Any, seed: int | None = None) -> tuple[RunConfig, ...]:
    """The runs of one training as they are queued, named after the lesson.

    Args:
        seed: seed of a class; None for the lesson's own. A lesson of several seeds counts on from it.
    """
    with speaking(SOURCE):  # the name is kept with the run
        called = _called(lesson, value)
    found = []
    for config in lesson.configs(value):
        changes: dict[str, Any] = {"name": called}
        if seed is not None:
            changes["seed"] = (seed + config.seed) % (LARGEST_SEED + 1)
        found.append(config.model_copy(update=changes))
    return tuple(found)


def _called(lesson: Lesson, value: Any) -> str:
    return tr("{title}: {choice}", title=lesson.text().title, choice=value_in_words(lesson, value))[:LONGEST_TITLE]


def shown_name(run: Run | ListedFacts) -> str:
    """The run's name; that of a lesson's run is in the reader's language, unless somebody has renamed the run."""
    found = lesson_of(run.tags)
    if not found or found[0] not in LESSONS:
        return run.name
    lesson: Lesson = LESSONS.load(found[0])()
    if found[1] >= len(lesson.control.values):
        return run.name
    value = lesson.control.values[found[1]]
    with speaking(SOURCE):
        kept = _called(lesson, value)
    return _called(lesson, value) if run.name == kept else run.name


def value_in_words(lesson: Lesson, value: Any) -> str:
    """A value of a lesson's control, for people."""
    text = lesson.text()
    return text.choices.get(str(value), f"{text.control} {value}")


def train(
    store: RunStore, name: str, learner_id: str, value: Any, *, class_id: str = "", seed: int | None = None, request_id: str | None = None
) -> list[Run]:
    """Queue the runs of a lesson with a value of its control. This starts no worker: see ``jobs.start_worker``.

    Args:
        request_id: id of the request; a second call with the same id makes no second set of runs.

    Raises:
        ConfigError: an unknown lesson, a value that it does not offer, or ids that are none.
        StoreError: a run cannot be written. A second call with the same ``request_id`` makes only the missing runs.
    """
    lesson: Lesson = LESSONS.load(name, "lesson")()
    if value not in lesson.control.values:
        raise ConfigError(Problem("value", f"expected one of {', '.join(map(str, lesson.control.values))}, found {value!r}"))
    if not LEARNER.fullmatch(learner_id) or (class_id and not CLASS.fullmatch(class_id)):
        raise ConfigError(Problem("learner", f"'{learner_id:.60}' and '{class_id:.60}' are no ids of a learner and a class; reload the page"))
    tags = [_tag(name, lesson, value), learner_id, *([class_id] if class_id else [])]
    made = []
    for number, config in enumerate(configs_of(name, lesson, value, seed)):
        request = f"{request_id}.{number}" if request_id else None
        made.append(store.create(config, request_id=request, columns={"tags": json.dumps(tags)}))
    return made


def _tag(name: str, lesson: Lesson, value: Any) -> str:
    return f"lesson-{name}-{lesson.control.values.index(value)}"


def lesson_of(tags: Sequence[str]) -> tuple[str, int] | None:
    """Name of the lesson, and the place of the value in its control, among the tags of a run; None where there is none."""
    for tag in tags:
        if found := _PLACE.fullmatch(tag):
            return found[1], int(found[2])
    return None


def learner_in(tags: Sequence[str]) -> str:
    """Id of the learner among the tags of a run; empty where there is none."""
    return next((tag for tag in tags if LEARNER.fullmatch(tag)), "")


def class_in(tags: Sequence[str]) -> str:
    """Code of the class among the tags of a run; empty where there is none."""
    return next((tag for tag in tags if CLASS.fullmatch(tag)), "")


def name_with_learner(store: RunStore, run: Run) -> str:
    """The run's name, and that of the learner who trains it, where one has typed a name."""
    learner = learner_in(run.tags)
    name = learner_of(store, learner).name if learner else ""
    return f"{name} · {shown_name(run)}" if name else shown_name(run)


def runs_tagged(store: RunStore, tag: str) -> list[Run]:
    """The runs of a learner or a class, the newest first."""
    if not (LEARNER.fullmatch(tag) or CLASS.fullmatch(tag)):
        return []
    with store.database.read() as connection:
        ids = connection.execute(select(schema.runs.c.id).where(schema.runs.c.tags.contains(f'"{tag}"'))).scalars().all()
    return store.several(list(ids))


def finished_runs(store: RunStore, name: str) -> list[Run]:
    """The newest finished runs of a lesson, of all learners, for estimates of its time."""
    columns, tag = schema.runs.c, f'"lesson-{name}-'
    wanted = select(columns.id).where(columns.tags.contains(tag, autoescape=True), columns.status == RunStatus.FINISHED.value)
    with store.database.read() as connection:
        ids = connection.execute(wanted.order_by(columns.number.desc()).limit(SEEN)).scalars().all()
    return store.several(list(ids))


def second_asked(lesson: Lesson, found: Mapping[Any, Sequence[Run]]) -> Any | None:
    """The value of the second training that the question is about: the one trained last, while it has finished or still can; if it has ended
    otherwise, the one before it that has finished. None where there is none."""
    others = [value for value in reversed(list(found)) if value != lesson.control.first]
    if not others or not _has_ended_otherwise(found[others[0]]):
        return others[0] if others else None
    return next((value for value in others if have_finished(found[value])), others[0])


def _has_ended_otherwise(runs: Sequence[Run]) -> bool:
    return any(run.status.is_ended() and run.status != RunStatus.FINISHED for run in runs)


def trainings(name: str, lesson: Lesson, runs: Iterable[Run], class_id: str = "", seed: int | None = None) -> dict[Any, tuple[Run, ...]]:
    """Value of the control -> the newest complete set of runs with it, in the order of ``configs``; the value that was trained last comes last.

    Args:
        runs: of one learner, the newest first.
        class_id: only runs of this class; without one, only runs of no class.
    """
    newest: dict[Any, list[Run]] = {}
    places: dict[str, int] = {}  # an id tells only the second of a run
    for place, run in enumerate(runs):
        places[run.id] = place
        found = lesson_of(run.tags)
        if found and found[0] == name and found[1] < len(lesson.control.values) and class_in(run.tags) == class_id:
            newest.setdefault(lesson.control.values[found[1]], []).append(run)
    complete = {}
    for value, made in newest.items():
        wanted = [(tuple(config.tasks), config.seed) for config in configs_of(name, lesson, value, seed)]
        chosen = [next((run for run in made if (tuple(run.config.tasks), run.config.seed) == each), None) for each in wanted]
        if all(chosen):
            complete[value] = tuple(run for run in chosen if run)
    return dict(sorted(complete.items(), key=lambda each: -min(places[run.id] for run in each[1])))


def second_value(lesson: Lesson, found: Mapping[Any, Sequence[Run]]) -> Any | None:
    """The value that was trained last, beside that of the first run; None where there is none."""
    return next((value for value in reversed(list(found)) if value != lesson.control.first), None)


def have_finished(*groups: Sequence[Run]) -> bool:
    """Whether there are runs, and all of them have finished."""
    return all(groups) and all(run.status == RunStatus.FINISHED for group in groups for run in group)


def outcome(store: RunStore, lesson: Lesson, first: Sequence[Run], second: Sequence[Run]) -> Outcome:
    """How the runs of both trainings came out.

    Raises:
        NothingToCompareError: a run has not recorded what the question asks for.
    """
    recordings = [[Recording(run.config, store.scalars(run.id)) for run in group] for group in (first, second)]
    return lesson.outcome_of(*recordings)
