"""Transfer of a set's files to the object store and from it, and how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from mtl_core.data.data_source import Progress
from mtl_core.errors import StoreError
from mtl_core.runs.objects.bucket import Bucket
from mtl_core.runs.objects.folder_fetch import FolderFetch
from mtl_core.runs.objects.folder_record import FolderRecord, files_of
from mtl_core.runs.objects.folder_sending import FolderSending
from mtl_core.runs.objects.pointers import Pointer
from mtl_core.runs.objects.unsent_marks import UnsentMark
from mtl_core.runs.sql.database import Database

LONG = 50_000_000  # bytes; the log of a run says how far such a transfer is
Words = Callable[[str, str, int, int], str]


def sent_words(done: str, total: str, files: int, count: int) -> str:
    """How far a sending is."""
    return f"{done} of {total} MB, {files:,} of {count:,} files sent to the object store"


def fetched_words(done: str, total: str, files: int, count: int) -> str:
    """How far a fetching is."""
    return f"{done} of {total} MB, {files:,} of {count:,} files fetched from the object store"


class Transfer:
    """How far some files are on their way. Several threads move them.

    Args:
        sizes: file -> bytes.
        tell: called with the share of the bytes that were moved, and a text; by one thread at a time.
        words: makes the text.
    """

    def __init__(self, sizes: Mapping[str, int], tell: Progress, words: Words):
        self._sizes, self._tell, self._words = dict(sizes), tell, words
        self._moved: dict[str, int] = {}
        self._total = sum(sizes.values())
        self._lock = threading.Lock()

    def begin(self) -> Transfer:
        """Tell that nothing was moved yet."""
        self._say()
        return self

    def moved(self, file: str, count: int) -> None:
        """So many bytes of a file were moved. A second attempt begins with fewer again."""
        with self._lock:
            self._moved[file] = min(count, self._sizes.get(file, count))
            self._say()

    def _say(self) -> None:
        done = sum(self._moved.values())
        files = sum(self._moved.get(file, -1) == size for file, size in self._sizes.items())
        self._tell(done / max(1, self._total), self._words(megabytes(done), megabytes(self._total), files, len(self._sizes)))


def megabytes(size: int) -> str:
    """Bytes as a number of megabytes; of a small file with three digits after the point."""
    return f"{size / 1e6:,.1f}" if size >= 1e5 or not size else f"{size / 1e6:.3f}"


def at_tenths(say: Callable[[str], None], is_long: bool) -> Progress:
    """A progress that passes on its text at every tenth of what is long. Of what is short it says nothing."""
    said = 0

    def tell(share: float, what: str) -> None:
        nonlocal said
        if is_long and said < int(10 * share) < 10:
            said = int(10 * share)
            say(what)

    return tell


def sizes_of(folders: Mapping[str, Path]) -> dict[str, int]:
    """``owner/path`` -> bytes of the files in the folders of these owners."""
    return {f"{owner}/{path}": stamp[0] for owner, folder in folders.items() for path, stamp in files_of(folder).items()}


def send_folder(database: Database, bucket: Bucket, marks: Path, owner: str, folder: Path, transfer: Transfer) -> dict[str, Pointer]:
    """Write the files of a folder as objects; nothing points to them yet.

    Args:
        marks: folder of the mark that names the objects while they are written.

    Raises:
        UnreachableObjectsError: the object store cannot be reached.
        StoreError: a file changed meanwhile, or its name cannot be an object's.
    """
    mark = UnsentMark.of(marks, owner) or UnsentMark(marks, owner)
    sending = FolderSending(database, bucket, FolderRecord(folder), mark, True, lambda path, count: transfer.moved(f"{owner}/{path}", count))
    made = sending.upload({}) or {}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}
    if there != made.keys():
        raise StoreError(f"'{sorted(there ^ made.keys())[0]}' in '{folder}' changed while it was sent, or cannot be an object's name")
    return {path: pointer for path, (pointer, _) in made.items()}


def fetch_folder(bucket: Bucket, folder: Path, pointers: Mapping[str, Pointer], tell: Progress) -> None:
    """Fill an empty folder with files, each compared with its SHA-256. Raises StoreError."""
    transfer = Transfer({path: pointer.size for path, pointer in pointers.items()}, tell, fetched_words).begin()
    FolderFetch(bucket, FolderRecord(folder), pointers, moved=transfer.moved).fetch(lambda path: True)
