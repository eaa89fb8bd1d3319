"""Format: parent of the file formats of targets. One format is one file in this package and a line in ``FORMATS``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from mtl_core.data.dataset import POINT_FIELDS, Task
from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.formats.image_index import AmbiguousImageError, Claims, ImageIndex
from mtl_core.data.imports.looking.questions import FileNote, Question
from mtl_core.data.imports.spec import ImageSpec, Strict
from mtl_core.data.imports.tree import Tree, same_name
from mtl_core.errors import DataError
from mtl_core.names import task_name_problem
from mtl_core.registry import Registry

FORMATS = Registry(
    "format",
    "mtl_core.import_formats",
    {  # masks and depth come first: their files are no pictures that a file of boxes can name
        "masks": "mtl_core.data.imports.formats.maps.masks:Masks",
        "depth": "mtl_core.data.imports.formats.maps.depth_maps:DepthMaps",
        "voc": "mtl_core.data.imports.formats.annotations.voc_xml:Voc",
        "coco": "mtl_core.data.imports.formats.annotations.coco_json:Coco",
        "yolo": "mtl_core.data.imports.formats.annotations.yolo:Yolo",
        "labelme": "mtl_core.data.imports.formats.annotations.labelme:LabelMe",
        "cvat": "mtl_core.data.imports.formats.annotations.cvat:Cvat",
        "label_studio": "mtl_core.data.imports.formats.annotations.label_studio:LabelStudio",
        "via": "mtl_core.data.imports.formats.annotations.via:Via",
        "kitti": "mtl_core.data.imports.formats.annotations.kitti:Kitti",
        "wider": "mtl_core.data.imports.formats.annotations.wider:Wider",
        "dota": "mtl_core.data.imports.formats.annotations.dota:Dota",
        "createml": "mtl_core.data.imports.formats.annotations.createml:CreateMl",
        "idx": "mtl_core.data.imports.formats.idx:Idx",
        "csv": "mtl_core.data.imports.formats.csv_table:CsvFormat",
        "class_folders": "mtl_core.data.imports.formats.class_folders:ClassFolders",
        "file_names": "mtl_core.data.imports.formats.file_names:FileNames",
    },
)


class FormatOptions(Strict):
    """Parent of every format's options. An empty name of a task leaves the task out."""


