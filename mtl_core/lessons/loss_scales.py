"""Lesson: the scale of a loss decides how much of the shared network's training it gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from mtl_core.config import RunConfig
from mtl_core.language import mark
from mtl_core.lessons.fighting_tasks import NARROW
from mtl_core.lessons.lesson import Control, Lesson, LessonText, NothingToCompareError, Outcome, Recording, lesson_config

SHARE = "gradient_share/slant"
LOW, HIGH = 1 / 3, 2 / 3


class LossScales(Lesson):
    """Digit and slant in one narrow network. Changed: the unit in which the slant's loss is measured."""

    control: ClassVar[Control] = Control((0.01, 0.1, 1, 10, 100), first=1, proposed=100)
    usual: ClassVar[str] = "most"
    means: ClassVar[frozenset[str]] = frozenset({SHARE})
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (3, 3)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Losses of different size",
            aim="You can say why a task with large numbers takes over a shared network, even if it does not matter more.",
            words=(
                "Training needs one number that says how wrong the network is: the **loss**. Every task has its own. For several tasks they are "
                "simply added, and training lowers the sum.",
                "But losses have units. An error of 1 metre is an error of 100 centimetres. The mistake is the same and the number is a hundred "
                "times larger. In a sum, the larger number counts more.",
                "The direction in which a task wants the shared network moved is its **gradient**. The size of the gradient says how strongly. "
                "A task's **share of the gradient** is its part of the sum of all sizes: with two tasks, 50% is an equal share. It changes from step "
                "to step, so its mean over the whole training counts here.",
            ),
            first="Digit and slant share a narrow network. Both losses are as they are.",
            control="Factor on the loss of the slant",
            choices={
                "0.01": mark("a hundredth"),
                "0.1": mark("a tenth"),
                "1": mark("as it is"),
                "10": mark("10 times"),
                "100": mark("100 times"),
            },
            change="Measure the slant's loss in another unit: multiply it by a factor. The pictures and the mistakes stay what they are.",
            look="Look at the slant's share of the gradient, then at what it does to both tasks.",
            charts={
                SHARE: "Slant: share of the gradient · 50% is equal",
                "val/slant/mae": "Slant: mean error in degrees on val · lower is better",
                "val/digit/accuracy": "Digit: accuracy on val · higher is better",
            },
            question="With the other factor, how much of the gradient on the shared network comes from the slant, on average?",
            answers={"least": "Less than a third", "middle": "Between one and two thirds", "most": "More than two thirds"},
            said={
                "least": "Its mean share is {after:.1%}; it was {before:.1%}.",
                "middle": "Its mean share is {after:.1%}; it was {before:.1%}.",
                "most": "Its mean share is {after:.1%}; it was {before:.1%}.",
            },
            why="Multiplying a loss multiplies its gradient. The shared network then follows the larger one. That is why losses are weighted, and "
            "why comparing raw losses of different tasks says nothing about which task is doing well.",
            panel="“Who owns the shared network” on the run's page shows the shares of all tasks over time.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(**NARROW, tasks={"digit": {}, "slant": {"loss_weight": value}})

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        before, after = first.mean(SHARE), second.mean(SHARE)
        if not np.isfinite([before, after]).all():
            raise NothingToCompareError(f"'{SHARE}' was not recorded in both runs")
        key = "least" if after < LOW else ("most" if after > HIGH else "middle")
        return Outcome(key, {"before": before, "after": after})
