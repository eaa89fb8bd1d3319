"""MNIST's four idx files in torchvision's folder layout: path, download, reading.

``torchvision.datasets.MNIST`` is not used: it needs the unpacked files even if the ``.gz`` files exist, its import takes seconds, and its progress
goes to the server's terminal. Addresses and MD5 sums are torchvision's.
"""

from __future__ import annotations

import contextlib
import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtl_core import settings
from mtl_core.data.data_source import Progress
from mtl_core.data.download import download
from mtl_core.errors import DataError

MEGABYTES = 11  # of the download
FILES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "digits"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "digits"): "t10k-labels-idx1-ubyte",
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
PUBLISHED_COUNTS = {"train": 60_000, "test": 10_000}
ROOT_VARIABLE = "MTL_MNIST_ROOT"
DEFAULT_ROOT = settings.DATA_CACHE / "mnist"


def root_problem(option: str, download: bool) -> str | None:
    """Why MNIST is not available, as a sentence; None if the files exist or can be downloaded into an existing folder."""
    files = MNISTFiles(mnist_root(option))
    if not files.missing() or (download and (not option or files.root.is_dir())):
        return None
    return files.missing_sentence()


def mnist_root(option: str) -> Path:
    """The folder that an empty or given ``root`` option means."""
    return Path(option or settings.mnist_root() or DEFAULT_ROOT).expanduser()


@dataclass(frozen=True)
class MNISTFiles:
    """The files under ``root/MNIST/raw``, each plain or as ``.gz``."""

    root: Path

    def to_fetch(self) -> tuple[Path, int] | None:
        """(folder, megabytes) of a download of the missing files; None if none is missing."""
        return (self.folder, MEGABYTES) if self.missing() else None

    @property
    def folder(self) -> Path:
        return self.root / "MNIST" / "raw"

    def path(self, part: str, content: str) -> Path | None:
        """Path of the file; None if it is missing."""
        name = FILES[part, content]
        return next((path for path in (self.folder / name, self.folder / f"{name}.gz") if path.is_file()), None)

    def missing(self) -> list[str]:
        """Names of the missing files."""
        return [name for key, name in FILES.items() if self.path(*key) is None]

    def missing_sentence(self) -> str:
        """A sentence that names the missing files and their folder; empty if none is missing."""
        names = self.missing()
        if not names:
            return ""
        return (
            f"MNIST was not found in '{self.root}': expected the files {', '.join(names)} (as they are or with .gz) in '{self.folder}'. "
            "Put them there, set root to the folder that holds MNIST/raw, or switch download on where there is a network."
        )

    def identity(self) -> dict[str, Any]:
        """Size and modification time of each file, which change with its content. Cheap."""
        facts = {}
        for key, name in FILES.items():
            path = self.path(*key)
            facts[name] = [path.name, path.stat().st_size, path.stat().st_mtime_ns] if path else None
        return facts

    def count(self, part: str) -> int:
        """Number of images in ``train`` or ``test``, from the file's header; the published number if it can't be read."""
        path = self.path(part, "images")
        if path is not None:
            try:
                with open_idx(path) as file:
                    return struct.unpack(">ii", file.read(8))[1]
            except (OSError, EOFError, struct.error):
                pass  # ``images`` reports what is wrong with the file
        return PUBLISHED_COUNTS[part]

    def fetch(self, progress: Progress) -> None:
        """Download the missing files and check their sums.

        Raises:
            DataError: no network, unexpected content, or the folder can't be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in self.missing():
                self._download(f"{name}.gz", progress)
        except (OSError, ValueError) as error:
            for empty in (self.folder, self.folder.parent):
                with contextlib.suppress(OSError):
                    empty.rmdir()  # only if nothing was downloaded
            raise DataError(f"{self.missing_sentence()} The download failed: {' '.join(str(error).split())}") from None

    def _download(self, name: str, progress: Progress) -> None:
        """From the first mirror that has the file. The last one's error stands."""
        for number, mirror in enumerate(MIRRORS, 1):
            try:
                download(f"{mirror}{name}", f"md5:{MD5[name]}", self.folder, progress)
                return
            except (OSError, ValueError):
                if number == len(MIRRORS):
                    raise

    def images(self, part: str) -> np.ndarray:
        """uint8 (N, 28, 28)."""
        return self._array(part, "images")

    def digits(self, part: str) -> np.ndarray:
        """int64 (N,)."""
        digits = self._array(part, "digits").astype(np.int64)
        if len(digits) and digits.max() > 9:
            raise DataError(f"'{self.path(part, 'digits')}': expected digits 0 to 9, found {digits.max()}. Is it another data set's file?")
        return digits

    def _array(self, part: str, content: str) -> np.ndarray:
        path = self.path(part, content)
        if path is None:
            raise DataError(self.missing_sentence())
        try:
            with open_idx(path) as file:
                data = file.read()
            return parse_idx(data, dimensions=3 if content == "images" else 1)
        except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
            raise DataError(f"'{path}' is not a readable idx file ({error}). Delete it and fetch or copy it again.") from None


def open_idx(path: Path):
    """The open file; a ``.gz`` is decompressed while it is read."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def parse_idx(data: bytes, dimensions: int) -> np.ndarray:
    """The idx format: two zero bytes, type (8 = uint8), number of dimensions, each dimension as big-endian int32, values."""
    if data[:4] != bytes([0, 0, 8, dimensions]):
        raise ValueError(f"expected it to begin with bytes 00 00 08 0{dimensions}, found {data[:4].hex(' ')}")
    header = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}i", data[4:header])
    if len(data) - header != np.prod(shape):
        raise ValueError(f"its header promises {np.prod(shape):,} bytes, found {len(data) - header:,}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
