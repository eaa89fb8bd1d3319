"""Every error that mtl_core raises on purpose.

Each message names the thing, what was expected, what was found and what to do. The tree::

    MTLError
    ├── ConfigError        the settings are wrong; nothing was started         (exit code 2)
    │   ├── DeviceError    this machine does not have the requested device
    │   └── NotEnoughMemoryError  a run needs more memory than is free
    ├── DataError          the data cannot be read as described                (exit code 2)
    │   └── MissingSetError  no imported data set has the name
    ├── StoreError         the run store cannot be opened or written           (exit code 2)
    │   ├── RunNotFoundError
    │   ├── RunTakenError  another process or thread has claimed the run
    │   ├── UnreachableObjectsError  the object store of the artifacts cannot be used
    │   └── NotPossibleError  the run's state does not permit the request
    └── TrainingError      a run that had started failed                       (exit code 1)
        ├── NonFiniteLossError
        └── LostRankError  one of a run's processes ended; the run is interrupted and can be resumed
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mtl_core.language import mark

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of an OSError: no space, no quota, a file larger than the disk's format or a limit permits


@dataclass(frozen=True)
class Problem:
    """One reason why a run cannot start.

    Attributes:
        field: dotted key of the config, such as ``tasks.segments.loss_weight``.
        message: one sentence: the fault and its cure.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


@dataclass(frozen=True)
class MemoryProblem(Problem):
    """Too little memory.

    Attributes:
        fault: what was needed and what was free, without the cure.
        fits: the largest batch size that fits; 0 if none does.
    """

    fault: str
    fits: int


class MTLError(Exception):
    """Root of all errors raised on purpose. ``exit_code``: the command line's exit code for it."""

    exit_code = 1

    @property
    def facts(self) -> dict[str, Any]:
        """What the failure record of a run keeps beside the message, see ``mtl_core.runs.failures.Facts``."""
        return {}


class ConfigError(MTLError):
    """The settings are wrong. ``problems`` lists every one found, not only the first."""

    exit_code = 2

    def __init__(self, problems: str | Problem | Iterable[Problem]):
        if isinstance(problems, str):
            problems = [Problem("", problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DeviceError(ConfigError):
    """The requested device is not available on this machine."""


class NotEnoughMemoryError(ConfigError):
    """A run needs more memory than is free."""

    def __init__(self, problem: MemoryProblem):
        self.fault, self.fits = problem.fault, problem.fits
        super().__init__(Problem(problem.field, problem.message))

    @property
    def facts(self) -> dict[str, Any]:
        return {"fault": self.fault, "fits": self.fits}


class DataError(MTLError):
    """A data set cannot be found or read as described."""

    exit_code = 2


class MissingSetError(DataError):
    """No imported data set has the name ``missing_set``."""

    def __init__(self, message: str, missing_set: str):
        self.missing_set = missing_set
        super().__init__(message)

    @property
    def facts(self) -> dict[str, Any]:
        return {"missing_set": self.missing_set}


class StoreError(MTLError):
    """The run store cannot be opened, read or written."""

    exit_code = 2


class RunNotFoundError(StoreError):
    """No run, or more than one, matches the given id."""


class UnreachableObjectsError(StoreError):
    """The object store of the artifacts cannot be reached, or refuses. What was to be sent stays on this machine."""


class RunTakenError(StoreError):
    """Another process or thread has claimed the run, or it was deleted. The caller must stop writing to it."""


class NotPossibleError(StoreError):
    """The run's state does not permit the request, such as deleting a run that trains."""


class TrainingError(MTLError):
    """A run failed after it had started."""


class LostRankError(TrainingError):
    """One of the processes that train a run together ended or does not answer. The run is interrupted and can be resumed."""


def not_finite(value: float) -> str:
    """What a value that is no finite number is, in words."""
    if value != value:
        return mark("not a number (NaN)")
    return mark("plus infinity") if value > 0 else mark("minus infinity")


class NonFiniteLossError(TrainingError):
    """A task's loss is NaN or infinite.

    Attributes:
        task: the first task whose loss is not finite; empty if only the combined loss, or a gradient, is.
        step: the optimizer step in which it was first seen.
        fault: what was not finite, and when, without the cure.
    """

    def __init__(self, task: str, step: int, value: float):
        self.task, self.step = task, step
        whose = f"the loss of task '{task}'" if task else "the combined loss or a gradient (no single task's loss)"
        self.fault = f"{whose} is {not_finite(value)} at step {step}"
        super().__init__(
            f"{self.fault}. Lower optimizer.lr, set gradient_clip, lower the loss_weight of this task, or set on_non_finite to skip; "
            "the checkpoints saved before this step are kept."
        )

    @property
    def facts(self) -> dict[str, Any]:
        return {"fault": self.fault, "task": self.task}


def is_error(error: BaseException, kind: type[MTLError]) -> bool:
    """Whether an error is of a class of this module.

    ``isinstance`` does not know the error of a run that goes on while a source file is saved: Streamlit imports the modules anew, and every class
    exists twice. So the classes are compared by name.
    """
    return any(parent.__name__ == kind.__name__ for parent in type(error).__mro__)
