"""Bucket: the object store that MTL_ARTIFACTS_URL names, reached through fsspec. It is imported at the first use."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from mtl_core.errors import DISK_FULL, StoreError, UnreachableObjectsError

CONNECT_SECONDS, READ_SECONDS = 5, 60  # of one request to S3
# A place that is away must be found out soon: the run that trains waits for it.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "retries": {"max_attempts": 2}}},
    "file": {"auto_mkdir": True},
}
_OPTIONS |= {"s3a": _OPTIONS["s3"], "local": _OPTIONS["file"]}
Result = TypeVar("Result")
Moved = Callable[[int], None]  # called with the bytes of one object that were moved so far


class _LocalError(Exception):
    """An error of this machine inside a transfer, such as a full disk or a cancelled job. The object store is not at fault. ``cause``: that error."""

    def __init__(self, cause: Exception):
        super().__init__(str(cause))
        self.cause = cause


class LostObjectError(StoreError):
    """An object is not there, or is not what was sent."""


class Bucket:
    """Objects under one fsspec address. An object's name is never used twice, so an object is whole once something points to it.

    Attributes:
        shown: the address without a user and a password.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self.shown = re.sub(r"(?<=://)[^/@]*@", "", self.url)
        self._opened: tuple[int, Any, str] | None = None

    def write(self, name: str, source: Path | bytes, moved: Moved = lambda count: None) -> None:
        """Store an object whole.

        Args:
            moved: called with the bytes that were sent so far, where the object store says so.

        Raises:
            FileNotFoundError: the file ``source`` is gone.
            UnreachableObjectsError
        """
        if isinstance(source, Path) and not source.is_file():
            raise FileNotFoundError(source)

        def put(files: Any, place: str) -> None:
            if isinstance(source, bytes):
                files.pipe_file(place, source)
            else:
                files.put_file(str(source), place, callback=_counting(moved))

        try:
            self._call(put, name)
        except FileNotFoundError as error:
            if isinstance(source, Path) and not source.is_file():
                raise
            raise UnreachableObjectsError(f"the object store '{self.shown}' cannot be used: there is no such place ({error})") from error

    def read(self, name: str, target: Path, moved: Moved = lambda count: None) -> None:
        """Write an object's content to a file on this machine. ``moved``: as for ``write``.

        Raises:
            LostObjectError: there is no such object.
            StoreError: this machine's disk is full.
            UnreachableObjectsError
        """

        def get(files: Any, place: str) -> None:
            try:
                files.get_file(place, str(target), callback=_counting(moved))
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                raise _LocalError(StoreError(f"'{target.parent}' cannot be written: {error.strerror}. Free some space")) from error

        try:
            self._call(get, name)
        except FileNotFoundError:
            raise LostObjectError(
                f"the object '{self.shown}/{name}' is not there. Somebody has deleted it, or MTL_ARTIFACTS_URL names another place"
            ) from None

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone are no error. Raises UnreachableObjectsError."""
        for name in names:
            try:
                self._call(lambda files, place: files.rm_file(place), name)
            except FileNotFoundError:
                continue

    def _call(self, do: Callable[[Any, str], Result], name: str) -> Result:
        try:
            files, root = self._files()
            return do(files, f"{root}/{name}")
        except FileNotFoundError:
            raise
        except _LocalError as ended:
            raise ended.cause from None
        except Exception as error:  # each kind of object store has errors of its own
            reason = (" ".join(str(error).split())[:300] or type(error).__name__).replace(self.url, self.shown)
            raise UnreachableObjectsError(f"the object store '{self.shown}' cannot be used: {reason}") from error

    def _files(self) -> tuple[Any, str]:
        """fsspec's file system and the address in it. A forked process opens its own."""
        if self._opened is None or self._opened[0] != os.getpid():
            from fsspec.core import url_to_fs

            files, root = url_to_fs(self.url, **_OPTIONS.get(self.url.partition("://")[0], {}))
            self._opened = (os.getpid(), files, root.rstrip("/"))
        return self._opened[1:]


def _counting(moved: Moved) -> Any:
    """fsspec's callback that passes on how many bytes were moved."""
    from fsspec.callbacks import Callback

    def pass_on(size: int | None, value: int, **more: Any) -> None:
        try:
            moved(value)
        except Exception as error:
            raise _LocalError(error) from error

    return Callback(hooks={"moved": pass_on})
