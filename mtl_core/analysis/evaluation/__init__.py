"""What a network's predictions on one split are worth; a task kind names its evaluation (``TaskKind.evaluation``).

The table holds what installed packages give for kinds of theirs, through entry points.
"""

from mtl_core.registry import Registry

EVALUATIONS = Registry("evaluation of a task kind", "mtl_core.evaluations", {})
