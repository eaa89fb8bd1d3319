"""torchmetrics, in half of the time that its own import takes.

Before anything else, torchmetrics (1.9) imports ``scipy.signal`` to give it a function that another package for sound misses. That takes 0.6 s of
processor time in each process that trains, and nothing here uses it. So ``import torchmetrics`` stands here alone, and finds a module in its place.
Whoever imports ``scipy.signal`` afterwards gets the real one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

__all__ = ["MetricCollection", "classification", "detection", "functional", "functional_classification", "regression", "utilities"]
SOUND = "scipy.signal"


@contextmanager
def _without_sound() -> Iterator[None]:
    """``scipy.signal`` has what torchmetrics looks for. A module that is imported already stays."""
    stand_in = ModuleType(SOUND)
    vars(stand_in)["hamming"] = None
    in_place = sys.modules.setdefault(SOUND, stand_in)
    try:
        yield
    finally:
        if in_place is stand_in:
            del sys.modules[SOUND]


with _without_sound():
    from torchmetrics import MetricCollection, classification, detection, functional, regression, utilities
    from torchmetrics.functional import classification as functional_classification
