"""Lesson: tasks that need no labels, trained beside one that has few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.language import mark
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

ACCURACY = "val/digit/accuracy"
CLEAR = 0.02  # of accuracy: about 5 of the 270 pictures
HELPERS: dict[str, dict[str, Any]] = {"alone": {}, **{name: {name: {}} for name in ("rotation", "jigsaw", "contrastive")}}


class SelfSupervision(Lesson):
    """A small CNN reads digits of which 2 % are labelled. Changed: a self-supervised task beside it."""

    control: ClassVar[Control] = Control(tuple(HELPERS), first="alone", proposed="rotation")
    usual: ClassVar[str] = "more"
    seeds_seen: ClassVar[tuple[int, int]] = (3, 5)
    seconds: ClassVar[tuple[float, float]] = (2, 3)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Tasks without labels",
            aim="You can say what an auxiliary task is, and how a network can learn from pictures that nobody has labelled.",
            words=(
                "Some tasks make their own answers. Turn a picture and let the network say how far: whoever turned it knows. Cut it into pieces, mix "
                "them, and let the network say in which order they were. Such tasks are called **self-supervised**. They need no labels.",
                "Nobody wants to know how far the picture was turned. The task is only there to teach the shared network something about pictures. A "
                "task that is trained to help another one is an **auxiliary task**.",
                "Here 26 pictures have a label, and 1,231 have none. The auxiliary task learns from all of them. Whether that helps depends on "
                "whether it needs the same knowledge as the digit.",
            ),
            first="A small network learns the digit from 26 labelled pictures.",
            control="Auxiliary task",
            choices={
                "alone": mark("None"),
                "rotation": "By how many quarters was it turned?",
                "jigsaw": "In which order were its pieces?",
                "contrastive": "Which two views are of one picture?",
            },
            change="Add a task that needs no labels. The 26 labels of the digit stay the same. Try several, one after the other.",
            look="Compare the digit's accuracy with and without the auxiliary task.",
            charts={ACCURACY: "Digit: accuracy on val · higher is better"},
            question="What did the auxiliary task do to the accuracy of the digit? “Clearly” means by 2 points or more, as from 80% to 82%.",
            answers={"more": "It rose clearly", "same": "It stayed about the same", "less": "It fell clearly"},
            said={
                "more": "It rose from {before:.1%} to {after:.1%}.",
                "same": "It went from {before:.1%} to {after:.1%}. A difference below 2 points counts as none here.",
                "less": "It fell from {before:.1%} to {after:.1%}.",
            },
            why="The auxiliary task cannot be done without knowing what digits look like. To say how a digit was turned, for example, the network "
            "has to know how it stands upright. That is also good for reading digits.",
            panel="“Predictions” on the run's page shows the pictures as the auxiliary task saw them.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(
            data={"name": "digits", "image_size": 16},
            tasks={"digit": {"label_fraction": 0.02}, **HELPERS[value]},
            backbone={"name": "small_cnn", "width": 8, "stages": 2},
            epochs=15,
            batch_size=64,
            optimizer={"lr": 0.003},
        )

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        before, after = both_last(first, second, ACCURACY)
        return Outcome(compared(before, after, CLEAR), {"before": before, "after": after})
