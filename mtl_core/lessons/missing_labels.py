"""Lesson: labels that are missing, and what a task loses with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.language import mark
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

ACCURACY, ERROR = "val/digit/accuracy", "val/slant/mae"
CLEAR_ACCURACY, CLEAR_ERROR = 0.02, 0.15  # 2 points of accuracy; 15 % of the error


class MissingLabels(Lesson):
    """Digit and slant in one network that is wide enough for both. Changed: for how many pictures the digit is known."""

    control: ClassVar[Control] = Control((1.0, 0.3, 0.1, 0.03), first=1.0, proposed=0.03)
    usual: ClassVar[str] = "digit"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (3, 3)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Missing labels",
            aim="You can say what training does with a picture that is labelled for one task and not for another.",
            words=(
                "Real collections of pictures are seldom complete. One picture has its boxes drawn, another has only a name. A picture without a "
                "label for a task is nothing unusual in multi-task learning.",
                "Training leaves out what is missing and never guesses it. A picture without the label of the digit still trains the slant, and so "
                "it still trains the shared network.",
                "What is measured on val stays the same: there, all labels are kept. So the numbers can be compared.",
            ),
            first="Digit and slant share a network. Both are known for all 1,257 training pictures.",
            control="Pictures with the label of the digit",
            choices={"1.0": mark("all of them"), "0.3": mark("30 of 100"), "0.1": mark("10 of 100"), "0.03": mark("3 of 100")},
            change="Take away labels of the digit. The slant keeps all of its labels.",
            look="Compare both tasks. Does the slant suffer when labels of the digit are missing?",
            charts={ACCURACY: "Digit: accuracy on val · higher is better", ERROR: "Slant: mean error in degrees on val · lower is better"},
            question="Which task became clearly worse when labels of the digit were missing? “Clearly” means by 2 points of accuracy, "
            "or by 15% of the error.",
            answers={"digit": "The digit alone", "slant": "The slant alone", "both": mark("Both"), "none": mark("Neither")},
            said=dict.fromkeys(
                ("digit", "slant", "both", "none"),
                "The digit's accuracy went from {digit_before:.1%} to {digit_after:.1%}, the slant's error from {slant_before} to "
                "{slant_after} degrees.",
            ),
            why="The slant still learns from every picture. The digit has fewer examples, and its accuracy falls much less than the number of "
            "its labels does.",
            panel="The Data page shows for each data set how many pictures are labelled for which task.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(
            data={"name": "digits"},
            tasks={"digit": {"label_fraction": value}, "slant": {}},
            backbone={"name": "mlp", "hidden": [64, 32]},
            epochs=40,
            batch_size=64,
            optimizer={"lr": 0.003},
        )

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        digit_before, digit_after = both_last(first, second, ACCURACY)
        slant_before, slant_after = both_last(first, second, ERROR)
        worse = [
            *(["digit"] if compared(digit_before, digit_after, CLEAR_ACCURACY) == "less" else []),
            *(["slant"] if compared(slant_before, slant_after, CLEAR_ERROR * slant_before) == "more" else []),
        ]
        numbers = {"digit_before": digit_before, "digit_after": digit_after, "slant_before": slant_before, "slant_after": slant_after}
        return Outcome("both" if len(worse) == 2 else (worse or ["none"])[0], numbers)
