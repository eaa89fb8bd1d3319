"""The failure record of a run: kind, message, cure and trace of the exception that ended it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from mtl_core.errors import DISK_FULL

_LONGEST_TRACE = 12_000  # characters

_CURES = {
    "config": "Clone the run, change the setting named above, and train again.",
    "data": "Check that the files of the data set are complete and where the run looks for them, then resume the run.",
    "out_of_memory": "Clone the run with smaller batches (batch_size), with batches in more parts (accumulate) or with a smaller backbone. Or end "
    "other programs that use the memory, then resume it.",
    "non_finite": "Fork the run from its last good epoch (clone it if no epoch is kept) with a lower learning rate (optimizer.lr), with a bound on "
    "the gradient (gradient_clip), or with a lower loss weight of the task named above. A run can also skip single steps like this one "
    "(on_non_finite: skip).",
    "disk_full": "Free some space on the disk that holds MTL_HOME, then resume the run. What was saved before is kept.",
    "store": "Check the folder that MTL_HOME names, then resume the run.",
    "file": "Check that the file named above exists and that this program may use it, then resume the run.",
    "training": "The message names what cannot go on. Fork the run from a kept epoch, or clone it with the same settings to begin anew.",
    "bug": "This is a fault of the program, not of your settings. Its log has the full trace; please report it with the config. "
    "Resume tries again from the last checkpoint.",
}

_KINDS_BY_CLASS = (  # first match wins; matched by name, because after a reload the trainer's classes are other objects
    ("NotEnoughMemoryError", "out_of_memory"),
    ("ConfigError", "config"),
    ("DataError", "data"),
    ("NonFiniteLossError", "non_finite"),
    ("OutOfMemoryError", "out_of_memory"),  # torch's
    ("MemoryError", "out_of_memory"),
    ("StoreError", "store"),
    ("TrainingError", "training"),
    ("OSError", "file"),
)


def failure_of(error: BaseException) -> dict[str, str]:
    """``{"kind", "message", "cure", "trace"}`` of an exception that ended a run.

    ``kind`` is config, data, out_of_memory, non_finite, disk_full, store, file, training or bug.
    """
    kind = _kind(error)
    message = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        message = f"'{error.filename}': {error.strerror}"
    if kind == "bug":
        message = f"{type(error).__name__}: {message}"
    trace = "".join(traceback.format_exception(error))
    return {"kind": kind, "message": message, "cure": _CURES[kind], "trace": trace[-_LONGEST_TRACE:]}


def _kind(error: BaseException) -> str:
    if is_disk_full(error):
        return "disk_full"
    text = str(error).lower()
    if isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text):
        return "out_of_memory"
    names = {parent.__name__ for parent in type(error).__mro__}
    return next((kind for name, kind in _KINDS_BY_CLASS if name in names), "bug")


def is_disk_full(error: BaseException) -> bool:
    """Whether this error, or one that it came of, says that a disk has no room."""
    return any(_says_full(link) for link in _chain(error))


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    text = str(error).lower()
    return "database or disk is full" in text or "no space left on device" in text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
