"""Lesson: a run, one thing to change about it, and a question that the numbers of both runs answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from mtl_core.config import RunConfig
from mtl_core.language import LANGUAGES, SOURCE, language, mark, speaking, tr
from mtl_core.scalar_words import Measured

FIRST_LANGUAGE = SOURCE
COMPUTED = {"device": "cpu", "precision": "fp32", "layout": "contiguous"}  # the same for all runs of a lesson, so that their numbers compare


TASKS = {  # name of a task in the lessons' runs -> its words
    "digit": mark("the digit"),
    "slant": mark("the slant"),
    "ink": mark("the ink"),
    "reconstruction": mark("filling in hidden parts"),
    "rotation": mark("by how many quarters it was turned"),
    "jigsaw": mark("the order of the pieces"),
    "contrastive": mark("which two views are of one picture"),
}


def task_words(name: str) -> str:
    """A task of the lessons' runs in words of the reader's language; another task's name as it is."""
    return tr(TASKS[name]) if name in TASKS else name


@dataclass(frozen=True)
class LessonText:
    """All words of a lesson in one language. Sentences may have Markdown.

    Attributes:
        aim: one sentence on what can be said after the lesson.
        words: paragraphs for people who know neither the project nor the field.
        first: what the first run trains.
        control: label of what is changed.
        choices: ``str`` of a value of the control -> its words.
        change: what the change does, and what to do.
        look: what to look at in the charts.
        charts: scalar key -> title of its chart, with the unit and the direction that is better.
        question: a question about both runs.
        answers: key of an outcome -> the choice in the question.
        said: key of an outcome -> sentence on it, with the outcome's numbers as fields, such as ``{before:.1%}``, or ``{before}`` for the digits that
            the table beside it shows.
        why: why it usually comes out so.
        panel: what the linked panel of the run's page shows besides.
    """

    title: str
    aim: str
    words: tuple[str, ...]
    first: str
    control: str
    choices: Mapping[str, str]
    change: str
    look: str
    charts: Mapping[str, str]
    question: str
    answers: Mapping[str, str]
    said: Mapping[str, str]
    why: str
    panel: str

    def sentence(self, came_out: Outcome) -> str:
        """What is said of an outcome, with its numbers."""
        return self.said[came_out.key].format(**{name: Measured(value) for name, value in came_out.numbers.items()})

    def translated(self) -> LessonText:
        """These words in the reader's language, by the catalogue."""
        return LessonText(**{each.name: _translated(getattr(self, each.name)) for each in fields(self)})


def _translated(words: Any) -> Any:
    if isinstance(words, Mapping):
        return {key: tr(text) for key, text in words.items()}
    return tr(words) if isinstance(words, str) else tuple(tr(text) for text in words)


@dataclass(frozen=True)
class Control:
    """The one thing to change.

    Attributes:
        values: what can be chosen, in order.
        first: the value of the first run.
        proposed: the value that is chosen at first for the second run.
    """

    values: tuple[Any, ...]
    first: Any
    proposed: Any


@dataclass(frozen=True)
class Recording:
    """What a run has recorded, as far as lessons read it.

    Attributes:
        config: its settings.
        scalars: columns ``key``, ``step``, ``epoch`` and ``value``, in the order of writing.
    """

    config: RunConfig
    scalars: pd.DataFrame

    def values(self, key: str) -> np.ndarray:
        """(n,) recorded values of a scalar by step; a step that was repeated counts once, and NaN is left out."""
        rows = self.scalars[self.scalars["key"] == key].drop_duplicates("step", keep="last").sort_values("step")
        return rows["value"].dropna().to_numpy(dtype=float)

    def last(self, key: str) -> float:
        """The last recorded value; NaN where there is none."""
        values = self.values(key)
        return float(values[-1]) if len(values) else float("nan")

    def mean(self, key: str) -> float:
        """The mean of all recorded values; NaN where there is none."""
        values = self.values(key)
        return float(values.mean()) if len(values) else float("nan")


