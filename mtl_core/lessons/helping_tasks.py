"""Lesson: two tasks that help a third one of which few labels are known."""

from __future__ import annotations

from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

ACCURACY = "val/digit/accuracy"
CLEAR = 0.02  # of accuracy: about 5 of the 270 pictures
FEW = {"label_fraction": 0.02}
TOGETHER = {"alone": {}, "helped": {"slant": {}, "ink": {}}}


class HelpingTasks(Lesson):
    """A small CNN reads digits of which 2 % are labelled. Changed: whether it also reads slant and ink, which are known for all pictures."""

    control: ClassVar[Control] = Control(tuple(TOGETHER), first="alone", proposed="helped")
    usual: ClassVar[str] = "more"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (5, 8)
    texts = {
        "en": LessonText(
            title="Tasks that help each other",
            aim="You can say how one task can profit from others that are trained in the same network.",
            words=(
                "To train a network, somebody has to write down the right answer for each picture: its **label**. That costs time, so labels are "
                "often few. Here only 2 of 100 training pictures say which digit they show.",
                "Other things are cheap to know. How much ink is on the paper and how slanted the writing is can be computed for every picture. "
                "These are two more tasks: **ink** and **slant**.",
                "In **multi-task learning** one network learns several tasks. Its first part, the **shared network** or trunk, is used by all tasks. At "
                "its end each task has a small part of its own, its **head**. What the shared network learns for one task can serve another.",
            ),
            first="A small network learns the digit alone, from 26 labelled pictures.",
            control="What the network learns",
            choices={"alone": "The digit alone", "helped": "The digit, with slant and ink"},
            change="Add slant and ink, which are known for all 1,257 pictures. The 26 labels of the digit stay the same.",
            look="Compare the two curves of the digit's accuracy.",
            charts={ACCURACY: "Digit: accuracy on val · higher is better", "val/slant/mae": "Slant: mean error in degrees on val · lower is better"},
            question="What happened to the accuracy of the digit when slant and ink were learnt in the same network?",
            answers={"more": "It rose clearly", "same": "It stayed about the same", "less": "It fell clearly"},
            said={
                "more": "It rose from {before:.1%} to {after:.1%}.",
                "same": "It went from {before:.1%} to {after:.1%}. A difference below 2 points counts as none here.",
                "less": "It fell from {before:.1%} to {after:.1%}.",
            },
            why="With 26 labelled pictures the shared network sees too little to learn what strokes look like. Slant and ink show it all pictures, and "
            "what it learns about strokes for them helps the digit too.",
            panel="Under “Gradient conflict” the run's page shows whether the tasks pull the shared network in the same direction.",
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
