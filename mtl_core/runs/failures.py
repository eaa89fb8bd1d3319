"""The failure record of a run: kind, message, facts, cure and trace of the exception that ended it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

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

# In messages that records without facts have. The words are joined by \s, so that the catalogue of translations takes them for no texts.
_TASK = re.compile(r"task '([^']+)'")
_FITS = re.compile(r"lower\sbatch_size\sto\sabout\s(\d+)")
_SHORTAGE = re.compile(r"(?:batch_size: |backbone: )?(.*?): (?:lower|no) batch_size.*", re.DOTALL)
_MISSING_SET = re.compile(r"unknown\simported\sdata\sset\s'([^']+)'.*", re.DOTALL)

_ALLOCATOR = re.compile(r"\.\s(?:Including|Process|If\sreserved)\s.*", re.DOTALL)  # what PyTorch adds to what was needed and what was free


@dataclass(frozen=True)
class Facts:
    """What the pages read of a failure, beside its message.

    Attributes:
        fault: what happened, without what to do; empty if only the message says it.
        task: the task whose loss was not finite; empty for none.
        fits: the largest batch size that fits into the memory; 0 if none does, None if it is not known.
        missing_set: the imported data set that is not there; empty for none.
    """

    fault: str = ""
    task: str = ""
    fits: int | None = None
    missing_set: str = ""


def failure_of(error: BaseException) -> dict[str, Any]:
    """``{"kind", "message", "facts", "cure", "trace"}`` of an exception that ended a run.

    ``kind`` is config, data, out_of_memory, non_finite, disk_full, store, file, training or bug. ``facts``: see ``Facts``.
    """
    kind = _kind(error)
    message = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        message = f"'{error.filename}': {error.strerror}"
    if kind == "bug":
        message = f"{type(error).__name__}: {message}"
    trace = "".join(traceback.format_exception(error))
    known: dict[str, Any] = getattr(error, "facts", None) or ({"fault": _without_allocator(message)} if kind == "out_of_memory" else {})
    return {"kind": kind, "message": message, "facts": asdict(Facts(**known)), "cure": _CURES[kind], "trace": trace[-_LONGEST_TRACE:]}


def facts_of(failure: dict[str, Any]) -> Facts:
    """The facts of a failure record. A run of an earlier version has none beside its message, which is searched for them."""
    if failure.get("facts") is not None:
        return Facts(**failure["facts"])
    kind, message = failure.get("kind"), failure.get("message", "")
    if kind == "non_finite":
        task = _TASK.search(message)
        return Facts(fault=message.partition(". ")[0].rstrip("."), task=task[1] if task else "")
    if kind == "out_of_memory":
        fits, shortage = _FITS.search(message), _SHORTAGE.fullmatch(message)
        none = 0 if "no batch_size is low enough" in message else None
        return Facts(fault=shortage[1] if shortage else _without_allocator(message), fits=int(fits[1]) if fits else none)
    missing = _MISSING_SET.fullmatch(message) if kind == "data" else None
    return Facts(missing_set=missing[1] if missing else "")


def _without_allocator(message: str) -> str:
    return _ALLOCATOR.sub("", message).rstrip(".")


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
