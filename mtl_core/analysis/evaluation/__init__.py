"""Evaluation of a network's predictions on one split. A task kind names its evaluation (``TaskKind.evaluation``).

The table holds evaluations of installed packages, registered through entry points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtl_core.registry import Registry

if TYPE_CHECKING:
    from mtl_core.analysis.evaluation.findings import KindEvaluation
    from mtl_core.tasks.kind import TaskKind

EVALUATIONS = Registry("evaluation of a task kind", "mtl_core.evaluations", {})


def evaluation_of(kind: TaskKind) -> KindEvaluation | None:
    """A new, empty evaluation of a task: that of an installed package for its kind, otherwise the kind's own; None if there is none."""
    name = kind.task.kind
    return EVALUATIONS.load(name)(kind.task) if name in EVALUATIONS else kind.evaluation(kind.task)
