"""Format: one way in which targets lie in files. One format is one file in this package and a line in ``FORMATS``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from posixpath import splitext
from typing import Any, ClassVar

from pydantic import BaseModel

from mtl_core.data.imports.pictures import EXTENSIONS
from mtl_core.data.imports.questions import FileNote, Question
from mtl_core.data.imports.report import Findings
from mtl_core.data.imports.spec import ImageSpec, Strict
from mtl_core.data.imports.tree import Tree, same_name
from mtl_core.errors import DataError
from mtl_core.names import task_name_problem
from mtl_core.registry import Registry

FORMATS = Registry(
    "format",
    "mtl_core.import_formats",
    {
        "voc": "mtl_core.data.imports.formats.voc:Voc",
        "coco": "mtl_core.data.imports.formats.coco:Coco",
        "yolo": "mtl_core.data.imports.formats.yolo:Yolo",
        "masks": "mtl_core.data.imports.formats.masks:Masks",
        "depth": "mtl_core.data.imports.formats.depth_maps:DepthMaps",
        "idx": "mtl_core.data.imports.formats.idx:Idx",
        "csv": "mtl_core.data.imports.formats.csv_table:CsvFormat",
        "class_folders": "mtl_core.data.imports.formats.class_folders:ClassFolders",
        "file_names": "mtl_core.data.imports.formats.file_names:FileNames",
    },
)

_WITH_EXTENSION = {*EXTENSIONS, ".npy", ".xml", ".txt", ".json"}


class FormatOptions(Strict):
    """Parent of every format's options. A field that names a task says so; empty leaves that task out."""


@dataclass
class Targets:
    """One task as one source gives it.

    Attributes:
        name, kind, unit: of the task. ``classes``: in index order.
        values: image key -> classification: class index; multi_label: tuple of class indices; regression: float; detection:
            ``Boxes``; segmentation and depth: an object with ``render`` (see ``masks``, ``coco``, ``depth_maps``).

    Raises:
        DataError: the name cannot name a task.
    """

    name: str
    kind: str
    classes: tuple[str, ...] = ()
    unit: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name and (problem := task_name_problem(self.name)):  # '' is a task that the options leave out
            raise DataError(problem)


class AmbiguousImageError(Exception):
    """Several images fit a name; the message lists some."""


class ImageIndex:
    """Which images there are, and which one a file of targets means by a name.

    Attributes:
        keys: names below the path, in order; ``file#17`` is the picture number 17 in an idx file.
    """

    def __init__(self, keys: Iterable[str]):
        self.keys = list(keys)
        self._exact = {same_name(key): key for key in self.keys}
        self._by: list[dict[str, list[str]]] = [defaultdict(list) for _ in range(4)]
        for key in self.keys:
            if "#" in key:
                continue
            for table, form in zip(self._by, _forms(key), strict=True):
                table[form].append(key)

    def __contains__(self, key: str) -> bool:
        return same_name(key) in self._exact

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, reference: str, folder: str = "") -> str | None:
        """The image meant by a full or partial name, with or without extension, in the case written or another; None for no such.

        Raises:
            AmbiguousImageError: several fit equally well.
        """
        reference = same_name(reference)
        exact = self._exact.get(f"{folder}/{reference}" if folder else reference) or self._exact.get(reference)
        if exact is not None:
            return exact
        if not reference:
            return None
        for table, form in zip(self._by, _forms(reference), strict=True):
            found = [key for key in table.get(form, ()) if not folder or key.startswith(f"{folder}/")]
            found = _agreeing(found, reference) if len(found) > 1 else found
            if len(found) == 1:
                return found[0]
            if found:
                raise AmbiguousImageError(f"'{reference}' fits {len(found)} images: {', '.join(found[:3])}. Say which with folders in the name")
        return None


def _forms(name: str) -> tuple[str, str, str, str]:
    """Name, stem, and both in lower case. A name such as ``a.b`` without a known extension is its own stem."""
    base = same_name(name).rpartition("/")[2]
    stem = stem_of(base)
    return base, stem, base.lower(), stem.lower()


def stem_of(name: str) -> str:
    """The last part of a name without its extension, where that is a known one; ``scan.v2`` stays whole."""
    base = name.rpartition("/")[2]
    stem, end = splitext(base)  # many times faster than pathlib, and a set may have a hundred thousand names
    return stem if end.lower() in _WITH_EXTENSION else base


def _agreeing(keys: list[str], reference: str) -> list[str]:
    """Of several, those whose folders end as the reference's do."""
    folder = reference.rpartition("/")[0]
    return [key for key in keys if folder and f"/{key.rpartition('/')[0]}".endswith(f"/{folder}")] or keys


@dataclass
class Context:
    """What a format reads from and tells: the files, the images, and the findings.

    Attributes:
        notes: during a look: which files are read and which are not, with the reason.
        questions: during a look: what the files leave open about the whole set, not about one source.
        aside: during a look: fields of ``ImageSpec`` -> what to add to them, for files that are no pictures and no source either.
    """

    tree: Tree
    index: ImageIndex
    findings: Findings
    notes: list[FileNote] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    aside: dict[str, list[str]] = field(default_factory=dict)

    def understood(self, files: str, reason: str, count: int = 1) -> None:
        """During a look: these files are read, and as what. ``files`` may be a pattern such as ``labels/*.txt``."""
        self.notes.append(FileNote(files, count, True, reason))

    def not_understood(self, files: str, reason: str, count: int = 1) -> None:
        """During a look: these files look like this format's and are not read. ``reason``: why, and what to do about it."""
        self.notes.append(FileNote(files, count, False, reason))

    def image(self, reference: str, where: str, task: str = "", folder: str = "") -> str | None:
        """The image a line of a file of targets means; None, with a finding, where there is no single one."""
        try:
            key = self.index.find(reference, folder)
        except AmbiguousImageError as error:
            self.findings.add("skipped", "ambiguous_image", where, str(error), task)
            return None
        if key is None:
            self.findings.add("skipped", "missing_image", where, f"no usable image '{reference}' among the {len(self.index):,}", task)
        return key


@dataclass
class Guess:
    """One source that a look suggests.

    Attributes:
        options: of the format.
        targets: the tasks it would give, values partly filled or empty; ``labelled`` counts what was seen.
        images: changes to the images' description: folders or suffixes that hold no images, idx files.
        notes: what was guessed and why.
        splits: a ``SplitSpec`` as plain values where the format shows one.
        table: for a CSV: what ``proposal.CsvTable`` wants.
        questions: what the files leave open about this source; the options hold each question's ``taken`` reading.
        alike: sources with the same mark are parts of one: an answer to a question of one of them changes all.
        groups: for a table: columns of patients, scenes, folds and the like -> their different cells.
    """

    options: dict[str, Any]
    targets: list[Targets] = field(default_factory=list)
    labelled: dict[str, int] = field(default_factory=dict)
    images: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    splits: dict[str, Any] | None = None
    table: Any = None
    questions: list[Question] = field(default_factory=list)
    alike: str = ""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Format(ABC):
    """A way in which targets lie in files."""

    title: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: BaseModel):
        self.options = options

    @classmethod
    @abstractmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        """Sources of this format that seem to be there; reads little."""

    @abstractmethod
    def read(self, context: Context) -> list[Targets]:
        """Targets by image.

        Raises:
            DataError: the source as a whole can't be read; single lines are only findings.
        """
