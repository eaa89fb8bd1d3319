"""Pascal VOC: one XML per image with its boxes. VOC counts pixels from 1, the last one inclusive; most tools write borders from 0 (``origin``)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal
from xml.etree.ElementTree import Element

from pydantic import Field

from mtl_core.data.imports.formats import Context, Format, Guess, Targets, stem_of
from mtl_core.data.imports.formats.annotations.object_format import few_folders
from mtl_core.data.imports.formats.annotations.objects import NOWHERE, ObjectOptions, Objects, number, picture_size, unlisted_question
from mtl_core.data.imports.formats.annotations.outlines import Outline, polygon
from mtl_core.data.imports.formats.annotations.xml_files import roots
from mtl_core.data.imports.formats.image_index import AmbiguousImageError
from mtl_core.data.imports.formats.stated_sizes import size_question
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import EXTENSIONS
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError

MOST_XML_BYTES = 8 << 20


class VocOptions(ObjectOptions):
    """Options of Pascal VOC."""

    folder: str = Field("", description="Folder of the XML files.")
    origin: Literal[0, 1] = Field(
        1, description="1: corners are pixels counted from 1, the last one in the box (VOC itself). 0: they are borders counted from 0 (most tools)."
    )
    extension: str = Field("", description="Ending of the pictures, such as '.jpg', if the XML gives names without one and several fit.")


@dataclass
class _Seen:
    """Statistics of a folder of XML files."""

    names: set[str] = field(default_factory=set)
    files: int = 0
    boxes: int = 0
    zeros: int = 0  # boxes with a corner at 0
    full: int = 0  # boxes that end at the stated width or height
    beyond: int = 0
    outlines: int = 0
    keys: dict[str, None] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int] | None] = field(default_factory=dict)  # key -> size stated in the file
    open_names: dict[str, list[str]] = field(default_factory=dict)  # XML -> pictures that differ only in their ending
    at_border: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)  # stated name of a picture that is not there -> the picture of the name of the XML


class Voc(Format):
    """Boxes of Pascal VOC."""

    title = "Pascal VOC XML"
    summary = "An XML per image, with named boxes."
    Options = VocOptions
    options: VocOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        folders: dict[str, list[str]] = {}
        for name in context.tree.files:
            if name.lower().endswith(".xml") and roots(context.tree).get(name) == "annotation":
                folders.setdefault(name.rpartition("/")[0], []).append(name)
        guesses, folders = [], few_folders(folders)
        for folder, files in folders.items():
            seen = _look(context, files)
            if seen.names and not seen.keys:
                context.not_understood(f"{folder}/*.xml" if folder else "*.xml", "Pascal VOC, but their pictures are not there", seen.files)
            if not seen.names or not seen.keys:
                continue
            name = "boxes" if len(folders) == 1 else f"boxes_{folder.rpartition('/')[2]}"
            if len(folders) > 1 and len({folder.rpartition("/")[2] for folder in folders}) < len(folders):
                name = "boxes"  # the parts of one set, such as train/labels and val/labels
            options = {"folder": folder, "boxes": name, "origin": 0 if seen.zeros else 1}
            if len(seen.names) > 1:
                options |= {"present": "present", "counts": "count"}
            if seen.outlines:
                options["segments"] = "object_masks"
            questions = [*_origin_question(seen), *_extension_question(seen, options), *unlisted_question(context, seen.keys, "XML")]
            questions += size_question(context, seen.sizes, options)
            notes = []
            if seen.renamed:
                stated, key = next(iter(seen.renamed.items()))
                notes = [
                    f"{len(seen.renamed):,} XML files name a picture that is not there, such as '{stated}': "
                    f"the picture of the XML's name is taken ('{key}')"
                ]
            where, names = folder or ".", ", ".join(sorted(seen.names)[:8])
            note = (
                f"'{where}': {seen.files:,} XML files with {seen.boxes:,} boxes of {names}, with corners from 0"
                if seen.zeros
                else f"'{where}': {seen.files:,} XML files with {seen.boxes:,} boxes of {names}, with corners from 1"
            )
            context.understood(f"{folder}/*.xml" if folder else "*.xml", "Pascal VOC", seen.files)
            guesses.append(Guess(options, labelled={name: len(seen.keys)}, notes=[note, *notes], questions=questions))
        return guesses

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        prefix = f"{options.folder}/" if options.folder else ""
        found = Objects(context, options)
        for file in context.tree.files:
            if not file.lower().endswith(".xml") or not file.startswith(prefix):
                continue
            root = _root(context, file, tell=True)
            if root is None:
                continue
            key = _image(context, root, file, options)
            if not key or not found.picture(key, file, _size(root)):
                continue
            for element in root.iter("object"):
                name = (element.findtext("name") or "").strip()
                if not name:
                    found.refuse(key, "no_class", file, "an object without a name")
                    continue
                outline = _outline(element)
                if outline is None and element.find("polygon") is not None and options.segments:
                    context.findings.add("skipped", "outline", file, "a polygon that cannot be drawn; left out of the mask", options.segments)
                found.add(key, name, _box(element, options.origin), outline)
        return found.targets()


def _look(context: Context, files: list[str]) -> _Seen:
    seen = _Seen()
    for file in files:
        root = _root(context, file)
        if root is None:
            continue
        seen.files += 1
        size = _size(root)
        key = _quiet(context, root, file, seen)
        if key:
            seen.keys[key] = None
            seen.sizes[key] = size
        for element in root.iter("object"):
            name = (element.findtext("name") or "").strip()
            if not name:
                continue
            x1, y1, x2, y2 = _corners(element)
            seen.names.add(name)
            seen.boxes += 1
            seen.outlines += _outline(element) is not None
            seen.zeros += (x1 == 0 or y1 == 0) and x2 > x1 and y2 > y1
            if size and (x2 >= size[0] or y2 >= size[1]):
                seen.full += 1
                if key and len(seen.at_border) < 6:
                    seen.at_border.append(key)
    return seen


def _origin_question(seen: _Seen) -> list[Question]:
    if seen.zeros or seen.full or not seen.boxes:  # a corner at 0 excludes counting from 1; one at the width is the last pixel counted from 1
        return []
    readings = (
        Reading("from-1", "pixels counted from 1, the last one in the box, as Pascal VOC itself writes them", {"origin": 1}),
        Reading("from-0", "borders counted from 0, as LabelImg, CVAT and Roboflow write them", {"origin": 0}),
    )
    evidence = (
        f"None of the {seen.boxes:,} boxes touches a side of its picture: a corner at 0 would speak for 0, one at the width or height for 1. "
        "The two readings differ by one pixel of the original picture."
    )
    return [Question("origin", "Do the corners of the boxes count from 0 or from 1?", readings, "from-1", evidence, tuple(list(seen.keys)[:6]))]


def _extension_question(seen: _Seen, options: dict) -> list[Question]:
    if not seen.open_names:
        return []
    endings = Counter(_ending(key) for keys in seen.open_names.values() for key in keys)
    order = sorted(endings, key=lambda ending: (ending not in (".jpg", ".jpeg"), ending))
    readings = tuple(Reading(ending.lstrip("."), f"the {ending} pictures", {"extension": ending}) for ending in order)
    options["extension"] = order[0]
    evidence = (
        f"{len(seen.open_names):,} XML files name a picture without its ending, and there are {' and '.join(order)} files of that name. "
        f"{order[0]} is taken, as Pascal VOC's pictures are; the others are not labelled."
    )
    examples = tuple(next(iter(seen.open_names.values())))[:6]
    return [Question("extension", "Which of the pictures of one name do the XML files mean?", readings, order[0].lstrip("."), evidence, examples)]


def _root(context: Context, file: str, tell: bool = False) -> Element | None:
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        root = ElementTree.fromstring(context.tree.read(file, MOST_XML_BYTES), forbid_dtd=True)
        if root.tag == "annotation":
            return root
        reason = ("other_xml", f"an XML of '{str(root.tag)[:40]}'; expected 'annotation' as Pascal VOC has it")
    except DefusedXmlException as error:
        reason = ("xml_entities", f"it declares entities or a document type, which may do harm ({type(error).__name__}); not read")
    except (ElementTree.ParseError, UnreadableError, ValueError, LookupError) as error:
        reason = ("damaged_xml", f"not readable XML: {error}")
    if tell:
        context.findings.add("skipped", reason[0], file, reason[1])
    return None


def _corners(element: Element) -> tuple[float, float, float, float]:
    box = element.find("bndbox")
    if box is None:
        box = element.find("robndbox")
    if box is not None and box.find("cx") is not None:  # a rotated box of roLabelImg: the box around it
        return _turned(box)
    return tuple(number(box.findtext(side) if box is not None else None) for side in ("xmin", "ymin", "xmax", "ymax"))  # type: ignore[return-value]


def _turned(box: Element) -> tuple[float, float, float, float]:
    import math

    x, y, width, height, angle = (number(box.findtext(name)) for name in ("cx", "cy", "w", "h", "angle"))
    if not math.isfinite(angle):
        return NOWHERE
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    across, down = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    return x - across, y - down, x + across, y + down


def _box(element: Element, origin: int) -> tuple[float, float, float, float]:
    """The box as borders from 0."""
    x1, y1, x2, y2 = _corners(element)
    if not origin or element.find("robndbox") is not None:
        return x1, y1, x2, y2
    empty = x2 == x1 or y2 == y1  # before the last pixel is included
    if x2 < x1 or y2 < y1:
        return x1 - 1, y1 - 1, x2 - 1, y2 - 1
    return x1 - 1, y1 - 1, x1 - 1 if empty else x2, y1 - 1 if empty else y2


def _outline(element: Element) -> Outline | None:
    """The polygon that Roboflow and Label Studio add: x1, y1, x2, y2, ... as elements."""
    points = element.find("polygon")
    if points is None:
        return None
    pairs, count = [], 1
    while points.find(f"x{count}") is not None and count < 100_000:
        pairs.append((number(points.findtext(f"x{count}")), number(points.findtext(f"y{count}"))))
        count += 1
    try:
        return polygon(pairs)
    except ValueError:
        return None


def _size(root: Element) -> tuple[int, int] | None:
    return picture_size(root.findtext("size/width"), root.findtext("size/height"))


def _ending(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}"


def _names(root: Element, file: str, extension: str) -> list[str]:
    """Names of an XML's picture: the stated file name, with its folder if stated, then the XML's own name."""
    stated, own = (root.findtext("filename") or "").strip(), stem_of(file)
    names = [name for name in (stated, own) if name]
    return [name if _ending(name) in EXTENSIONS else f"{name}{extension}" for name in names] if extension else names


def _quiet(context: Context, root: Element, file: str, seen: _Seen) -> str | None:
    for name in _names(root, file, ""):
        try:
            key = context.index.find(name, near=file.rpartition("/")[0])
        except AmbiguousImageError:
            fits = context.index.same_stem(name, file.rpartition("/")[0])
            if len(fits) > 1 and len({key.rpartition(".")[0] for key in fits}) == 1:
                seen.open_names[file] = fits
                seen.keys |= dict.fromkeys(fits)
            continue
        if key:
            stated = (root.findtext("filename") or "").strip()
            if name != stated and stated and stem_of(stated) != stem_of(file):
                seen.renamed[stated] = key
            return key
    return None


def _image(context: Context, root: Element, file: str, options: VocOptions) -> str | None:
    near = file.rpartition("/")[0]
    names = _names(root, file, options.extension)
    for name in names[:-1]:
        try:
            found = context.index.match(name, options.images, near)[0]
        except AmbiguousImageError:
            continue
        if found:
            return context.image(name, file, options.boxes, options.images, near)
    return context.image(names[-1], file, options.boxes, options.images, near)
