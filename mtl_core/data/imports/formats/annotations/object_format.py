"""ObjectFormat: parent of the formats whose look reads everything that the check reads, so that the counts of the first look are exact."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.formats import Context, Format, Guess, Targets
from mtl_core.data.imports.formats.annotations.objects import ObjectOptions, Objects, options_of, unlisted_question
from mtl_core.data.imports.formats.image_index import Claims
from mtl_core.data.imports.formats.stated_sizes import size_question
from mtl_core.errors import DataError

_MOST_FOLDERS = 20  # most sources that a look makes for one format with a file per picture


class ObjectFormat(Format):
    """Parent of formats of objects with boxes, optional outlines, and optional tags of whole pictures."""

    options: ObjectOptions

    @abstractmethod
    def collect(self, context: Context, found: Objects) -> None:
        """Add everything in the files to ``found``.

        Raises:
            DataError: the source can't be read at all.
        """

    def read(self, context: Context) -> list[Targets]:
        found = Objects(context, self.options)
        self.collect(context, found)
        return found.targets()

    @classmethod
    def look(cls, context: Context, options: dict[str, Any], files: str, count: int = 1, what: str = "file") -> tuple[Guess, Objects] | None:
        """The guess and the objects of a source with these options, without findings; None, with a note, if it names no picture."""
        aside = Context(context.tree, context.index, Findings(), near=_near(options), claims=Claims())
        source = cls(cls.Options(**{"segments": "segments", **({"tags": "tags"} if "tags" in cls.Options.model_fields else {}), **options}))
        found = Objects(aside, source.options)  # type: ignore[arg-type]
        try:
            source.collect(aside, found)
        except DataError as error:
            context.not_understood(files, f"{cls.title}: {error}", count)
            return None
        if not found.pictures:
            reason = next((row.message for row in aside.findings.rows), "nothing in it names a picture")
            context.not_understood(files, f"{cls.title}, but no picture of this set is named: {reason}", count)
            return None
        objects = sum(len(picture.boxes) // 5 for picture in found.pictures.values())
        context.understood(files, f"{cls.title}: {len(found.pictures):,} pictures with {objects:,} objects", count)
        proposed = options_of(found)
        marks = sum(row.kind == "other_shape" for row in aside.findings.rows)
        notes = [f"'{files}': {cls.title}, {len(found.pictures):,} pictures with {objects:,} objects of {len(found.names)} classes"]
        if found.turned:
            notes.append(f"'{files}': {found.turned:,} boxes are turned; the upright box around each is read")
        if marks:
            notes.append(f"'{files}': {marks:,} points and lines are no areas and are not read; of COCO JSON and YOLO text files keypoints are")
        questions = unlisted_question(context, found.pictures, what) if objects else []
        questions += size_question(context, {key: picture.size for key, picture in found.pictures.items() if not picture.shares}, proposed)
        names = [proposed[key] for key in ("boxes", "segments", "present") if proposed.get(key)]
        labelled = {name: len(found.pictures) for name in names}
        if proposed.get("tags"):
            labelled[proposed["tags"]] = max(len(values) for values in found.tags.values())
        return Guess({**options, **proposed}, labelled=labelled, notes=notes, questions=questions), found


def common_folder(files: Iterable[str]) -> str:
    """The deepest common folder of the files."""
    several = [file.split("/")[:-1] for file in files]
    first = several[0] if several else []
    length = 0
    while length < len(first) and all(parts[: length + 1] == first[: length + 1] for parts in several):
        length += 1
    return "/".join(first[:length])


def few_folders(folders: dict[str, list[str]]) -> dict[str, list[str]]:
    """Files by folder. Very many folders become their common folder, because each source reads all files once."""
    if len(folders) <= _MOST_FOLDERS:
        return folders
    files = [file for several in folders.values() for file in several]
    return {common_folder(files): files}


def _near(options: dict[str, Any]) -> str:
    return str(options["file"]).rpartition("/")[0] if options.get("file") else str(options.get("folder", ""))
