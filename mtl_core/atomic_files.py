"""Files and folders that are written whole or not at all. One rule everywhere: content is on the disk before it gets its name, and the name after it.

A reader sees the old or the new content, never a part, whatever is killed when; also after a power cut.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` when the block ends. If the block fails, ``path`` stays as it was and nothing else is left.

    A link in the place of ``path`` is replaced, never written through.
    """
    temporary = temporary_beside(path)
    try:
        with open(temporary, "wb") as file:
            yield file
            _sync(file)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """``atomic_write`` of a text in UTF-8."""
    with atomic_write(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def atomic_folder(place: Path) -> Iterator[Path]:
    """A new folder, to be filled, that gets the name ``place`` when the block ends. If the block fails, nothing of it is left.

    Where ``place`` exists by then, it stays, and what was written is thrown away: somebody else was faster. What is written inside is to be synced
    by who writes it (``write_synced``).
    """
    temporary = temporary_beside(place)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        sync_folder(temporary)
        if not place.exists():
            os.replace(temporary, place)
            sync_folder(place.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_synced(path: Path, content: bytes | memoryview) -> None:
    """A file in a folder that gets its name later: its content is on the disk afterwards."""
    with path.open("wb") as file:
        file.write(content)
        _sync(file)


def sync_folder(folder: Path) -> None:
    """Have the disk know the names in a folder. Windows cannot open one, and needs no such thing."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_beside(path: Path) -> Path:
    """A hidden name in the same folder that no other process or thread takes; it ends with ``.tmp``."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
