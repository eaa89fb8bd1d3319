"""Class folders: the folder that an image lies in is its class; parts of the data (train, val, test) may stand above."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets
from mtl_core.data.imports.formats.boxes import in_order
from mtl_core.data.imports.spec import ImageSpec

PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}
_PLAIN = ("image", "images", "img", "imgs", "jpegimages", "pictures", "photos", "rgb", "data", "raw", "depth", "")


class ClassFoldersOptions(FormatOptions):
    """Options of class folders."""

    folder: str = Field("", description="Folder that holds the classes' folders, or the parts' (train, val, test) that hold them.")
    task: str = Field("class", description="Name of the task.")
    classes: list[str] = Field(default_factory=list, description="Class names in order; empty for those found.")


class ClassFolders(Format):
    """The folder is the class."""

    title = "Class folders"
    summary = "One folder of images per class."
    Options = ClassFoldersOptions
    options: ClassFoldersOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        counts: dict[str, Counter[str]] = {}
        for key in context.index.keys:
            parts = key.split("/")[:-1]
            if parts and "#" not in key:
                above = "/".join(parts[:-2] if len(parts) > 1 and parts[-2].lower() in PARTS else parts[:-1])
                counts.setdefault(above, Counter())[parts[-1]] += 1
        guesses = []
        for above, classes in counts.items():
            names = [name for name in classes if name.lower() not in (*_PLAIN, *PARTS) and not name.lower().startswith(("train2", "val2", "test2"))]
            if len(names) < 2 or len(names) < len(classes):
                continue
            where = f"in '{above}'" if above else "at the top"
            note = f"{len(names)} folders of images {where}, taken as classes: {', '.join(in_order(set(names))[:8])}"
            guesses.append(Guess({"folder": above}, labelled={"class": sum(classes.values())}, notes=[note]))
        return guesses

    def read(self, context: Context) -> list[Targets]:
        prefix = f"{self.options.folder}/" if self.options.folder else ""
        found = {}
        for key in context.index.keys:
            parts = key.removeprefix(prefix).split("/")[:-1] if key.startswith(prefix) else []
            if parts and parts[0].lower() in PARTS:
                parts = parts[1:]
            if parts:
                found[key] = parts[0]
        classes = tuple(self.options.classes) or in_order(set(found.values()))
        place = {name: index for index, name in enumerate(classes)}
        targets = Targets(self.options.task, "classification", classes)
        for key, name in found.items():
            if name in place:
                targets.values[key] = place[name]
            else:
                context.findings.add("skipped", "unknown_class", key, f"the folder '{name}' is not among the classes listed", self.options.task)
        return [targets]
