"""StoredSet: parent of published data sets in torchvision's folder layout, with download, checks, splits and reading.

Addresses and MD5 sums are torchvision's. torchvision does not download the files, because its progress goes to the server's terminal.

Splits: test is the published test (or val) part. val is cut from the published training part, spread evenly over it. Test data never select a model.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tarfile
import zipfile
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import psutil
from PIL import Image
from pydantic import Field

from mtl_core import settings
from mtl_core.data.data_source import DataSource, Progress, SourceOptions
from mtl_core.data.dataset import MultiTaskDataset
from mtl_core.data.download import download
from mtl_core.data.imports.picture_reading import eight_bits
from mtl_core.data.preprocessing.resize import place, resized_image
from mtl_core.errors import DataError

ROOT_VARIABLE = "MTL_DATA_ROOT"
DEFAULT_ROOT = settings.DATA_CACHE
LARGEST_PICTURE = 50_000_000  # pixels
_UNPACKING, _REPLACED = ".unpacking", ".replaced"


class StoredOptions(SourceOptions):
    """Options of every published set."""

    root: str = Field(
        "",
        description=f"Folder that holds the set's files as torchvision lays them out; empty for ${ROOT_VARIABLE} or a folder in your home's cache.",
        json_schema_extra={"path": True},
    )
    download: bool = Field(True, description="Fetch the files where they are missing.")
    train_size: int = Field(0, ge=0, description="Most images to train on, evenly spread; 0 for all.")
    val_share: float = Field(0.1, gt=0, le=0.5, description="Share of the published training part that becomes val, spread evenly over it.")


class Resource(NamedTuple):
    """A file to download: its address, its MD5, and the folder below which it is stored or unpacked."""

    url: str
    md5: str
    folder: Path
    unpack: bool


class StoredSet(DataSource):
    """Parent of the published sets.

    Class attributes:
        megabytes: size of the download.
        homepage: web page of the files.
        fetchable: whether a program may download them (``resources``).
    """

    Options = StoredOptions
    options: StoredOptions
    megabytes: ClassVar[int]
    homepage: ClassVar[str]
    fetchable: ClassVar[bool] = True

    @property
    def root(self) -> Path:
        """The folder that an empty or given ``root`` means."""
        return Path(self.options.root or settings.data_root() or DEFAULT_ROOT / type(self).__name__.lower()).expanduser()

    @abstractmethod
    def files(self) -> list[Path]:
        """Files (or folders) that must exist."""

    @abstractmethod
    def count(self, part: str) -> int:
        """Number of images in the published part ``train`` or ``test``; the published number if the files are missing."""

    @abstractmethod
    def read(self, part: str, rows: np.ndarray, progress: Progress) -> MultiTaskDataset:
        """Some rows of a published part."""

    def resources(self) -> list[Resource]:
        """Files to download. It imports torchvision, so call it only before a download."""
        return []

    def missing(self) -> list[Path]:
        """Required files that are missing."""
        return [path for path in self.files() if not path.exists()]

    def missing_sentence(self) -> str:
        """A sentence that names the missing files and their folders."""
        names = ", ".join(f"'{path}'" for path in self.missing()[:4]) + (", ..." if len(self.missing()) > 4 else "")
        hint = " or switch download on where there is a network" if self.fetchable else ""
        return f"{self.title} was not found: expected {names}. Put the files of {self.homepage} there, set root to the folder that holds them{hint}."

    def problems(self) -> list[tuple[str, str]]:
        fetchable = self.fetchable and self.options.download and (not self.options.root or self.root.is_dir())
        return [("root", self.missing_sentence())] if self.missing() and not fetchable else []

    def to_fetch(self) -> tuple[Path, int] | None:
        """(folder, megabytes) that a run would download; None if it needs no download or can't download."""
        return (self.root, self.megabytes) if self.missing() and not self.problems() else None

    def cache_key(self) -> dict[str, Any]:
        facts = {}
        for path in self.files():
            name = path.relative_to(self.root).as_posix()
            facts[name] = [path.stat().st_size, path.stat().st_mtime_ns] if path.exists() else None
        return {**self.options.model_dump(mode="json", exclude={"root", "download"}), "files": facts}

    def split_sizes(self) -> dict[str, int]:
        return {split: len(self.rows(split)) for split in ("train", "val", "test")}

    def rows(self, split: str) -> np.ndarray:
        """Rows of the published training part (train, val) or test part, ascending."""
        if split == "test":
            return np.arange(self.count("test"))
        count = self.count("train")
        val = spread(count, min(max(1, round(self.options.val_share * count)), max(0, count - 1)))
        if split == "val":
            return val
        left = np.ones(count, bool)  # faster than np.setdiff1d; the Data page asks every set for its sizes
        left[val] = False
        rest = np.flatnonzero(left)
        return rest[spread(len(rest), self.options.train_size)] if 0 < self.options.train_size < len(rest) else rest

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        if self.missing():
            if not (self.options.download and self.fetchable):
                raise DataError(self.missing_sentence())
            for resource in self.resources():
                fetch(resource, self, progress)
            if self.missing():
                raise DataError(self.missing_sentence())
        data = self.read("test" if split == "test" else "train", self.rows(split), progress)
        progress(1.0, f"{len(data):,} images")
        return data


