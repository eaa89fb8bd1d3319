"""Lesson: tasks that fight over a shared network that is too narrow for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mtl_core.config import RunConfig
from mtl_core.lessons.lesson import Control, Lesson, LessonText, Outcome, Recording, both_last, compared, lesson_config

ERROR = "val/slant/mae"
CLEAR = 0.1  # of the error: a tenth
ALONE = {"together": ("digit", "slant", "ink"), "alone": ("slant",)}
NARROW = {
    "data": {"name": "digits"},
    "backbone": {"name": "mlp", "hidden": [64, 6]},
    "epochs": 60,
    "batch_size": 256,  # batches this large leave little noise in the gradients, which would hide the conflict
    "optimizer": {"lr": 0.005},
    "conflict_every": 10,
}


class FightingTasks(Lesson):
    """Three tasks on six numbers, as in the preset digits-fight on four. Changed: whether the slant has it for itself."""

    control: ClassVar[Control] = Control(tuple(ALONE), first="together", proposed="alone")
    usual: ClassVar[str] = "less"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (3, 2)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Tasks that fight",
            aim="You can say what it means that tasks conflict, and who pays for it.",
            words=(
                "This shared network is narrow on purpose: whatever it reads from a picture, it has to pass on as **six numbers**. Three tasks have "
                "to work with these six numbers: which digit it is, how slanted it is, and how much ink it has.",
                "What one task needs, another may not need. Every step moves the shared network for all tasks at once. The direction in which one "
                "task wants it moved is called its **gradient**. Where two gradients point against each other, the tasks **conflict**: a step that "
                "helps one makes the other worse. This is measured by the **cosine** of the angle between them: 1 is the same direction, 0 a right "
                "angle, and below 0 is a conflict.",
                "Whether sharing costs a task something can be measured: train the same network for this task alone, with the same pictures and the "
                "same number of steps, and compare.",
            ),
            first="All three tasks share the narrow network.",
            control="Who uses the network",
            choices={"together": "All three tasks", "alone": "The slant alone"},
            change="Give the whole network to the slant. Nothing else changes.",
            look="Compare the two curves of the slant's error. It is the mean distance from the true slant, in degrees.",
            charts={
                ERROR: "Slant: mean error in degrees on val · lower is better",
                "val/digit/accuracy": "Digit: accuracy on val · higher is better",
            },
            question="How large is the slant's error when it has the network for itself? “Clearly” means by a tenth of the error or more.",
            answers={"less": "Clearly smaller than together", "same": "About the same", "more": "Clearly larger than together"},
            said={
                "less": "It is {after} degrees alone and {before} degrees together: {times:.1f} times as large together.",
                "same": "It is {after} degrees alone and {before} degrees together. A difference below a tenth counts as none here.",
                "more": "It is {after} degrees alone and {before} degrees together, so here sharing did not cost the slant anything.",
            },
            why="Together, the same six numbers have to serve three tasks, and every step moves the network for all three. Alone, all of it serves "
            "the slant. That sharing hurts a task is called **negative transfer**.",
            panel="On the page of the first run, “Gradient conflict” shows in how many measurements the tasks pulled against each other. “Who owns "
            "the shared network” shows which share of the training each task had.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(**NARROW, tasks={task: {} for task in ALONE[value]})

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        before, after = both_last(first, second, ERROR)
        key = compared(before, after, CLEAR * before)
        return Outcome(key, {"before": before, "after": after, "times": before / after if after else float("inf")})
