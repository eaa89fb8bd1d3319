"""Lesson: does it help? One pair of runs says little; several seeds give an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mtl_core.analysis.student_interval import t_interval
from mtl_core.config import RunConfig
from mtl_core.language import mark
from mtl_core.lessons.lesson import Control, Lesson, LessonText, NothingToCompareError, Outcome, Recording, lesson_config

ACCURACY = "val/digit/accuracy"
FEW = {"label_fraction": 0.02}
ALONE, TOGETHER = {"digit": FEW}, {"digit": FEW, "slant": {}, "ink": {}}


class SeveralSeeds(Lesson):
    """A digit of few labels, alone and beside two tasks. Changed: with how many seeds it is tried."""

    control: ClassVar[Control] = Control((1, 3, 5), first=1, proposed=5)
    usual: ClassVar[str] = "open"
    seeds_seen: ClassVar[tuple[int, int]] = (5, 5)
    seconds: ClassVar[tuple[float, float]] = (3, 10)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Does it help? Ask more than once",
            aim="You can say why one comparison proves little, and read an interval.",
            words=(
                "A network begins with random numbers and sees its pictures in a random order. The **seed** is the number from which all of this "
                "randomness is made. Another seed gives other results, with the same settings.",
                "So one run better than another may be luck. The way out: train **pairs** with several seeds, one run with the change and one "
                "without, and look at the difference in each pair.",
                "From the differences an **interval** is computed. With 95 % confidence the true mean difference lies in it. If the whole "
                "interval is above 0, the change helps. If 0 is inside, it **cannot be told** from these runs. That is an answer, too.",
            ),
            first="One pair: the digit alone with few labels, and the same with slant and ink beside it.",
            control=mark("Seeds"),
            choices={"1": mark("1 pair"), "3": mark("3 pairs"), "5": mark("5 pairs")},
            change="Train further pairs with other seeds, and see whether the first pair told the truth.",
            look="Look at how far the curves of the same kind lie apart. Solid: alone. Dashed: together.",
            charts={ACCURACY: "Digit: accuracy on val · higher is better"},
            question="Over all pairs: do slant and ink help the digit?",
            answers={"helps": "They help", "hurts": "They hurt", "open": "It cannot be told from these runs"},
            said={
                "helps": "Over {pairs:.0f} pairs the mean difference is {mean:+.1f} points of accuracy, with a 95% interval from {low:+.1f} to "
                "{high:+.1f}. The whole interval is above 0. The first pair alone said {first:+.1f}.",
                "hurts": "Over {pairs:.0f} pairs the mean difference is {mean:+.1f} points of accuracy, with a 95% interval from {low:+.1f} to "
                "{high:+.1f}. The whole interval is below 0. The first pair alone said {first:+.1f}.",
                "open": "Over {pairs:.0f} pairs the mean difference is {mean:+.1f} points of accuracy, with a 95% interval from {low:+.1f} to "
                "{high:+.1f}. 0 lies inside the interval. The first pair alone said {first:+.1f}.",
            },
            why="The more pairs, the narrower the interval. The Studies page does this for any question, with every task, method or setting.",
            panel="A study trains such pairs, keeps them, and says its answer with intervals.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return self._of(TOGETHER, 0)

    def configs(self, value: Any) -> tuple[RunConfig, ...]:
        seeds = range(value) if value == self.control.first else range(1, value)  # the first pair is there already
        return tuple(self._of(tasks, seed) for seed in seeds for tasks in (ALONE, TOGETHER))

    def _of(self, tasks: dict[str, Any], seed: int) -> RunConfig:
        return lesson_config(
            data={"name": "digits"},
            tasks=tasks,
            backbone={"name": "mlp", "hidden": [64, 32]},
            epochs=20,
            batch_size=64,
            optimizer={"lr": 0.003},
            seed=seed,
        )

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        return self.outcome_of([first, second], [])

    def outcome_of(self, first: Sequence[Recording], second: Sequence[Recording]) -> Outcome:
        values = np.array([each.last(ACCURACY) for each in (*first, *second)])
        if not np.isfinite(values).all() or len(values) < 4:
            raise NothingToCompareError("fewer than two pairs have an accuracy")
        differences = 100 * (values[1::2] - values[::2])
        low, high = t_interval(differences)
        key = "helps" if low > 0 else ("hurts" if high < 0 else "open")
        numbers = {"pairs": len(differences), "mean": differences.mean(), "low": low, "high": high, "first": differences[0]}
        return Outcome(key, {name: float(value) for name, value in numbers.items()})
