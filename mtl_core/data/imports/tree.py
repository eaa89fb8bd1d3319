"""Tree: the files of a folder or zip. They are listed once, with limits, and read one at a time. A zip is never unpacked to disk."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.reading_progress import ReadingProgress
from mtl_core.errors import DataError
from mtl_core.names import path_problem

MOST_FILES = 500_000
MOST_LEVELS = 64  # folders above a file; roles and pairs of files are told by walking through them
MOST_ZIP_BYTES = 32 << 30  # unpacked size of all files
MOST_FILE_BYTES = 512 << 20  # of one file that is read whole: a JSON, a CSV, a picture, an npy
MOST_STREAM_BYTES = 8 << 30  # of one file that is read a piece at a time
ZIP_RATIO = 200  # largest ratio of unpacked to packed size
_ARCHIVES = {  # ending -> name
    ".zip": "zip",
    ".tar": "tar",
    **dict.fromkeys((".gz", ".tgz"), "gzip"),
    **dict.fromkeys((".bz2", ".tbz", ".tbz2"), "bzip2"),
    **dict.fromkeys((".xz", ".txz"), "xz"),
    **dict.fromkeys((".zst", ".tzst"), "zstd"),
    **dict.fromkeys((".lz4", ".lzma", ".br", ".z", ".z01", ".cab", ".ace", ".arj"), "archive"),
    ".7z": "7-Zip",
    ".rar": "RAR",
    **dict.fromkeys((".iso", ".dmg"), "disk image"),
}
_NO_ARCHIVES = ("-ubyte.gz", ".nii.gz")  # idx files, which are read as they are, and medical volumes
_BEGINNINGS = {
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}


class UnreadableError(DataError):
    """One file cannot be read; the message says why, without the file's name."""


