"""Pascal VOC: one XML per image with its boxes. Coordinates count from 1 there; x1 and y1 become one less (the last pixel is in the box)."""

from __future__ import annotations

from collections import Counter
from xml.etree.ElementTree import Element

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets, stem_of
from mtl_core.data.imports.formats.boxes import Boxes, derived, in_order
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError

MOST_XML_BYTES = 8 << 20


class VocOptions(FormatOptions):
    """Options of Pascal VOC."""

    folder: str = Field("", description="Folder of the XML files.")
    images: str = Field("", description="Folder of the images they belong to, empty for any.")
    boxes: str = Field("boxes", description="Name of the task of boxes.")
    present: str = Field("", description="Name of a multi-label task made of the boxes: which classes there are; empty for none.")
    counts: str = Field("", description="Beginning of the names of regression tasks made of the boxes: how many of each class; empty for none.")
    classes: list[str] = Field(default_factory=list, description="Class names in order; empty for those found.")


class Voc(Format):
    """Boxes of Pascal VOC."""

    title = "Pascal VOC XML"
    summary = "An XML per image, with named boxes."
    Options = VocOptions
    options: VocOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        folders = Counter(name.rpartition("/")[0] for name in context.tree.files if name.lower().endswith(".xml"))
        guesses = []
        for folder, count in folders.items():
            first = sorted(name for name in context.tree.files if name.lower().endswith(".xml") and name.rpartition("/")[0] == folder)[:100]
            names = {name for file in first if (root := _root(context, file)) is not None for name, _ in _objects(root)}
            if names:
                name = "boxes" if len(folders) == 1 else f"boxes_{folder.rpartition('/')[2]}"
                options = {"folder": folder, "boxes": name}
                if len(names) > 1:
                    options |= {"present": "present", "counts": "count"}
                guesses.append(
                    Guess(options, labelled={name: count}, notes=[f"'{folder}': {count:,} XML files with boxes of {', '.join(sorted(names)[:8])}"])
                )
        return guesses

    def read(self, context: Context) -> list[Targets]:
        prefix = f"{self.options.folder}/" if self.options.folder else ""
        rows: dict[str, tuple[list, tuple[int, int] | None]] = {}
        for file in context.tree.files:
            if not file.lower().endswith(".xml") or not file.startswith(prefix):
                continue
            root = _root(context, file, tell=True)
            if root is None:
                continue
            key = _image(context, root, file, self.options)
            if key in rows:
                context.findings.add("skipped", "duplicate", file, f"a second XML of '{key}'; the first is used", self.options.boxes)
            elif key:
                rows[key] = ([(name, box) for name, box in _objects(root)], _size(root))
        found = {name for objects, _ in rows.values() for name, _ in objects}
        classes = tuple(self.options.classes) or in_order(found)
        place = {name: index for index, name in enumerate(classes)}
        targets = Targets(self.options.boxes, "detection", classes)
        for key, (objects, size) in rows.items():
            known = [(*box, place[name]) for name, box in objects if name in place]
            if len(known) < len(objects):
                others = sorted({name for name, _ in objects} - set(place))
                context.findings.add("skipped", "unknown_class", key, f"boxes of classes that are not listed: {', '.join(others)}", targets.name)
            targets.values[key] = Boxes(np.array(known, np.float64).reshape(-1, 5), size=size)
        more = derived(targets, self.options.present, self.options.counts)
        return [*([targets] if self.options.boxes else []), *more]


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


def _objects(root: Element) -> list[tuple[str, tuple[float, float, float, float]]]:
    found = []
    for element in root.iter("object"):
        name = (element.findtext("name") or "").strip()
        corners = [_number(element.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
        x1, y1, x2, y2 = corners
        if name:
            empty = x2 <= x1 or y2 <= y1  # as written, before counting the last pixel in
            found.append((name, (x1 - 1, y1 - 1, x1 - 1 if empty else x2, y1 - 1 if empty else y2)))
    return found


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else float("nan")
    except ValueError:
        return float("nan")


def _size(root: Element) -> tuple[int, int] | None:
    width, height = (_number(root.findtext(f"size/{side}")) for side in ("width", "height"))
    return (int(width), int(height)) if 0 < width < 1e6 and 0 < height < 1e6 else None


def _image(context: Context, root: Element, file: str, options: VocOptions) -> str | None:
    """By the file name it states, else by its own."""
    stated = (root.findtext("filename") or "").strip()
    own = stem_of(file)
    for name in filter(None, (stated, own)):
        try:
            key = context.index.find(name, options.images)
        except Exception:
            key = None
        if key:
            return key
    return context.image(own, file, options.boxes, options.images)
