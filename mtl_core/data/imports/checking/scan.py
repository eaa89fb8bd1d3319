"""The check of an import: it reads every file once and gives the records for the preparation and the report."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtl_core.data.dataset import POINT_FIELDS, Task
from mtl_core.data.imports.checking.check_report import Findings, Report
from mtl_core.data.imports.checking.dense import DenseCheck
from mtl_core.data.imports.checking.doubts import say_doubts, specks
from mtl_core.data.imports.checking.frames import RESIZES, placement
from mtl_core.data.imports.checking.merge import each_name_once, fill_unlisted, joined
from mtl_core.data.imports.checking.set_summary import leaks_between, problems_with, row_bytes, task_summary, without_train
from mtl_core.data.imports.checking.splits import SPLITS, assign
from mtl_core.data.imports.formats import FORMATS, Context, ImageIndex, Targets, read_source
from mtl_core.data.imports.formats.annotations.boxes import Boxes, made, usable
from mtl_core.data.imports.formats.annotations.outlines import MOST_STEPS, Shapes
from mtl_core.data.imports.formats.annotations.point_sets import PointSet, usable_points
from mtl_core.data.imports.image_keys import Facts, ImageReader, image_keys
from mtl_core.data.imports.reading_progress import ReadingProgress
from mtl_core.data.imports.spec import ImportSpec, SourceSpec
from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.data.parallel_map import in_threads, one_by_one
from mtl_core.errors import DataError
from mtl_core.figures import primitives as layers
from mtl_core.registry import unknown_name, validated
from mtl_core.tasks import kind_of

MOST_BOXES = 1000  # per image
PREPARATION = 3  # version of the preparation; raise it with every change that makes other arrays of the same files (of some: ``Picture.since``)
# 3: outlines are drawn as pycocotools draws them, where Pillow filled half a pixel more on every side; bars have the picture's mean colour;
#    bars of padded outlines don't count; 16-bit and float pictures keep one range per set; a picture with refused boxes is unlabelled
# 4: AVIF pictures and phones' JPEGs with a second picture are set upright as their EXIF orientation says; sets without them stay at 3
_NOTES = ("wrong_extension", "one_level", "levels")  # kinds of findings about a picture that is used unchanged
_TURNED_BOXES = (
    "EXIF rotates this picture, and its boxes state no picture size: they are read in the upright picture. "
    "Check the gallery; if they are wrong, save the picture upright without EXIF orientation"
)
_TURNED_POINTS = (
    "EXIF rotates this picture, and its points state no picture size: they are read in the upright picture. "
    "Check the gallery; if they are wrong, save the picture upright without EXIF orientation"
)
_TURNED_MAP = (
    "EXIF rotates this picture, and its {map} fits it both ways: it is read as the upright picture's. "
    "Check the gallery; if it is wrong, save the picture upright without EXIF orientation, and the {map} with it"
)
_SWAPPED = re.compile(r"\([5-8]\)")  # EXIF orientations that swap the sides
_DRAFT = 64  # pixels that suffice to compare pictures


@dataclass
class Examined:
    """The result of ``examine``: everything that a preparation needs.

    Attributes:
        facts: image -> facts, for usable images in a split, in order. ``split``: image -> part. ``targets``: cleaned, in the spec's order.
    """

    tree: Tree
    spec: ImportSpec
    reader: ImageReader
    facts: dict[str, Facts]
    split: dict[str, str]
    targets: list[Targets]
    tasks: tuple[Task, ...]
    report: Report


def examine(
    path: str | Path,
    spec: ImportSpec,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    only: Sequence[str] | None = None,
) -> Examined:
    """Read every file that a spec names, once.

    Args:
        only: keys of the images to read, for a preview; they all count as train. None for all images.

    Raises:
        ConfigError, DataError: the path or the spec can't be used at all.
        Cancelled: ``cancelled`` returned True.
    """
    examination = _Examination(path, spec, ReadingProgress(progress, cancelled))
    return examination.whole() if only is None else examination.part(only)


class _Examination:
    def __init__(self, path: str | Path, spec: ImportSpec, progress: ReadingProgress):
        if spec.images.resize not in RESIZES:
            raise DataError(unknown_name("way to resize", spec.images.resize, RESIZES))
        self.findings, self.spec = Findings(), spec
        self.maps = DenseCheck(spec)
        self._tell = progress.begin
        self._tell(0.0, "listing the files")
        self.box_sides: dict[str, list[float]] = {}  # task -> the longer side of each box, in pixels
        self.tree = Tree(path, self.findings, progress)
        self.reader = ImageReader(self.tree, spec.images.levels)
        self.keys = image_keys(self.tree, spec.images, self.reader)
        if not self.keys:
            raise DataError(f"no pictures in '{path}' where the description says: folders {spec.images.folders}, files {spec.images.files}")

    def whole(self) -> Examined:
        self._tell(0.0, "reading pictures")
        facts = self._pictures()
        context = Context(self.tree, ImageIndex(facts), self.findings)
        targets = self._targets(context)
        self._clean(facts, targets)
        self._tell(0.98, "making the splits and the report")
        split = assign(self.spec.splits, list(facts), context, self.spec.sources, targets) if facts else {}
        facts = {key: fact for key, fact in facts.items() if key in split}
        tasks = tuple(self._task(target) for target in targets)
        report = self._report(facts, split, targets, tasks)
        self._tell(1.0, "checked")
        return Examined(self.tree, self.spec, self.reader, facts, split, targets, tasks, report)

    def part(self, only: Sequence[str]) -> Examined:
        """A few images with all their targets. References in files of targets still resolve among all images."""
        index = ImageIndex(self.keys)
        self.keys = [key for key in self.keys if key in set(only)]
        facts = self._pictures()
        targets = self._targets(Context(self.tree, index, self.findings))
        for target in targets:
            target.values = {key: value for key, value in target.values.items() if key in facts}
        self._clean(facts, targets)
        split, tasks = dict.fromkeys(facts, "train"), tuple(self._task(target) for target in targets)
        return Examined(self.tree, self.spec, self.reader, facts, split, targets, tasks, self._report(facts, split, targets, tasks))

    def _pictures(self) -> dict[str, Facts]:
        facts, self.repaired, self.turned, self.skipped = {}, set(), set(), 0
        self.fit_both_ways: set[str] = set()  # turned pictures whose stored pixels have the upright picture's size
        total = len(self.keys)
        each = one_by_one if self.reader.at_hand(self.keys) else in_threads
        for key, found in each(self.keys, self._look, lambda done: self._tell(0.7 * done / total, f"{done:,} of {total:,} pictures")):
            if isinstance(found, UnreadableError):
                self.findings.add("skipped", "picture", key, str(found))
                self.skipped += 1
                continue
            facts[key], changes = found
            for kind, sentence in changes:
                self.findings.add("note" if kind in _NOTES else "repaired", kind, key, sentence)
                self.repaired |= {key} if kind != "one_level" else set()
                self.turned |= {key} if kind == "turned" else set()
                square = found[0].size[0] == found[0].size[1]
                self.fit_both_ways |= {key} if kind == "turned" and (square or not _SWAPPED.search(sentence)) else set()
        return facts

    def _look(self, key: str) -> tuple[Facts, tuple] | UnreadableError:
        try:
            content = self.reader.content(key)
            picture = self.reader.picture(key, content, (_DRAFT, _DRAFT))
        except UnreadableError as error:
            return error
        except MemoryError:
            return UnreadableError("decoding it takes more memory than there is")
        pixels = hashlib.sha256(picture.image.tobytes() + repr((picture.size, picture.image.mode)).encode()).hexdigest()
        facts = Facts(picture.size, picture.image.mode == "L", hashlib.sha256(content).hexdigest(), pixels, picture.since)
        levels: Any = picture.image.getextrema()  # (low, high), or a list of them with one for each channel
        one = picture.size != (1, 1) and all(low == high for low, high in ([levels] if picture.image.mode == "L" else levels))
        said = [("one_level", "all its pixels are the same: empty, or in numbers too small for 'images.levels'")] if one else []
        return facts, (*picture.changes, *said)

    def _targets(self, context: Context) -> list[Targets]:
        found: dict[str, Targets] = {}
        for number, source in enumerate(self.spec.sources):
            format_class = FORMATS.load(source.format, f"sources.{number}.format")
            self._tell(0.7, f"reading targets ({format_class.title})")
            options = validated(format_class.Options, source.options, f"sources.{number}")
            for targets in (each_name_once(given, context.findings) for given in read_source(format_class(options), context)):
                found[targets.name] = joined(found[targets.name], targets, context.findings) if targets.name in found else targets
        for targets in found.values():
            fill_unlisted(targets, context.index.keys)
        if self.spec.tasks is not None:
            unknown = [name for name in self.spec.tasks if name not in found]
            if unknown:
                raise DataError(f"tasks: {unknown_name('task of these sources', unknown[0], found)}")
            return [found[name] for name in self.spec.tasks]
        return list(found.values())

    def _clean(self, facts: dict[str, Facts], targets: list[Targets]) -> None:
        """Keep the targets that fit their image and report the others."""
        self.dense: dict[tuple[str, str], str] = {}
        originals: list[dict[str, Any]] = []  # keeps the objects alive, so that no two boxes share an id
        cleaned: dict[int, np.ndarray | None] = {}  # id of boxes -> cleaned boxes, which several tasks share
        self.told: set[str] = set()
        for n, target in enumerate(sorted(targets, key=lambda target: bool(target.made_of_boxes))):  # boxes before the tasks derived from them
            share = 0.7 + 0.28 * n / max(1, len(targets))
            self._tell(share, f"checking the targets of '{target.name}'")
            keys = [key for key in target.values if key in facts]
            if target.made_of_boxes:
                target.values = self._made(target, keys, facts, cleaned)
                continue
            ways = {layers.Boxes.type: self._box, layers.Mask.type: self._mask, layers.Heat.type: self._depth, layers.Points.type: self._points}
            work = ways.get(kind_of(target.kind).layer)
            if work is None:
                continue
            kept = {}
            boxes = work == self._box
            each = one_by_one if boxes or work == self._points else in_threads  # boxes and points are read already
            done = each(keys, lambda key, t=target, w=work: w(t, key, facts[key].size), lambda _, s=share, t=target: self._tell(s, t.name))
            for key, (value, said, digest) in done:
                if work in (self._mask, self._depth) and value is not None and key in self.fit_both_ways and not isinstance(value, Shapes):
                    what = "mask" if work == self._mask else "map"
                    said = [*said, ("note", "map_of_turned", _TURNED_MAP.format(map=what))]
                for outcome, kind, sentence in said:
                    self.findings.add(outcome, kind, key, sentence, target.name)
                if boxes:
                    self.told.add(key)
                    cleaned[id(target.values[key])] = None if value is None else np.asarray(value)
                if value is not None:
                    kept[key] = value
                    self.dense[target.name, key] = digest
            originals.append(target.values)
            target.values = kept

    def _made(self, target: Targets, keys: list[str], facts: dict[str, Facts], cleaned: dict[int, np.ndarray | None]) -> dict[str, Any]:
        """Targets derived from the cleaned boxes. An image whose boxes were refused has none."""
        values = {}
        for key in keys:
            boxes: Boxes = target.values[key]
            if id(boxes) not in cleaned or boxes is target.nothing:
                rows, said = usable(boxes, facts[key].size)
                cleaned[id(boxes)] = rows
                for outcome, kind, sentence in said if key not in self.told else ():
                    self.findings.add(outcome, kind, key, sentence, target.name)
                self.told.add(key)
            rows = cleaned[id(boxes)]
            if rows is not None:
                values[key] = made(target, rows)
        return values

    def _box(self, target: Targets, key: str, size: tuple[int, int]) -> tuple[Any, list, str]:
        boxes = target.values[key]
        rows, said = usable(boxes, size)
        if rows is not None:
            self.box_sides.setdefault(target.name, []).extend(np.maximum(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1]).tolist())
        if key in self.turned and boxes.size is None and len(boxes.rows):
            said.append(("note", "boxes_of_turned", _TURNED_BOXES))
        if rows is not None and len(rows) > MOST_BOXES:
            said.append(("skipped", "too_many_boxes", f"{len(rows):,} boxes; the first {MOST_BOXES:,} are used"))
            rows = rows[:MOST_BOXES]
        return rows, said, "" if rows is None else hashlib.sha256(rows.tobytes()).hexdigest()

    def _points(self, target: Targets, key: str, size: tuple[int, int]) -> tuple[Any, list, str]:
        value = target.values[key]
        points = value if isinstance(value, PointSet) else PointSet(np.asarray(value))
        rows, said = usable_points(points, size)
        if key in self.turned and points.size is None and points.rows.any():
            said.append(("note", "points_of_turned", _TURNED_POINTS))
        return rows, said, "" if rows is None else hashlib.sha256(rows.tobytes()).hexdigest()

    def _mask(self, target: Targets, key: str, size: tuple[int, int]) -> tuple[Any, list, str]:
        value = target.values[key]
        return self._outlines(value, size) if isinstance(value, Shapes) else self.maps.mask(target.name, value, size)

    def _outlines(self, shapes: Shapes, size: tuple[int, int]) -> tuple[Any, list, str]:
        """Outlines in pixels of the image, without those that are too long to draw."""
        if shapes.size not in (None, size) and not shapes.fits(size) and not (shapes.upright and shapes.size == size[::-1]):
            return None, [("skipped", "size_differs", f"outlines for {shapes.size} (width, height); the image has {size}")], ""
        place = placement(self.spec.images.resize, size, (self.spec.images.size[1], self.spec.images.size[0]))
        whole = shapes.at(size)
        every = whole.shapes
        kept = tuple(pair for pair in every if pair[1].steps(place) <= MOST_STEPS)
        said = []
        if len(kept) < len(every):
            sentence = f"{len(every) - len(kept)} outlines run over more than {MOST_STEPS:,} pixels and are left out of the mask"
            said.append(("skipped", "outline", sentence))
            whole = Shapes(kept, size)
        return whole, said, whole.digest()

    def _depth(self, target: Targets, key: str, size: tuple[int, int]) -> tuple[Any, list, str]:
        return self.maps.depth(target.name, target.values[key], size)

    def _task(self, target: Targets) -> Task:
        value_range = self.maps.ranges.get(target.name, (0.0, 1.0))
        title = self.spec.titles.get(target.name, target.name.replace("_", " ").capitalize())
        return replace(target.task, title=title, value_range=value_range)

    def _report(self, facts: dict[str, Facts], split: dict[str, str], targets: list[Targets], tasks: tuple[Task, ...]) -> Report:
        sizes = Counter(fact.size for fact in facts.values())
        parts = Counter(split[key] for key in facts)
        grey = self.spec.images.colour == "grey" or (self.spec.images.colour == "auto" and bool(facts) and all(fact.grey for fact in facts.values()))
        shape = (1 if grey else 3, *self.spec.images.size)
        leaks, leak_count = leaks_between(facts, split)
        if leak_count:
            self.findings.add("note", "leak", leaks[0].files[1], f"{leak_count:,} pictures are in two parts of the data (same pixels)")
        say_doubts(self.findings, facts, split, targets)
        summaries = tuple(task_summary(task, target, split) for task, target in zip(tasks, targets, strict=True))
        counts = Counter()
        for (outcome, kind, _), number in self.findings.counts.items():
            counts[f"{outcome}/{kind}"] += number
        return Report(
            images=len(facts),
            found=len(self.keys),
            repaired=len(self.repaired),
            skipped=self.skipped,
            split_sizes={part: parts[part] for part in SPLITS},
            image_shape=shape,
            original_sizes=dict(sizes.most_common(20)),
            tasks=summaries,
            findings=tuple(self.findings.rows),
            left_out=self.findings.left_out,
            counts=dict(sorted(counts.items())),
            leaks=tuple(leaks),
            leak_count=leak_count,
            problems=(
                *problems_with(parts, summaries, images_alone=self.spec.tasks == [] or all(map(_gives_nothing, self.spec.sources))),
                *self.maps.problems(),
                *specks(self.box_sides),
            ),
            questions=(*self.maps.questions(), *without_train(summaries, self.spec.splits.how != "ratio")),
            bytes_prepared=len(facts)
            * (int(np.prod(shape)) + sum(row_bytes(task, target, shape) for task, target in zip(tasks, targets, strict=True))),
            digest=self._digest(facts, split, targets, tasks, shape),
        )

    def _digest(self, facts: dict[str, Facts], split: dict[str, str], targets: list[Targets], tasks: tuple[Task, ...], shape: tuple) -> str:
        """Digest of everything that the arrays depend on; the path and the set's name are not part of it."""
        sum_ = hashlib.sha256(repr((preparation_of(facts), shape, self.spec.images.resize, self.spec.images.levels, tasks)).encode())
        points = [[getattr(task, name) for name in POINT_FIELDS] for task in tasks]  # not in a task's representation
        if any(any(fields) for fields in points):
            sum_.update(repr(points).encode())
        for key, fact in facts.items():
            sum_.update(f"{key}\0{split[key]}\0{fact.content}\0".encode())
            for target in targets:
                if key in target.values:
                    sum_.update((self.dense.get((target.name, key)) or repr(target.values[key])).encode())
                sum_.update(b"\n")
        return sum_.hexdigest()


def preparation_of(facts: dict[str, Facts]) -> int:
    """The version of the preparation of a set with these pictures: the first one that makes the arrays that are made now."""
    return max([PREPARATION, *(fact.since for fact in facts.values())])


def _gives_nothing(source: SourceSpec) -> bool:
    """Whether a source of class folders is kept without a task: its folders are no classes."""
    options = source.model_extra or {}
    return source.format == "class_folders" and options.get("task") == ""