@dataclass(frozen=True)
class Outcome:
    """How both runs came out.

    Attributes:
        key: one of the lesson's ``answers``; the right choice.
        numbers: what the sentence on it is made from. ``key`` follows from them.
    """

    key: str
    numbers: Mapping[str, float] = field(default_factory=dict)


class Lesson(ABC):
    """A lesson. Its runs are ordinary runs.

    Class attributes:
        texts: language code -> the lesson's words. English has to be there; the catalogue translates it into the languages that are not.
        control: the one thing to change.
        means: scalars of the charts of which tables show the mean over the training, because they jump from step to step; of the others, the last.
        usual: outcome that the runs of several seeds gave with the proposed value. ``seeds_seen``: in how many of how many seeds.
        seconds: of one CPU core, for the first and the second training, measured as ``benchmarks/README.md`` says.
        title: the English title, for lists of parts.
    """

    title: ClassVar[str] = ""
    texts: ClassVar[Mapping[str, LessonText]]
    control: ClassVar[Control]
    means: ClassVar[frozenset[str]] = frozenset()
    usual: ClassVar[str]
    seeds_seen: ClassVar[tuple[int, int]]
    seconds: ClassVar[tuple[float, float]]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "texts" in cls.__dict__:
            cls.title = cls.texts[FIRST_LANGUAGE].title

    @abstractmethod
    def config(self, value: Any) -> RunConfig:
        """The config of the run with this value of the control."""

    @abstractmethod
    def outcome(self, first: Recording, second: Recording) -> Outcome:
        """How the runs came out. Pure.

        Raises:
            NothingToCompareError: a run has not recorded what the question asks for.
        """

    def configs(self, value: Any) -> tuple[RunConfig, ...]:
        """The runs of one training, in order; most lessons have one."""
        return (self.config(value),)

    def seconds_of(self, value: Any) -> float:
        """About how many seconds of one CPU core the training with a value takes: as measured for the first and the proposed value, and for the
        others in proportion to their passes."""
        first, proposed = self.seconds
        return first if value == self.control.first else proposed * self._passes(value) / self._passes(self.control.proposed)

    def _passes(self, value: Any) -> int:
        return sum(config.epochs for config in self.configs(value))

    def outcome_of(self, first: Sequence[Recording], second: Sequence[Recording]) -> Outcome:
        """``outcome`` of the runs of both trainings, in the order of ``configs``."""
        return self.outcome(first[0], second[0])

    def text(self, name: str = "") -> LessonText:
        """The words in a language, by default the reader's: those of the lesson's file, else the English ones as the catalogue translates them."""
        name = name or language()
        if name in self.texts or name not in LANGUAGES:
            return self.texts.get(name, self.texts[FIRST_LANGUAGE])
        with speaking(name):
            return self.texts[FIRST_LANGUAGE].translated()


class NothingToCompareError(ValueError):
    """A run has not recorded what the question of its lesson asks for."""


def lesson_config(**values: Any) -> RunConfig:
    """A config whose runs give the same numbers on every processor of a kind: device, precision and layout are fixed."""
    return RunConfig.from_dict({**COMPUTED, "probe_samples": 8, "keep_checkpoints": 0, **values})


def both_last(first: Recording, second: Recording, key: str) -> tuple[float, float]:
    """The last values of a scalar in both runs.

    Raises:
        NothingToCompareError: one of them has none.
    """
    found = first.last(key), second.last(key)
    if not np.isfinite(found).all():
        raise NothingToCompareError(f"'{key}' was not recorded in both runs")
    return found


def compared(before: float, after: float, least: float) -> str:
    """``more``, ``less`` or ``same``: how ``after`` compares with ``before``. Changes below ``least`` count as none."""
    if abs(after - before) < least:
        return "same"
    return "more" if after > before else "less"
