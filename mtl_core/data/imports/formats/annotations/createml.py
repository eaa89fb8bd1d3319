"""CreateML JSON: a list of pictures, each with labels, and with centre and size of boxes in pixels."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat
from mtl_core.data.imports.formats.annotations.objects import ObjectOptions, Objects, number
from mtl_core.data.imports.looking.json_files import Head, entries, heads
from mtl_core.data.imports.spec import ImageSpec


class CreateMlOptions(ObjectOptions):
    """Options of CreateML."""

    file: str = Field("", description="The JSON file.")


class CreateMl(ObjectFormat):
    """Boxes of CreateML."""

    title = "CreateML JSON"
    summary = "One JSON with a list of pictures and boxes by their middle, as Apple's CreateML and Roboflow have it."
    Options = CreateMlOptions
    options: CreateMlOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        found = []
        for file, head in heads(context.tree).items():
            if is_createml(head):
                found.append(cls.look(context, {"file": file}, file))
        return [look[0] for look in found if look]

    def collect(self, context: Context, found: Objects) -> None:
        for index, entry in enumerate(entries(context.tree, self.options.file)):
            where = f"{self.options.file}: entry {index}"
            name = _name(entry) if isinstance(entry, dict) else None
            if name is None:
                context.findings.add("skipped", "bad_image_entry", where, "an entry without a picture's name", self.options.boxes)
                continue
            key = context.image(name, where, self.options.boxes, self.options.images)
            objects = entry.get("annotations", entry.get("annotation"))
            if not key or not found.picture(key, where):
                continue
            for thing in objects if isinstance(objects, list) else ():
                self._object(thing, key, where, found)

    def _object(self, thing: Any, key: str, where: str, found: Objects) -> None:
        sides = thing.get("coordinates") if isinstance(thing, dict) else None
        label = thing.get("label") if isinstance(thing, dict) else None
        if not isinstance(sides, dict) or not isinstance(label, str) or not label:
            found.refuse(key, "bad_object", where, "an object without label and coordinates")
            return
        x, y, width, height = (number(sides.get(side)) for side in ("x", "y", "width", "height"))
        found.add(key, label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def is_createml(head: Head) -> bool:
    """Whether a JSON is CreateML's list of boxes."""
    item = head.item
    objects = item.get("annotations", item.get("annotation"))
    if head.error or _name(item) is None or not isinstance(objects, list):
        return False
    return not objects or (isinstance(objects[0], dict) and "coordinates" in objects[0])


def _name(entry: dict) -> str | None:
    return next((entry[key] for key in ("image", "imagefilename", "filename") if isinstance(entry.get(key), str)), None)