@dataclass
class Targets:
    """One task of one source.

    Attributes:
        name, kind, unit: those of the task. ``classes``: names in index order.
        values: image key -> classification: class index; multi_label: tuple of class indices; regression: float; detection:
            ``Boxes``; segmentation and depth: an object with ``render`` (see ``masks``, ``outlines``, ``depth_maps``); keypoints: ``PointSet``, or
            float (K, 3) in pixels.
        made_of_boxes: ``present`` or ``count <class>``: values are ``Boxes``, and ``boxes.made`` derives the target once they are cleaned.
        box_classes: class names of those boxes.
        edges, mirror_points, sigmas, spoiled_by: those of the task.
        unlisted_in: folders in which an image without a target has no object, so that its target is ``nothing``.

    Raises:
        DataError: the name is invalid for a task.
    """

    name: str
    kind: str
    classes: tuple[str, ...] = ()
    unit: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    made_of_boxes: str = ""
    box_classes: tuple[str, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    mirror_points: tuple[int, ...] = ()
    sigmas: tuple[float, ...] = ()
    spoiled_by: tuple[str, ...] = ()
    unlisted_in: frozenset[str] = frozenset()
    nothing: Any = None

    def __post_init__(self) -> None:
        if self.name and (problem := task_name_problem(self.name)):  # '': the options leave the task out
            raise DataError(problem)

    @property
    def task(self) -> Task:
        """The task, without its title and range."""
        own = {name: getattr(self, name) for name in ("spoiled_by", *POINT_FIELDS)}
        return Task(self.name, self.kind, self.name, self.classes, self.unit, **own)

    def add(self, key: str, value: Any, where: str, findings: Findings) -> bool:
        """Add the target of an image. A second one of the same image is reported and not used; returns False then."""
        if key in self.values:
            findings.add("skipped", "duplicate", where, f"a second target of '{key}'; the first is used", self.name)
            return False
        self.values[key] = value
        return True


@dataclass
class Context:
    """Files, images and findings of a look or a check, for the formats.

    Attributes:
        notes: during a look: the files that are read or not, with the reason.
        questions: during a look: questions about the whole set, not about one source.
        aside: during a look: fields of ``ImageSpec`` -> values to add, for files that are neither pictures nor sources.
        near: folder of the file being read; its own pictures come before others with the same names.
        claims: references that were resolved to each image.
    """

    tree: Tree
    index: ImageIndex
    findings: Findings
    notes: list[FileNote] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    aside: dict[str, list[str]] = field(default_factory=dict)
    near: str = ""
    claims: Claims = field(default_factory=Claims)

    def understood(self, files: str, reason: str, count: int = 1) -> None:
        """During a look: note that files are read, with the format. ``files`` may be a pattern such as ``labels/*.txt``."""
        self.notes.append(FileNote(files, count, True, reason))

    def not_understood(self, files: str, reason: str, count: int = 1) -> None:
        """During a look: note that files look like this format's and are not read. ``reason``: why, and what to do."""
        self.notes.append(FileNote(files, count, False, reason))

    def image(self, reference: str, where: str, task: str = "", folder: str = "", near: str | None = None, written: str = "") -> str | None:
        """The image that a reference in a file of targets names; None, with a finding, if it is not exactly one.

        Args:
            folder: only images below this one count.
            near: folder of the file that holds the name; None for ``self.near``.
            written: the name in the file, if ``reference`` is that name without a tool's additions.
        """
        try:
            key, agrees = self.index.match(reference, folder, self.near if near is None else near)
        except AmbiguousImageError as error:
            self.findings.add("skipped", "ambiguous_image", where, str(error), task)
            return None
        if key is None:
            self.findings.add("skipped", "missing_image", where, f"no usable image '{reference}' among the {len(self.index):,}", task)
        elif same_name(written or reference) in self.claims.refused:
            sentence = f"'{reference}' has the base name of '{key}', but its folders are others and another name means that image"
            self.findings.add("skipped", "ambiguous_image", where, sentence, task)
            return None
        else:
            self.claims.take(key, written or reference, agrees and not written)
        return key

    def first_image(self, references: Sequence[str], where: str, task: str = "", folder: str = "", near: str | None = None) -> str | None:
        """The image of the first reference that names one; a finding about the last reference if none does."""
        for reference in references[:-1]:
            try:
                if self.index.match(reference, folder, self.near if near is None else near)[0]:
                    return self.image(reference, where, task, folder, near)
            except AmbiguousImageError:
                continue
        return self.image(references[-1], where, task, folder, near)


@dataclass
class Guess:
    """One source that a look suggests.

    Attributes:
        options: options of the format.
        targets: its tasks, with some values or none; ``labelled``: number of labelled images seen.
        images: changes to ``ImageSpec``: folders or suffixes of files that are no images, idx files.
        notes: sentences on the guesses and their reasons.
        splits: a ``SplitSpec`` as plain values if the format gives one.
        table: for a table: the values of ``proposal.CsvTable``.
        questions: questions about this source; the options hold each question's ``taken`` reading.
        alike: mark of sources that are parts of one: an answer to a question of one of them changes all.
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
    """Parent of the formats."""

    title: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: BaseModel):
        self.options = options

    @classmethod
    @abstractmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        """Guess the sources of this format; reads few files."""

    @abstractmethod
    def read(self, context: Context) -> list[Targets]:
        """The source's tasks with their targets by image.

        Raises:
            DataError: the source can't be read at all; bad lines are only findings.
        """


def read_source(source: Format, context: Context) -> list[Targets]:
    """The targets of a source. If two references resolve to one image by its base name alone, both are refused and the source is read again.

    Raises:
        DataError: the source can't be read at all.
    """
    named = str(getattr(source.options, "file", "") or "")
    context.near = named.rpartition("/")[0] if named else str(getattr(source.options, "folder", "") or "")
    context.claims = Claims()
    before = context.findings.mark()
    try:
        found = source.read(context)
        if context.claims.disputed:
            refused = context.claims.disputed
            context.findings.back_to(before)
            context.claims = Claims()
            context.claims.refused = refused
            found = source.read(context)
    finally:
        context.near = ""
    return found
