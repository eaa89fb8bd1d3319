"""ReadingProgress: says which file is being read while a folder or zip is looked at or checked, and ends the work once it is cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from mtl_core.errors import MTLError

INTERVAL = 0.2  # seconds between two sentences about files
_LARGE = 16 << 20  # bytes of a file of which it is said how much is read


class Cancelled(MTLError):  # noqa: N818 - nothing went wrong
    """The caller cancelled the work; nothing of it was kept."""


class ReadingProgress:
    """Progress of work that reads files. Every read of a ``Tree`` passes through it, so no step is silent and each can be cancelled.

    Args:
        tell: called with the share that is done, 0..1, and a sentence; may raise to end the work.
        cancelled: True ends the work with ``Cancelled``.
    """

    def __init__(self, tell: Callable[[float, str], None] | None = None, cancelled: Callable[[], bool] | None = None):
        self._tell, self._cancelled = tell or (lambda share, what: None), cancelled or (lambda: False)
        self._share, self._what, self._told_at = 0.0, "", 0.0

    def begin(self, share: float, what: str) -> None:
        """Say what is done from now on.

        Raises:
            Cancelled: the work was cancelled.
        """
        self._share, self._what, self._told_at = share, what, 0.0
        self._say(what)

    def reading(self, name: str, done: int = 0, size: int = 0) -> None:
        """Say which file is read, at most once in ``INTERVAL``.

        Args:
            done: bytes read so far. size: bytes of the file.

        Raises:
            Cancelled: the work was cancelled.
        """
        if time.monotonic() - self._told_at < INTERVAL:
            return
        how_far = f" ({done >> 20:,} of {size >> 20:,} MB)" if size > _LARGE else ""
        self._say(f"{self._what}: {name}{how_far}" if self._what else f"reading {name}{how_far}")

    def following(self, file: BinaryIO, name: str, size: int) -> BinaryIO:
        """The file, whose reads are said."""
        return cast("BinaryIO", _Followed(self, file, name, size))

    def _say(self, sentence: str) -> None:
        self._told_at = time.monotonic()
        if self._cancelled():
            raise Cancelled("cancelled; nothing was kept")
        self._tell(self._share, sentence)


class _Followed:
    def __init__(self, progress: ReadingProgress, file: BinaryIO, name: str, size: int):
        self._progress, self._file, self._name, self._size, self._done = progress, file, name, size, 0

    def read(self, most: int = -1) -> bytes:
        self._progress.reading(self._name, self._done, self._size)
        content = self._file.read(most)
        self._done += len(content)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
