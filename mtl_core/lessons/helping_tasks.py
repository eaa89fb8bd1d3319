"""Lesson: a task that helps another one, of which few labels are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

ACCURACY = "val/digit/accuracy"
CLEAR = 0.02  # of accuracy: about 5 of the 270 pictures
FEW = {"label_fraction": 0.02}
TOGETHER = {"alone": {}, "helped": {"reconstruction": {"channels": 8}}}


class HelpingTasks(Lesson):
    """A small CNN reads digits of which 2 % are labelled. Changed: whether it also fills in hidden parts of every picture."""

    control: ClassVar[Control] = Control(tuple(TOGETHER), first="alone", proposed="helped")
    usual: ClassVar[str] = "more"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (2, 5)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="A task that helps another",
            aim="You can say how one task can profit from another that is trained in the same network.",
            words=(
                "To train a network, somebody has to write down the right answer for each picture: its **label**. That costs time, so labels are "
                "often few. Here only 2 of 100 training pictures say which digit they show.",
                "A second task can be had for nothing: hide small squares of a picture and let the network **fill them in**. The right answer is the "
                "picture itself, so this works with every picture.",
                "In **multi-task learning** one network learns several tasks. Its first part, the **shared network**, is used by all of them. At its "
                "end each task has a small part of its own, its **head**. What the shared network learns for one task can serve another.",
            ),
            first="A small network learns the digit alone, from 26 labelled pictures.",
            control="What the network learns",
            choices={"alone": "The digit alone", "helped": "The digit, and hidden parts to fill in"},
            change="Add the second task, which uses all 1,257 pictures. The 26 labels of the digit stay the same.",
            look="Compare the two curves of the digit's accuracy.",
            charts={ACCURACY: "Digit: accuracy on val · higher is better"},
            question="What happened to the accuracy of the digit when the same network also filled in hidden parts? "
            "“Clearly” means by 2 points or more, as from 80% to 82%.",
            answers={"more": "It rose clearly", "same": "It stayed about the same", "less": "It fell clearly"},
            said={
                "more": "It rose from {before:.1%} to {after:.1%}.",
                "same": "It went from {before:.1%} to {after:.1%}. A difference below 2 points counts as none here.",
                "less": "It fell from {before:.1%} to {after:.1%}.",
            },
            why="26 pictures are too few to learn what handwriting looks like. Filling in shows the shared network all pictures, and what it "
            "learns about strokes helps the digit too.",
            panel="“Predictions” on the run's page shows the hidden parts and what the network put there.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(
            data={"name": "digits", "image_size": 16},
            tasks={"digit": FEW, **TOGETHER[value]},
            backbone={"name": "small_cnn", "width": 8, "stages": 2},
            epochs=15,
            batch_size=64,
            optimizer={"lr": 0.003},
        )

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        before, after = both_last(first, second, ACCURACY)
        return Outcome(compared(before, after, CLEAR), {"before": before, "after": after})
