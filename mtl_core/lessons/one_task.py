"""Lesson: one network for one task, and what a pass over the pictures does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.language import mark
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

ACCURACY = "val/digit/accuracy"
CLEAR = 0.02  # of accuracy: about 5 of the 270 pictures


class OneTask(Lesson):
    """An MLP reads the digits. Changed: the number of passes over the training pictures."""

    control: ClassVar[Control] = Control((2, 5, 20, 60), first=2, proposed=20)
    usual: ClassVar[str] = "more"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (1, 2)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="One network for one task",
            aim="You can say what a task is, what training does, and why a network is tested on pictures that it has not trained on.",
            words=(
                "A **task** is something to be read from a picture. Here it is: which digit, from 0 to 9, did somebody write? A **network** is a "
                "long calculation with thousands of numbers in it. It takes the picture and gives its guess.",
                "At first these numbers are random, and so are the guesses. **Training** shows the network pictures together with the right answers. "
                "After each small group of pictures the numbers are moved a little, so that the guesses get better: that is one **step**. One pass "
                "over all training pictures is called an **epoch**.",
                "A network could learn its training pictures by heart. So 270 further pictures are kept apart, and it never trains on them. They are "
                "called **val**, short for validation. The share of them that it reads rightly is its **accuracy**: 100% is all, 10% is guessing.",
            ),
            first="A small network sees 1,257 handwritten digits twice: 2 passes.",
            control="Passes over the pictures",
            choices={"2": mark("2 passes"), "5": mark("5 passes"), "20": mark("20 passes"), "60": mark("60 passes")},
            change="Let a new network, with the same random numbers at its start, see the same pictures more often.",
            look="Follow the curve of the accuracy. Where does it rise fast, and where does it hardly rise any more? After the same pass two "
            "curves may differ. The **learning rate** says how far a step moves the numbers. It falls until the last pass, so with more passes it "
            "falls more slowly.",
            charts={ACCURACY: "Accuracy on val · higher is better"},
            question="What did the other number of passes do to the accuracy on pictures that the network never trained on? "
            "“Clearly” means by 2 points or more, as from 80% to 82%.",
            answers={"more": "It rose clearly", "same": "It stayed about the same", "less": "It fell clearly"},
            said={
                "more": "It rose from {before:.1%} to {after:.1%}.",
                "same": "It went from {before:.1%} to {after:.1%}. A difference below 2 points counts as none here.",
                "less": "It fell from {before:.1%} to {after:.1%}.",
            },
            why="Each pass moves the numbers a little further in the direction that lowers the mistakes. The first passes change most. Later ones "
            "find little that is left to mend.",
            panel="The run's page shows which digits it reads and which it confuses, after each pass.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(data={"name": "digits"}, tasks={"digit": {}}, backbone={"name": "mlp", "hidden": [64, 32]}, epochs=value, batch_size=32)

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        before, after = both_last(first, second, ACCURACY)
        return Outcome(compared(before, after, CLEAR), {"before": before, "after": after})
