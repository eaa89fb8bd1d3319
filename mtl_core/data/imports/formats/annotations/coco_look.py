"""A first look at a COCO file: counts, and questions about its boxes and sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.annotations.objects import number, picture_size, same_id, unlisted_question
from mtl_core.data.imports.formats.annotations.point_look import mirror_question, proposed_points, several_question
from mtl_core.data.imports.formats.annotations.point_sets import MOST_POINTS
from mtl_core.data.imports.formats.image_index import PART_WORDS, AmbiguousImageError, is_inner
from mtl_core.data.imports.formats.stated_sizes import size_question
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import MOST_BYTES, read_picture
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.names import suggested_task_name

_LOOKED_AT = 24
_KEPT = 20_000  # boxes that are kept to distinguish sizes from corners


class CocoLook:
    """The content of one file.

    Raises:
        DataError: as ``entries`` does.
    """

    def __init__(self, context: Context, file: str, entries: Iterable[tuple[str, Any]]):
        self.context, self.file = context, file
        self.images = self.objects = self.outlines = self.of_pictures = 0
        self.sizes: dict[Any, tuple[str, tuple[int, int] | None]] = {}
        self.names: set[str] = set()
        self.categories: dict[Any, dict] = {}
        self.pointed: dict[Any, Counter[Any]] = {}  # category -> image -> objects with labelled points
        self.lengths: dict[Any, int] = {}  # category -> numbers in its keypoints
        self.boxes: list[tuple[Any, list[float]]] = []
        self.references: list[str] = []
        for name, entry in entries:
            if isinstance(entry, dict):
                getattr(self, f"_{name}")(entry)
        self.folder = self._folder()
        self.keys = self._keys()

    def _images(self, entry: dict) -> None:
        self.images += 1
        if name := picture_name(entry):
            self.references.append(name)
            self.sizes[same_id(entry.get("id"))] = (name, picture_size(entry.get("width"), entry.get("height")))

    def _categories(self, entry: dict) -> None:
        self.names |= {entry["name"]} if isinstance(entry.get("name"), str) else set()
        self.categories.setdefault(same_id(entry.get("id")), entry)

    def _annotations(self, entry: dict) -> None:
        self.objects += 1
        self.outlines += bool(entry.get("segmentation"))
        self.of_pictures += is_of_whole_picture(entry)
        points = entry.get("keypoints")
        if isinstance(points, list) and any(points[2::3]) and not entry.get("iscrowd"):
            category = same_id(entry.get("category_id"))
            self.pointed.setdefault(category, Counter())[same_id(entry.get("image_id"))] += 1
            self.lengths.setdefault(category, len(points))
        box = entry.get("bbox")
        if isinstance(box, list) and len(box) == 4 and len(self.boxes) < _KEPT:
            self.boxes.append((same_id(entry.get("image_id")), [number(value) for value in box]))

    def guess(self, listed: set[str], asked: set[str]) -> Guess:
        """The guess with its questions.

        Args:
            listed: images that this or another COCO file names.
            asked: folders for which another file asks about unlisted pictures; those of this one are added.
        """
        options: dict[str, Any] = {"file": self.file, "images": self.folder, "segments": ""}
        if self.objects and self.of_pictures == self.objects:
            return self._classes(options)
        if self.outlines and len(self.names) < IGNORE - 1:
            options["segments"] = "object_masks"
        notes = [f"'{self.file}': {self.images:,} images, {self.objects:,} objects, {len(self.names)} classes"]
        labelled = {"boxes": len(self.keys), "present": len(self.keys)}
        questions = [*self._points(options, notes, labelled), *(self._shares(options) or self._corners(options)), *self._turned(options, notes)]
        stated = {key: size for reference, size in self.sizes.values() if (key := self._find(reference, self.folder))}
        questions += size_question(self.context, stated, options)
        questions += unlisted_question(self.context, self.keys, "COCO file", listed, asked)
        self.context.understood(self.file, f"COCO: {self.images:,} images, {self.objects:,} objects")
        return Guess(options, labelled=labelled, notes=notes, questions=questions)

    def _classes(self, options: dict[str, Any]) -> Guess:
        """The guess for a file whose annotations name an image and a category alone, as iNaturalist's do."""
        options |= {"boxes": "", "present": "", "tags": "class"}
        self.context.understood(self.file, f"COCO: {self.images:,} images, {self.objects:,} classes of whole pictures, without boxes")
        note = f"'{self.file}': {self.images:,} images, {self.objects:,} labels of whole pictures, without boxes, {len(self.names)} classes"
        return Guess(options, labelled={"class": len(self.keys)}, notes=[note])

    def _points(self, options: dict, notes: list[str], labelled: dict[str, int]) -> list[Question]:
        """Propose a task for each list of points that categories have, and ask about images with several objects."""
        groups: dict[tuple, list[Any]] = {}
        for category, length in self.lengths.items():
            if category in self.categories and length % 3 == 0:
                given = self.categories[category].get("keypoints")
                names = tuple(given) if isinstance(given, list) and all(isinstance(name, str) for name in given) else ()
                groups.setdefault((length // 3, names), []).append(category)
        proposed, several, images, most = [], Counter(), set(), 0
        for (count, names), categories in groups.items():
            if count > MOST_POINTS:
                notes.append(f"'{self.file}': objects of {count:,} points each: at most {MOST_POINTS:,} can be learnt, so they are not read")
                continue
            classes = [str(self.categories[category].get("name")) for category in categories]
            task = "points" if len(groups) == 1 else suggested_task_name(f"points_{classes[0]}")
            skeleton = self.categories[categories[0]].get("skeleton")
            values, said = proposed_points(task, names, count, edges=_from_zero(skeleton))
            proposed.append(values | {"classes": classes if len(categories) < len(self.categories) else []})
            notes += [f"'{self.file}', '{task}': {sentence}" for sentence in said]
            found: Counter[Any] = Counter()
            for category in categories:
                found.update(self.pointed[category])
            several.update({image: number for image, number in found.items() if number > 1})
            most, images = max(most, *found.values()), images | found.keys()
            labelled[task] = len(found)
            notes.append(f"'{self.file}': {sum(found.values()):,} objects ({', '.join(classes[:4])}) have {count} points each: task '{task}'")
        if not proposed:
            return []
        options["named_points"] = proposed
        if not self.boxes:
            options |= {"boxes": "", "present": ""}
        return [*several_question(len(images), len(several), most, self._shown(several)), *mirror_question(proposed, self._shown(images))]

    def _shown(self, images: Iterable[Any]) -> list[str]:
        """The pictures of the first image ids."""
        references = [self.sizes[image][0] for image in images if image in self.sizes][:6]
        return [key for reference in references if (key := self._find(reference, self.folder))]

    def _folder(self) -> str:
        """The folder of images in the file's name, as train2017 in instances_train2017.json; '' if there is not exactly one."""
        stem = self.file.rpartition("/")[2].rpartition(".")[0].lower()
        folders = {key.rpartition("/")[0] for key in self.context.index.keys if not is_inner(key)}
        words = {folder: folder.rpartition("/")[2].lower() for folder in folders}
        fitting = [folder for folder, word in words.items() if word and word in stem and (len(word) > 3 or word in PART_WORDS)]
        if len(fitting) != 1:
            return ""
        found = sum(self._find(reference, fitting[0]) is not None for reference in self.references[:20])
        return fitting[0] if found else ""

    def _find(self, reference: str, folder: str) -> str | None:
        try:
            return self.context.index.find(reference, folder, self.file.rpartition("/")[0])
        except AmbiguousImageError:
            return None

    def _keys(self) -> dict[str, None]:
        found = (self._find(reference, self.folder) for reference in self.references)
        return dict.fromkeys(key for key in found if key)

    def _sized(self) -> Iterator[tuple[str, list[float], tuple[int, int]]]:
        for image, box in self.boxes:
            reference, size = self.sizes.get(image, ("", None))
            if size:
                yield reference, box, size

    def _shares(self, options: dict) -> list[Question]:
        """The question about boxes that would be smaller than two pixels, but fit the picture as shares of its sides."""
        boxes = [box for _, box, _ in self._sized()]
        if len(boxes) < 3 or not all(-0.01 <= value <= 1.01 for box in boxes for value in box):
            return []
        corners = any(box[0] + box[2] > 1.01 or box[1] + box[3] > 1.01 for box in boxes) and all(box[0] < box[2] and box[1] < box[3] for box in boxes)
        taken = "share_corners" if corners else "shares"
        readings = (
            Reading("shares", "shares of the picture's width and height: x, y, width, height from 0 to 1", {"bbox": "shares"}),
            Reading("share_corners", "shares: x1, y1, x2, y2 from 0 to 1", {"bbox": "share_corners"}),
            Reading("sizes", "pixels, as COCO says: objects of one pixel and less", {"bbox": "sizes"}),
        )
        options["bbox"] = taken
        evidence = f"All numbers of the {len(boxes):,} boxes looked at lie between 0 and 1; COCO writes pixels."
        keys = [key for reference, _, _ in list(self._sized())[:6] if (key := self._find(reference, self.folder))]
        return [
            Question(
                "bbox", "Are the numbers of a box pixels, or shares of the picture's sides?", readings, taken, evidence, tuple(dict.fromkeys(keys))
            )
        ]

    def _corners(self, options: dict) -> list[Question]:
        """The question about boxes that reach out of their pictures as sizes, but fit as corners."""
        outside, fit, total, examples = 0, 0, 0, Counter()
        for reference, (x, y, third, fourth), (width, height) in self._sized():
            total += 1
            out = x + third > width + 1 or y + fourth > height + 1
            outside += out
            fit += x < third <= width + 1 and y < fourth <= height + 1
            examples[reference] += out
        if not outside or fit < total or outside < 0.1 * total:
            return []
        readings = (
            Reading("corners", "two corners: x1, y1, x2, y2", {"bbox": "corners"}),
            Reading("sizes", "a corner and sizes: x, y, width, height, as COCO says", {"bbox": "sizes"}),
        )
        options["bbox"] = "corners"
        evidence = f"Read as sizes, {outside:,} of {total:,} boxes reach out of their picture; read as corners, all {total:,} lie in it."
        keys = [key for reference, out in examples.most_common(6) if out and (key := self._find(reference, self.folder))]
        return [Question("bbox", "Are the four numbers of a box two corners, or a corner and sizes?", readings, "corners", evidence, tuple(keys))]

    def _turned(self, options: dict, notes: list[str]) -> list[Question]:
        """The question about pictures whose stated size is that before EXIF rotation."""
        swapped: dict[str, tuple[str, tuple[int, int]]] = {}
        references = [(reference, size) for reference, size in self.sizes.values() if size and size[0] != size[1]]
        for reference, size in references[:: max(1, len(references) // _LOOKED_AT)]:
            key = self._find(reference, self.folder)
            if key and self._real_size(key) == size[::-1]:
                swapped[reference] = (key, size)
        if not swapped:
            return []
        boxes = [(box, size) for reference, box, size in self._sized() if reference in swapped]
        upright = sum(not _fits(box, size) and _fits(box, (size[1], size[0])) for box, size in boxes)
        stored = sum(_fits(box, size) and not _fits(box, (size[1], size[0])) for box, size in boxes)
        evidence = (
            f"{len(swapped)} of the pictures looked at are turned by EXIF, the file states their size before; of their {len(boxes)} boxes "
            f"{upright} fit only the upright picture, {stored} only the stored one."
        )
        if upright and not stored:
            options["turned"] = "upright"
            notes.append(f"'{self.file}': {evidence} They are read in the upright picture.")
            return []
        if stored and not upright:
            notes.append(f"'{self.file}': {evidence} Their objects are left out: save the pictures upright and export again.")
            return []
        readings = (
            Reading("refuse", "nothing: these pictures are not labelled", {"turned": "refuse"}),
            Reading("upright", "boxes of the upright picture", {"turned": "upright"}),
        )
        keys = tuple(key for key, _ in swapped.values())[:6]
        return [Question("turned", "What are the boxes of pictures that EXIF turns?", readings, "refuse", evidence, keys)]

    def _real_size(self, key: str) -> tuple[int, int] | None:
        try:
            return read_picture(self.context.tree.read(key, MOST_BYTES), key, (64, 64)).size
        except UnreadableError:
            return None


def picture_name(entry: dict) -> str:
    """The name of an image's file; LVIS gives only the address of COCO's picture, whose last folder and file name are it. '' if there is none."""
    name, address = entry.get("file_name"), entry.get("coco_url")
    if isinstance(name, str):
        return name
    return "/".join(address.split("/")[-2:]) if isinstance(address, str) else ""


def is_of_whole_picture(entry: dict) -> bool:
    """Whether an annotation gives its image a category, and no place in it."""
    return "category_id" in entry and not any(entry.get(key) for key in ("bbox", "segmentation", "keypoints", "caption", "segments_info"))


def _fits(box: list[float], size: tuple[int, int]) -> bool:
    x, y, width, height = box
    return x >= -1 and y >= -1 and x + width <= size[0] + 1 and y + height <= size[1] + 1


def _from_zero(skeleton: Any) -> list[Any]:
    """COCO's skeleton counts points from 1; one that holds a 0 counts from 0."""
    pairs = [pair for pair in skeleton if isinstance(pair, list)] if isinstance(skeleton, list) else []
    first = 0 if any(0 in pair for pair in pairs) else 1
    return [[end - first if isinstance(end, int) else end for end in pair] for pair in pairs]
