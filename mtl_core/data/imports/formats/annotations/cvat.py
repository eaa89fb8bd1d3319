"""CVAT XML: 'CVAT for images 1.1' with boxes, polygons, ellipses, masks and tags of each picture, and 'CVAT for video 1.1' with tracks."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat
from mtl_core.data.imports.formats.annotations.objects import Objects, TagOptions, enclosing, number, picture_size
from mtl_core.data.imports.formats.annotations.outlines import Outline, bitmap, ellipse, polygon, rectangle
from mtl_core.data.imports.formats.annotations.xml_files import roots
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

MOST_XML_BYTES = 2 << 30
_MOST_FRAMES = 1_000_000
_NO_AREA = ("polyline", "points", "cuboid", "skeleton")
_AREAS = ("box", "polygon", "ellipse", "mask")


class CvatOptions(TagOptions):
    """Options of CVAT."""

    file: str = Field("", description="The XML file.")


class Cvat(ObjectFormat):
    """Shapes of CVAT."""

    title = "CVAT XML"
    summary = "One XML with boxes, polygons, masks and tags, as 'CVAT for images' or 'CVAT for video' writes it."
    Options = CvatOptions
    options: CvatOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        files = [name for name, root in roots(context.tree).items() if root == "annotations"]
        found = [cls.look(context, {"file": file}, file, what="XML") for file in files]
        return [look[0] for look in found if look]

    def collect(self, context: Context, found: Objects) -> None:
        from defusedxml import ElementTree
        from defusedxml.common import DefusedXmlException

        file, frames = self.options.file, _Frames(context, self.options)
        try:
            with context.tree.stream(file, MOST_XML_BYTES) as content:
                root = None
                for event, element in ElementTree.iterparse(content, events=("start", "end"), forbid_dtd=True):
                    root = element if root is None else root
                    if event == "end" and element.tag in ("image", "track", "meta"):
                        {"image": self._image, "track": frames.track, "meta": frames.meta}[element.tag](*self._given(context, element, found))
                        root.clear()
        except DefusedXmlException as error:
            raise DataError(f"'{file}' declares entities or a document type, which may do harm ({type(error).__name__}); not read") from None
        except (ElementTree.ParseError, UnreadableError, ValueError, LookupError) as error:
            raise DataError(f"'{file}' is not readable XML: {error}") from None
        frames.finish(found)

    def _given(self, context: Context, element: Element, found: Objects) -> tuple:
        return (context, element, found) if element.tag == "image" else (element,)

    def _image(self, context: Context, element: Element, found: Objects) -> None:
        name, where = element.get("name") or "", f"{self.options.file}: image {element.get('id')}"
        key = context.image(name, where, self.options.boxes, self.options.images)
        size = picture_size(element.get("width"), element.get("height"))
        if not key or not found.picture(key, where, size):
            return
        for child in element:
            if child.tag == "tag" and child.get("label"):
                found.tag(key, "", [str(child.get("label"))])
            elif child.tag in _AREAS:
                _add(found, key, where, child, str(child.get("label") or ""), size)
            elif child.tag in _NO_AREA:
                found.skip(key, "other_shape", where, f"a {child.tag} of '{child.get('label')}' is no area")


def _add(found: Objects, key: str, where: str, shape: Element, label: str, size: tuple[int, int] | None) -> None:
    if not label:
        found.refuse(key, "no_class", where, f"a {shape.tag} without a label")
        return
    found.turned += shape.tag == "box" and number(shape.get("rotation") or 0) % 360 > 0
    try:
        found.add(key, label, *_area(shape, size))
    except (ValueError, TypeError) as error:
        found.refuse(key, "outline", where, f"a {shape.tag} of '{label[:60]}' that cannot be read: {error}")


def _area(shape: Element, size: tuple[int, int] | None) -> tuple[tuple[float, float, float, float] | None, Outline | None]:
    if shape.tag == "box":
        box = tuple(number(shape.get(side)) for side in ("xtl", "ytl", "xbr", "ybr"))
        turned = number(shape.get("rotation") or 0)
        if turned % 360 and np.isfinite([*box, turned]).all():
            return enclosing(rectangle(*box, degrees=turned)), None
        return box, None  # type: ignore[return-value]
    if shape.tag == "ellipse":
        numbers = [number(shape.get(side)) for side in ("cx", "cy", "rx", "ry")]
        return None, ellipse(*numbers, degrees=number(shape.get("rotation") or 0))
    if shape.tag == "mask":
        return None, _mask(shape, size)
    return None, polygon([tuple(number(value) for value in pair.split(",")) for pair in (shape.get("points") or "").split(";") if pair.strip()])


def _mask(shape: Element, size: tuple[int, int] | None) -> Outline:
    """Outline of a mask: run lengths of 0, 1, 0, ... along the rows of a rectangle of the picture."""
    left, top, width, height = (int(number(shape.get(side))) for side in ("left", "top", "width", "height"))
    lengths = [int(value) for value in (shape.get("rle") or "").split(",")]
    if size is None or width < 1 or height < 1 or width * height > 100_000_000 or any(n < 0 for n in lengths) or sum(lengths) != width * height:
        raise ValueError("run lengths that do not fill the mask's box")
    return bitmap(np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width), size, left, top)


class _Frames:
    """Collects the tracks of a video and finds the pictures of its frames."""

    def __init__(self, context: Context, options: CvatOptions):
        self.context, self.options = context, options
        self.size: tuple[int, int] | None = None
        self.frames: tuple[int, int] | None = None
        self.tracks: list[tuple[str, list[tuple[int, bool, Element]]]] = []

    def meta(self, element: Element) -> None:
        """Read size and number of the frames."""
        self.size = picture_size(element.findtext(".//original_size/width"), element.findtext(".//original_size/height"))
        first, last = number(element.findtext(".//start_frame")), number(element.findtext(".//stop_frame"))
        if 0 <= first <= last < _MOST_FRAMES:
            self.frames = (int(first), int(last))

    def track(self, element: Element) -> None:
        """Read one object over several frames."""
        shapes = []
        for child in element:
            frame = number(child.get("frame"))
            if 0 <= frame < _MOST_FRAMES and (child.tag in _AREAS or child.tag in _NO_AREA):
                shapes.append((int(frame), child.get("outside") == "1", child))
        self.tracks.append((element.get("label") or "", sorted(shapes, key=lambda shape: shape[0])))

    def finish(self, found: Objects) -> None:
        """Add the objects of every frame that is a picture of the set. Boxes are interpolated linearly between keyframes."""
        if not self.tracks:
            return
        last = max((shapes[-1][0] for _, shapes in self.tracks if shapes), default=0)
        keys = self._keys(*(self.frames or (0, last)))
        if not keys:
            sentence = "tracks of a video, but no picture has a frame's name (frame_000000.png); export with 'save images'"
            raise DataError(sentence)
        for frame, key in keys.items():
            found.picture(key, f"{self.options.file}: frame {frame}", self.size)
        for label, shapes in self.tracks:
            for place, (frame, outside, shape) in enumerate(shapes):
                following = shapes[place + 1] if place + 1 < len(shapes) else None
                stop = following[0] if following else (self.frames or (0, last))[1] + 1
                for at in range(frame, stop) if not outside else ():
                    if at in keys:
                        self._put(found, keys[at], f"{self.options.file}: frame {at}", label, shape, at, following)

    def _put(self, found: Objects, key: str, where: str, label: str, shape: Element, at: int, following: Any) -> None:
        begin = int(number(shape.get("frame")))
        if shape.tag in _NO_AREA:
            found.skip(key, "other_shape", where, f"a {shape.tag} of '{label}' is no area")
        elif at == begin or (following is None or following[1]):
            _add(found, key, where, shape, label, self.size)
        elif shape.tag == "box" and following[2].tag == "box":
            share, between = (at - begin) / (following[0] - begin), Element("box")
            for side in ("xtl", "ytl", "xbr", "ybr"):
                first, second = number(shape.get(side)), number(following[2].get(side))
                between.set(side, repr(first + share * (second - first)))
            between.set("rotation", shape.get("rotation") or "0")
            _add(found, key, where, between, label, self.size)
        else:
            found.refuse(key, "outline", where, f"a {shape.tag} of '{label}' between two keyframes; only boxes are followed between them")

    def _keys(self, first: int, last: int) -> dict[int, str]:
        keys = {}
        for frame in range(first, min(last, first + _MOST_FRAMES) + 1):
            for name in (f"frame_{frame:06d}", f"{frame:06d}"):
                try:
                    key = self.context.index.find(name, self.options.images, self.context.near)
                except Exception:
                    key = None
                if key:
                    keys[frame] = key
                    break
        return keys
