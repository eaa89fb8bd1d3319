"""Standard output and standard error where nobody reads: closed by whoever started the program, a reader or a terminal that is gone, a full disk."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from mtl_core.errors import MTLError


class UnprintedError(MTLError):
    """The answer of a command cannot be written to standard output. What the command did stays done."""


class LossyStream:
    """A stream whose loss is no error: what cannot be written to it is dropped, now and from then on."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            discard(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_closed_streams() -> None:
    """Give a stream that whoever started the program has closed the empty device.

    Python has None in the place of such a stream, and the next file that is opened would get its number: what a library writes to standard error
    would get into that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number and not _is_open(number):
                os.dup2(opened, number)
                os.close(opened)
                opened = number
            setattr(sys, name, open(opened, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 (for the rest of the process)


def discard(stream: TextIO) -> None:
    """From now on, what is written to the stream is lost, also what it still holds."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