class Tree:
    """Files below a folder or in a zip.

    Args:
        path: the folder or zip.
        findings: collects the files that are left out, with the reason.
        progress: is told of every file that is listed or read; it may end the work.

    Attributes:
        files: name below the path, with '/', -> size in bytes; sorted.

    Raises:
        DataError: the path does not exist, is no folder or zip, or exceeds the limits.
    """

    def __init__(self, path: str | Path, findings: Findings, progress: ReadingProgress | None = None):
        self.progress = progress or ReadingProgress()
        if problem := path_problem(str(path)):
            raise DataError(f"the folder or zip: {problem}.")
        self.path = Path(path).expanduser()
        self._zip: zipfile.ZipFile | None = None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self.looked_at: dict[str, object] = {}  # cached results of looks by their name, shared by the formats
        self._facts: dict[str, str] = {}
        self._lock = threading.Lock()
        try:
            if self.path.is_dir():
                files = self._folder(findings)
            elif self.path.is_file():
                files = self._archive(findings)
            else:
                raise DataError(f"'{self.path}' was not found: expected a folder or a zip. Check the path.")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise DataError(f"'{self.path}' cannot be read: {error}. Check the path and its permissions.") from None
        self.files: dict[str, int] = dict(sorted(files.items()))
        if not self.files:
            raise DataError(f"'{self.path}' holds no files that can be read. Choose the folder or zip that holds the pictures.")

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the zip."""
        if self._zip is not None:
            self._zip.close()

    def read(self, name: str, most: int = MOST_FILE_BYTES) -> bytes:
        """A file's content.

        Raises:
            UnreadableError: the file is larger than ``most`` bytes, damaged, or missing.
        """
        if name not in self.files:
            raise UnreadableError("the file is not there")
        self.progress.reading(name)
        if self.files[name] > most:
            raise UnreadableError(f"{self.files[name]:,} bytes; at most {most:,} are read")
        wanted = self.files[name] + 1  # size of the buffer; one byte more than listed shows a wrong size
        try:
            with self._open(name) as file:
                content = file.read(wanted)
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, ValueError) as error:
            raise UnreadableError(f"cannot be read: {error}") from None
        if len(content) != self.files[name]:
            raise UnreadableError(f"{len(content):,} bytes; expected {self.files[name]:,}. The file has changed since the folder was listed")
        return content

    def begin(self, name: str, most: int) -> bytes:
        """The first ``most`` bytes of a file.

        Raises:
            UnreadableError: the file is damaged or missing.
        """
        with self.stream(name, MOST_STREAM_BYTES) as file:
            return file.read(most)

    @contextmanager
    def stream(self, name: str, most: int) -> Iterator[BinaryIO]:
        """Open a file to read it piece by piece.

        Raises:
            UnreadableError: the file is larger than ``most`` bytes, damaged, or missing; also raised while it is read.
        """
        if name not in self.files:
            raise UnreadableError("the file is not there")
        if self.files[name] > most:
            raise UnreadableError(f"{self.files[name]:,} bytes; at most {most:,} are read")
        try:
            with self._open(name) as file:
                yield self.progress.following(file, name, self.files[name])
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            raise UnreadableError(f"cannot be read: {error}") from None

    def _open(self, name: str) -> BinaryIO:
        """Open by the zip entry, not by the name: if a name occurs twice, the zip's name table has only the last."""
        if self._zip is not None:
            return cast("BinaryIO", self._zip.open(self._entries[name]))
        return self._open_below(os.path.join(self.path, name))

    def _open_below(self, path: str) -> BinaryIO:
        """Open a file of the folder. Since the look it may have become a link or a pipe: what was opened must lie below the root."""
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            facts, real, root = os.fstat(number), os.path.realpath(path), os.path.join(os.path.realpath(self.path), "")
            if not stat.S_ISREG(facts.st_mode) or not real.startswith(root) or not os.path.samestat(facts, os.stat(real)):
                raise UnreadableError("it was replaced by a link that leads out of the folder, or is no ordinary file any more")
            return os.fdopen(number, "rb")
        except BaseException:
            os.close(number)
            raise

    def identity(self) -> str:
        """A hash that changes when a file is added, removed, or changes its size or time (in a zip: its checksum). Cheap."""
        lines = (f"{name}\0{size}\0{self._facts[name]}\n" for name, size in self.files.items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _folder(self, findings: Findings) -> dict[str, int]:
        root, files = self.path.resolve(), {}
        for folder, subfolders, names in os.walk(root):
            self.progress.reading(self._below(root, folder, ""))
            subfolders[:] = sorted(name for name in subfolders if not name.startswith(".") and name != "__MACOSX")
            for name in [*subfolders]:
                if (Path(folder) / name).is_symlink():
                    findings.add("skipped", "link", self._below(root, folder, name), "a link to a folder; links to folders are not followed")
            for name in names:
                self._take(root, folder, name, files, findings)
        return files

    def _below(self, root: Path, folder: str, name: str) -> str:
        return (Path(folder) / name).relative_to(root).as_posix()

    def _take(self, root: Path, folder: str, name: str, files: dict[str, int], findings: Findings) -> None:
        below, path = self._below(root, folder, name), Path(folder) / name
        if name.startswith(".") or name in ("Thumbs.db", "desktop.ini"):
            return
        if not _speakable(below):
            findings.add("skipped", "name", below.encode("utf-8", "replace").decode(), "the name is not valid Unicode; rename the file")
            return
        if below.count("/") > MOST_LEVELS:
            findings.add("skipped", "deep", f"{below[:60]} ...", f"below more than {MOST_LEVELS} folders; move it further up")
            return
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                findings.add("skipped", "link", below, "a link that leads out of the folder; copy the file into it")
                return
            facts = path.stat()
        except (OSError, RuntimeError) as error:
            findings.add("skipped", "unreadable", below, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return
        if not stat.S_ISREG(facts.st_mode):
            findings.add("skipped", "not_a_file", below, "not an ordinary file")
            return
        files[below] = facts.st_size
        self._facts[below] = str(facts.st_mtime_ns)
        if len(files) > MOST_FILES:
            raise DataError(
                f"'{self.path}' holds more than {MOST_FILES:,} files. Choose a folder with fewer, or pack the pictures into several sets."
            )

    def _archive(self, findings: Findings) -> dict[str, int]:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            if kind := _other_archive(self.path):
                raise DataError(f"'{self.path.name}' is a {kind} file; only zips are read. Unpack it and give the folder, or pack a zip.") from None
            raise DataError(f"'{self.path.name}' is not a readable zip ({error}). Expected a folder or a zip; pack it again.") from None
        entries = self._zip.infolist()
        total, packed = sum(entry.file_size for entry in entries), max(1, self.path.stat().st_size)
        if len(entries) > MOST_FILES:
            raise DataError(f"'{self.path.name}' holds {len(entries):,} entries; at most {MOST_FILES:,} are read.")
        if total > MOST_ZIP_BYTES or (total > 64 << 20 and total / packed > ZIP_RATIO):
            raise DataError(
                f"'{self.path.name}' would unpack to {total:,} bytes, {total / packed:.0f} times its size; at most {MOST_ZIP_BYTES:,} bytes and "
                f"{ZIP_RATIO} times are read. If it is what it says, unpack it yourself and give the folder."
            )
        files: dict[str, int] = {}
        for entry in entries:
            self.progress.reading(entry.filename)
            reason = _refusal(entry, files)
            if reason:
                findings.add("skipped", reason[0], entry.filename if len(entry.filename) <= 300 else f"{entry.filename[:297]}...", reason[1])
            elif not entry.is_dir() and not _is_hidden(entry.filename):
                files[entry.filename] = entry.file_size
                self._entries[entry.filename] = entry
                self._facts[entry.filename] = f"{entry.CRC:08x}"
        return files


def is_archive(name: str) -> bool:
    """Whether a file's ending is that of an archive or a packed file."""
    lower = name.lower()
    return lower.endswith(tuple(_ARCHIVES)) and not lower.endswith(_NO_ARCHIVES)


def _other_archive(path: Path) -> str:
    """The name of the kind of archive that a file is, when it is no zip; '' for none."""
    with path.open("rb") as file:
        begin = file.read(512)
    if begin[257:262] == b"ustar":
        return "tar"
    found = next((kind for beginning, kind in _BEGINNINGS.items() if begin.startswith(beginning)), "")
    ending = _ARCHIVES.get(path.suffix.lower(), "")
    return found or (ending if ending != "zip" else "")


def _speakable(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _most(name: str) -> int:
    return MOST_STREAM_BYTES if name.lower().endswith((".json", ".jsonl")) else MOST_FILE_BYTES


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _refusal(entry: zipfile.ZipInfo, files: dict[str, int]) -> tuple[str, str] | None:
    """(kind, sentence) why an entry of a zip is not read; None if it is read."""
    name = entry.filename
    parts = name.replace("\\", "/").split("/")
    rules: tuple[tuple[bool, str, str], ...] = (
        (name.startswith(("/", "\\")) or name[1:2] == ":", "zip_absolute", "an absolute path; expected names below the zip's own top"),
        (".." in parts, "zip_traversal", "its name leads out of the zip ('..')"),
        (len(parts) - 1 > MOST_LEVELS, "deep", f"below more than {MOST_LEVELS} folders; move it further up"),
        ("\\" in name or "\0" in name, "zip_name", "its name holds a backslash or NUL"),
        (stat.S_ISLNK(entry.external_attr >> 16), "link", "a link; links in a zip are not followed"),
        (bool(entry.flag_bits & 1), "zip_encrypted", "it is encrypted; pack the zip without a password"),
        (name in files, "zip_double", "the zip holds this name twice; the first is read"),
        (entry.file_size > _most(name), "too_large", f"{entry.file_size:,} bytes; at most {_most(name):,} are read"),
        (
            entry.file_size > 1 << 20 and entry.file_size / max(1, entry.compress_size) > 5 * ZIP_RATIO,
            "zip_bomb",
            "it would unpack to a thousand times its size",
        ),
        (is_archive(name), "nested_archive", "an archive in the zip; unpack it first"),
    )
    return next(((kind, sentence) for applies, kind, sentence in rules if applies), None)


def same_name(name: str) -> str:
    """A name in its compared form: composed Unicode, '/' between parts, no leading './'."""
    composed = name if name.isascii() else unicodedata.normalize("NFC", name)
    return composed.strip().replace("\\", "/").removeprefix("./")


Progress = Callable[[float, str], None]