def spread(count: int, size: int) -> np.ndarray:
    """``size`` of ``count`` rows, evenly spread without the first and last, ascending."""
    rows = np.linspace(0, count - 1, size + 2).round().astype(np.int64)[1:-1]
    return rows[np.diff(rows, prepend=-1) > 0] if size else np.arange(0)  # np.unique would sort what is sorted, in ten times the time


def fetch(resource: Resource, source: StoredSet, progress: Progress) -> None:
    """Download a file, check its MD5, and store or unpack it in its folder.

    Raises:
        DataError: no network, or unexpected content. The downloaded file is removed.
    """
    name = resource.url.rsplit("/", 1)[-1]
    try:
        resource.folder.mkdir(parents=True, exist_ok=True)
        archive = download(resource.url, f"md5:{resource.md5}", resource.folder, lambda share, what: progress(0.5 * share, what))
        if resource.unpack:
            progress(0.5, f"unpacking {name}")
            _unpack(archive, resource.folder, name)
            archive.unlink()
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f"{source.missing_sentence()} The download of '{resource.url}' failed: {' '.join(str(error).split())}") from None
    except ValueError as error:
        raise DataError(f"'{resource.url}' gave unexpected content, which was removed. Try again. ({' '.join(str(error).split())})") from None


def _unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack into a temporary folder and rename, so that no entry of ``folder`` is incomplete if the process is killed."""
    _sweep_unpacking(folder, name)
    temporary = folder / f".{name}.{socket.gethostname()}.{os.getpid()}{_UNPACKING}"
    try:
        temporary.mkdir()
        if name.endswith(".zip"):
            with zipfile.ZipFile(archive) as file:
                file.extractall(temporary)
        else:
            with tarfile.open(archive) as file:
                file.extractall(temporary, filter="data")  # no links, nothing outside of the folder
        for path in sorted(temporary.iterdir()):
            _put_in_place(path, folder / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(new: Path, target: Path) -> None:
    """Rename a file or folder over another. Files that only the old folder had are kept: they may belong to someone else."""
    if not target.is_dir():
        os.replace(new, target)
        return
    old = new.with_name(f"{new.name}{_REPLACED}")
    os.rename(target, old)
    try:
        os.rename(new, target)
    except OSError:
        os.rename(old, target)
        raise
    _keep_others(old, target)


def _keep_others(old: Path, target: Path) -> None:
    """Move the files that only ``old`` has to ``target``."""
    for path in sorted(old.rglob("*")):
        kept = target / path.relative_to(old)
        if path.is_file() and not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, kept)


def _sweep_unpacking(folder: Path, name: str) -> None:
    """Remove the unfinished unpacking of processes of this host that have ended. Files that they had moved aside are moved back."""
    begun = f".{name}.{socket.gethostname()}."
    for path in folder.iterdir():
        pid = path.name.removeprefix(begun).removesuffix(_UNPACKING)
        if path.name == f"{begun}{pid}{_UNPACKING}" and pid.isdecimal() and not psutil.pid_exists(int(pid)):
            for old in path.glob(f"*{_REPLACED}"):
                target = folder / old.name.removesuffix(_REPLACED)
                if target.exists():
                    _keep_others(old, target)
                else:
                    os.rename(old, target)
            shutil.rmtree(path, ignore_errors=True)


def md5_of(path: Path) -> str:
    """MD5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class Picture(NamedTuple):
    """An image stretched to the prepared size: uint8 (3, H, W), and the factors of x and y."""

    pixels: np.ndarray
    scale: tuple[float, float]


def picture(path: Path, size: int) -> Picture:
    """A JPEG or PNG in RGB, stretched to ``size`` x ``size``.

    Raises:
        DataError: the file is missing, damaged or too large.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            width, height = _checked(image, path)
            # Prediction reads images in the same way: decoded whole, transparent parts on white, resized by the same function.
            pixels = np.asarray(eight_bits(image)[0].convert("RGB")).transpose(2, 0, 1)
            pixels = resized_image(pixels, place((height, width), (size, size), "stretch"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"the image '{path}' can't be read: {error}. Copy it again.") from None
    return Picture(pixels, (size / width, size / height))


def index_mask(path: Path, size: int) -> np.ndarray:
    """A grey or palette PNG of class numbers, resized with the nearest pixel: uint8."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            _checked(image, path)
            if image.mode not in ("L", "P"):
                raise DataError(f"the mask '{path}' has colours ('{image.mode}'); expected one number per pixel")
            return np.asarray(image.resize((size, size), Image.Resampling.NEAREST))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"the mask '{path}' can't be read: {error}. Copy it again.") from None


def _checked(image: Image.Image, path: Path) -> tuple[int, int]:
    if image.width * image.height > LARGEST_PICTURE:
        raise DataError(f"the image '{path}' has {image.width} x {image.height} pixels; at most {LARGEST_PICTURE:,} are read")
    return image.size
