"""Lesson: gradients that point against each other, and what PCGrad does about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from mtl_core.config import RunConfig
from mtl_core.lessons.fighting_tasks import NARROW
from mtl_core.lessons.lesson import Control, Lesson, LessonText, NothingToCompareError, Outcome, Recording, both_last, compared, lesson_config

PAIR = "digit/slant"
COSINE, ERROR, ACCURACY = f"conflict/{PAIR}", "val/slant/mae", "val/digit/accuracy"
CLEAR = 0.1  # of the error: a tenth


class ConflictingGradients(Lesson):
    """Three tasks in one narrow network. Changed: whether PCGrad combines their gradients."""

    control: ClassVar[Control] = Control(("fixed", "pcgrad"), first="fixed", proposed="pcgrad")
    usual: ClassVar[str] = "less"
    means: ClassVar[frozenset[str]] = frozenset({COSINE})
    seeds_seen: ClassVar[tuple[int, int]] = (3, 5)
    seconds: ClassVar[tuple[float, float]] = (2, 3)
    texts: ClassVar[Mapping[str, LessonText]] = {
        "en": LessonText(
            title="Gradients that conflict",
            aim="You can say what a conflict of gradients is, and what PCGrad does about it.",
            words=(
                "For every step, each task says in which direction the shared network should be moved to lower its loss: its **gradient**. Two "
                "gradients are like two arrows. The **cosine** of the angle between them is 1 if they point the same way, 0 at a right angle, and -1 "
                "if they point against each other.",
                "Below 0 the tasks **conflict**. Added up, the longer arrow wins, and the step makes the other task worse.",
                "**PCGrad** (Yu et al. 2020) takes a part away before adding: from each gradient that conflicts it removes what points against the "
                "other. The conflict itself stays. Only the step that is taken changes. The tab “Gradients by hand” of this page shows it with "
                "arrows.",
            ),
            first="Three tasks share a narrow network. Their gradients are added as they are.",
            control="How the gradients are combined",
            choices={"fixed": "Added as they are", "pcgrad": "PCGrad"},
            change="Let PCGrad combine the gradients. Everything else stays the same.",
            look="Look at the cosine between digit and slant first. Is it mostly below 0? Then compare the errors.",
            charts={
                COSINE: "Cosine between the gradients of digit and slant · below 0 is conflict",
                ERROR: "Slant: mean error in degrees on val · lower is better",
                ACCURACY: "Digit: accuracy on val · higher is better",
            },
            question="What did PCGrad do to the error of the slant? “Clearly” means by a tenth of the error or more.",
            answers={"less": "It became clearly smaller", "same": "It stayed about the same", "more": "It became clearly larger"},
            said=dict.fromkeys(
                ("less", "same", "more"),
                "It went from {before} to {after} degrees; less than a tenth counts as no change. In the first run the gradients of digit "
                "and slant pointed against each other in {share:.1%} of the measurements. The digit's accuracy went from {digit_before:.1%} to "
                "{digit_after:.1%}.",
            ),
            why="Where the gradients of digit and slant point against each other, the longer one wins in the sum. PCGrad leaves the shorter one "
            "a part of the step. It does not make the network wider: often another task pays.",
            panel="“Gradient conflict” on the run's page shows the cosines of all pairs, in each part of the network.",
        )
    }

    def config(self, value: Any) -> RunConfig:
        return lesson_config(**NARROW, tasks={"digit": {}, "slant": {}, "ink": {}}, balancing={"name": value})

    def outcome(self, first: Recording, second: Recording) -> Outcome:
        before, after = both_last(first, second, ERROR)
        digit_before, digit_after = both_last(first, second, ACCURACY)
        cosines = first.values(COSINE)
        if not len(cosines):
            raise NothingToCompareError(f"'{COSINE}' was not recorded in the first run")
        numbers = {"before": before, "after": after, "digit_before": digit_before, "digit_after": digit_after}
        below = first.mean(f"conflict_share/{PAIR}")  # of all measurements; a recorded cosine may be the mean of several
        share = below if np.isfinite(below) else float(np.mean(cosines < 0))
        return Outcome(compared(before, after, CLEAR * before), {**numbers, "share": share})
