"""Lesson: hard sharing and its dial, how many layers the tasks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.language import mark
from mtl_core.lessons.fighting_tasks import NARROW
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

TASKS = {"digit": ("accuracy", -1), "slant": ("mae", 1), "ink": ("mae", 1)}  # main metric, and 1 where lower is better
CLEAR, CLEAR_ACCURACY = 0.1, 0.02  # a tenth of an error; 2 points of accuracy
NAMES = {0: "none", 1: "one", 2: "two", 3: "all"}


class SharingDepth(Lesson):
    """Three tasks on a network of two layers. Changed: how many of its layers are shared."""

    control: ClassVar[Control] = Control((2, 1, 0), first=2, proposed=1)
    usual: ClassVar[str] = "all"
    seeds_seen: ClassVar[tuple[int, int]] = (3, 5)
    seconds: ClassVar[tuple[float, float]] = (2, 2)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="How much is shared",
            aim="You can say what hard sharing is, and that how much is shared is a dial and not a switch.",
            words=(
                "A network works in **layers**: each takes the numbers of the layer before and passes on new ones. The first layers see strokes and "
                "edges. The last ones see what the task needs.",
                "**Hard sharing** is the plainest form of multi-task learning: all layers are shared, and each task has only a small head of its "
                "own. That is cheap, because one network serves all tasks.",
                "But the tasks need not share everything. They can share the first layers and **branch off** before the last. With no layer shared, "
                "each task has a network of its own.",
            ),
            first="Three tasks share both layers of the network: 64 numbers, then only 6.",
            control="Shared layers",
            choices={"2": "Both layers", "1": "The first layer only", "0": "None: a network for each task"},
            change="Let every task have a copy of the last, narrow layer for itself. Then try a network for each task.",
            look="Compare all three tasks. The table says how many numbers the whole network has: that is the price.",
            charts={
                "val/digit/accuracy": "Digit: accuracy on val · higher is better",
                "val/slant/mae": "Slant: mean error in degrees on val · lower is better",
                "val/ink/mae": "Ink: mean error on val · lower is better",
            },
            question="How many of the three tasks became clearly better with your last setting than with both layers shared? “Clearly” "
            "means by 2 points of accuracy, or by a tenth of an error.",
            answers={"none": mark("None"), "one": mark("One"), "two": mark("Two"), "all": "All three"},
            said=dict.fromkeys(
                ("none", "one", "two", "all"),
                "{count:.0f} of 3. Digit: accuracy {digit_before:.1%} before, {digit_after:.1%} after. Slant: error {slant_before} and "
                "{slant_after} degrees. Ink: error {ink_before} and {ink_after}.",
            ),
            why="The narrow last layer is where the tasks collide. A copy of it for each task ends that. As long as the large first layer is shared, "
            "it costs few further numbers.",
            panel="The tab “Network” on the run's page draws who reads which layer.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(**NARROW, tasks={task: {} for task in TASKS}, sharing={"name": "branched", "shared_stages": value})

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        numbers, count = {}, 0
        for task, (metric, sign) in TASKS.items():
            before, after = both_last(first, second, f"val/{task}/{metric}")
            numbers |= {f"{task}_before": before, f"{task}_after": after}
            count += compared(sign * before, sign * after, CLEAR_ACCURACY if sign < 0 else CLEAR * before) == "less"
        return Outcome(NAMES[count], {**numbers, "count": count})
