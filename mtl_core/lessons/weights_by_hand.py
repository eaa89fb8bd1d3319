"""Lesson: loss weights set by hand, and the trade between two tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.lessons.fighting_tasks import NARROW
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

ERROR, ACCURACY = "val/slant/mae", "val/digit/accuracy"
CLEAR_ERROR, CLEAR_ACCURACY = 0.1, 0.02  # a tenth of the error; 2 points of accuracy
WORDS = {"less": "better", "more": "worse", "same": "same"}  # of an error


class WeightsByHand(Lesson):
    """Digit and slant in one narrow network. Changed: the loss weight of the slant, by a slider."""

    control: ClassVar[Control] = Control((0.03, 0.1, 0.3, 1, 3, 10, 30), first=1, proposed=10)
    usual: ClassVar[str] = "slant"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (3, 3)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Loss weights by hand",
            aim="You can say what a loss weight does, and why there is often no best one.",
            words=(
                "The losses of the tasks are added. A **loss weight** is a factor on one of them. It says how much this task counts while the shared "
                "network is trained.",
                "Turn it up, and the shared network serves this task more. Something else then gets less. On a narrow network that is a trade: "
                "better here, worse there.",
                "Settings of which none is better in every task form the **Pareto front**. Along the front you choose who pays. Only settings "
                "that are worse in every task are simply bad.",
            ),
            first="Digit and slant share a narrow network. Both losses have the weight 1.",
            control="Loss weight of the slant",
            choices={},
            change="Move the slider and train again. Try several weights: every run stays in the charts.",
            look="Look at both charts. Is there a weight with which both tasks are better than with 1?",
            charts={ERROR: "Slant: mean error in degrees on val · lower is better", ACCURACY: "Digit: accuracy on val · higher is better"},
            question="Compare your last weight with the weight 1. What happened? “Better” and “worse” mean by a tenth of the slant's error, or by "
            "2 points of the digit's accuracy.",
            answers={
                "slant": "The slant got better, the digit worse",
                "digit": "The digit got better, the slant worse",
                "both": "None got worse, and at least one better",
                "none": "None got better, and at least one worse",
                "same": "Neither got better or worse",
            },
            said=dict.fromkeys(
                ("slant", "digit", "both", "none", "same"),
                "The slant's error went from {error_before} to {error_after} degrees, the digit's accuracy from {digit_before:.1%} to "
                "{digit_after:.1%}.",
            ),
            why="Both tasks work with the same six numbers. A larger weight makes the slant's share of every step larger, and so the network follows "
            "the slant more.",
            panel="On the page of a run that trains, sliders change the weights while it learns.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(**NARROW, tasks={"digit": {}, "slant": {"loss_weight": value}})

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        error_before, error_after = both_last(first, second, ERROR)
        digit_before, digit_after = both_last(first, second, ACCURACY)
        slant = WORDS[compared(error_before, error_after, CLEAR_ERROR * error_before)]
        digit = WORDS[compared(-digit_before, -digit_after, CLEAR_ACCURACY)]
        numbers = {"error_before": error_before, "error_after": error_after, "digit_before": digit_before, "digit_after": digit_after}
        return Outcome(_key(slant, digit), numbers)


def _key(slant: str, digit: str) -> str:
    if {slant, digit} == {"better", "worse"}:
        return "slant" if slant == "better" else "digit"
    if "better" in (slant, digit):
        return "both"
    return "none" if "worse" in (slant, digit) else "same"
