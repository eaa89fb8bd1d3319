"""Lesson: overfitting, and the gap between training pictures and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.language import mark
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

TRAIN, VAL = "train/digit/accuracy", "val/digit/accuracy"
CLEAR = 0.02  # of accuracy


class Overfitting(Lesson):
    """A network that is large for its data. Changed: how many pictures it trains on."""

    control: ClassVar[Control] = Control((0.05, 0.1, 0.3, 1.0), first=0.05, proposed=1.0)
    usual: ClassVar[str] = "less"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (5, 5)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Overfitting and the gap",
            aim="You can say what overfitting is, and read it off two curves.",
            words=(
                "A large network can learn its training pictures by heart, each with its answer. On them it is then always right. That says little "
                "about other pictures.",
                "So two numbers are measured: the accuracy on the **training** pictures and the accuracy on **val**, pictures that it never "
                "trains on. The difference is the **generalisation gap**. A large gap is called **overfitting**.",
                "Several things make the gap smaller: more pictures, a smaller network, small random changes of the pictures, or further tasks that "
                "keep the shared network from learning one task by heart.",
            ),
            first="A network with about 52,000 numbers in it learns from 63 pictures.",
            control="Training pictures",
            choices={"0.05": mark("63 pictures"), "0.1": mark("126 pictures"), "0.3": mark("377 pictures"), "1.0": mark("1,257 pictures")},
            change="Give the same network more pictures.",
            look="Compare the accuracy on training pictures with that on val, for each run.",
            charts={TRAIN: "Accuracy on the training pictures", VAL: "Accuracy on val · higher is better"},
            question="What happened to the gap between training pictures and val? “Clearly” means by 2 points or more.",
            answers={"less": "It became clearly smaller", "same": "It stayed about the same", "more": "It became clearly larger"},
            said=dict.fromkeys(
                ("less", "same", "more"),
                "The gap went from {before:.1%} ({train_before:.1%} on training pictures, {val_before:.1%} on val) to {after:.1%} "
                "({train_after:.1%} and {val_after:.1%}). A change below 2 points counts as none here.",
            ),
            why="With more pictures, learning by heart is harder than finding what the pictures have in common, and that also works on val.",
            panel="On the run's page every chart has both curves: training pictures solid, val dashed.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(
            data={"name": "digits"},
            tasks={"digit": {"label_fraction": value}},
            backbone={"name": "mlp", "hidden": [256, 128]},
            epochs=60,
            batch_size=32,
        )

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        train_before, train_after = both_last(first, second, TRAIN)
        val_before, val_after = both_last(first, second, VAL)
        before, after = train_before - val_before, train_after - val_after
        numbers = {"train_before": train_before, "train_after": train_after, "val_before": val_before, "val_after": val_after}
        return Outcome(compared(before, after, CLEAR), {**numbers, "before": before, "after": after})
