"""Lesson: methods that set the loss weights themselves, by uncertainty and by the speed of learning (DWA)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from mtl_core.config import RunConfig
from mtl_core.lessons.fighting_tasks import NARROW
from mtl_core.lessons.lesson import Control, Lesson, LessonText, NothingToCompareError, Outcome, Recording, lesson_config

TASKS = ("digit", "slant", "ink")
EQUAL = 1.25  # the largest weight is at most this many times the smallest


class LearntWeights(Lesson):
    """Three tasks in one narrow network. Changed: who sets the loss weights."""

    control: ClassVar[Control] = Control(("fixed", "uncertainty", "dwa"), first="fixed", proposed="uncertainty")
    usual: ClassVar[str] = "ink"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (3, 3)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Loss weights that set themselves",
            aim="You can say how uncertainty weighting and DWA choose loss weights, and what they do not know.",
            words=(
                "Somebody has to choose the loss weights. With ten tasks nobody can try them all. So methods were proposed that choose them during "
                "training.",
                "**Uncertainty weighting** learns for each task how large its mistakes are at best, and divides its loss by that. Tasks with small "
                "losses get large weights. **DWA** (dynamic weight average) looks at how fast each loss falls and gives slow tasks more.",
                "Neither of them knows which task matters to you. They make the tasks alike in a sense that their authors chose.",
            ),
            first="Three tasks share a narrow network. Every loss weight stays at 1.",
            control="Who sets the loss weights",
            choices={"fixed": "Nobody: all 1", "uncertainty": "Uncertainty weighting", "dwa": "DWA"},
            change="Let a method set the weights. Try both, one after the other.",
            look="Watch the three loss weights while it trains, then the slant's error.",
            charts={
                "loss_weight/digit": "Loss weight of the digit",
                "loss_weight/slant": "Loss weight of the slant",
                "loss_weight/ink": "Loss weight of the ink",
                "val/slant/mae": "Slant: mean error in degrees on val · lower is better",
            },
            question="Which task has the largest loss weight at the end of your last run?",
            answers={"digit": "The digit", "slant": "The slant", "ink": "The ink", "equal": "All about the same"},
            said={
                "digit": "The digit: {digit}. The slant has {slant}, the ink {ink}.",
                "slant": "The slant: {slant}. The digit has {digit}, the ink {ink}.",
                "ink": "The ink: {ink}. The digit has {digit}, the slant {slant}.",
                "equal": "All about the same: digit {digit}, slant {slant}, ink {ink}. The largest is at most a quarter above the smallest.",
            },
            why="Uncertainty weighting gives the smallest loss the largest weight. DWA moves only as far as the losses differ in their speed, "
            "which is little once all of them fall slowly.",
            panel="“Loss weights and learning rate” on the run's page shows all weights in one chart.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(**NARROW, tasks={task: {} for task in TASKS}, balancing={"name": value})

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        weights = {task: second.last(f"loss_weight/{task}") for task in TASKS}
        found = np.array([*weights.values()])
        if not np.isfinite(found).all():
            raise NothingToCompareError("the loss weights were not recorded")
        if found.max() <= EQUAL * found.min():
            return Outcome("equal", weights)
        return Outcome(max(weights, key=lambda task: weights[task]), weights)
