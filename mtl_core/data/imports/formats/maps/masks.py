"""Masks: an image of class numbers or colours per picture, or one black-and-white image per class. Names and folders identify the picture."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal, cast

from pydantic import Field

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.formats import AmbiguousImageError, Context, Format, FormatOptions, Guess, Targets
from mtl_core.data.imports.formats.annotations.outlines import Shapes
from mtl_core.data.imports.formats.maps.mask_files import ClassMasks, MaskFile
from mtl_core.data.imports.looking.matching import Matcher
from mtl_core.data.imports.looking.name_roles import Role
from mtl_core.data.imports.picture_reading import is_picture
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.errors import DataError


class MasksOptions(FormatOptions):
    """Options of masks."""

    folder: str = Field("", description="Folder of the masks, '' for beside the images; a part that is '*' stands for any one folder.")
    suffix: str = Field("", description="End of a mask's stem after the part that it shares with its image, such as '_mask'.")
    prefix: str = Field("", description="Beginning of a mask's stem before the shared part, such as 'mask_'.")
    ending: str = Field("", description="File ending of the masks, such as '.png' for masks beside '.jpg' of the same stem; empty for any.")
    images: str = Field("", description="Folder of the images, empty for any; '*' as in 'folder'.")
    image_suffix: str = Field("", description="End of an image's stem after the shared part, such as '_leftImg8bit'.")
    image_prefix: str = Field("", description="Beginning of an image's stem before the shared part.")
    task: str = Field("segments", description="Name of the task.")
    values: dict[int, str] = Field(default_factory=dict, description="Number in the mask -> class name; numbers of one name are one class.")
    colours: dict[str, str] = Field(
        default_factory=dict, description="For masks in colours: colour as '#rrggbb' -> class name, empty for ignored pixels."
    )
    ignore: list[int] = Field(default_factory=lambda: [IGNORE], description="Numbers of ignored pixels.")
    threshold: float | None = Field(
        None, description="For smooth or JPEG masks of black and white: numbers below it count as the lowest listed, others as the highest."
    )
    nearest: bool = Field(False, description="Numbers or colours that are not listed count as the nearest listed one: for smooth edges and JPEG.")
    unlisted: Literal["ignore", "ask"] = Field(
        "ignore", description="Numbers and colours without a class: 'ignore' ignores their pixels, 'ask' refuses the import."
    )
    other_size: Literal["refuse", "scale"] = Field(
        "refuse", description="A mask of another size than its image is refused, or scaled to it (nearest pixel) where the proportions agree."
    )
    unmasked: Literal["unlabelled", "first"] = Field(
        "unlabelled",
        description="Pictures without a mask: not labelled, or all of the 'first' class (the background), such as those without a defect.",
    )
    per_class: Literal["", "folder", "suffix"] = Field(
        "", description="One black-and-white mask for each class: the class is the folder below 'folder', or the end of the stem after 'suffix'."
    )
    classes: dict[str, str] = Field(default_factory=dict, description="per_class: folder or end of the stem -> class name, in the classes' order.")
    separate: bool = Field(False, description="per_class: a task of its own for each class, for classes that overlap.")


class Masks(Format):
    """Masks of numbers, of colours, or one per class."""

    title = "Masks"
    summary = "An image of class numbers or colours for each picture, or one for each class."
    Options = MasksOptions
    options: MasksOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        from mtl_core.data.imports.formats.maps.mask_guesses import guesses

        return guesses(context, lambda options: cls(MasksOptions(**options)))

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        return self._per_class(context) if options.per_class else [self._whole(context)]

    def _whole(self, context: Context) -> Targets:
        options, findings = self.options, context.findings
        coloured = bool(options.colours)
        listed = self._colours() if coloured else dict(options.values)
        if not listed:
            what = "No 'values' (number in the mask -> class name) and no 'colours' (colour -> class name)"
            raise DataError(f"masks '{options.folder or options.suffix}': no classes. {what}. Give one of them.")
        ignored = [number for number, name in listed.items() if not name] if coloured else self._ignored()
        if options.unmasked == "first" and next(iter(listed)) in ignored:
            raise DataError(
                f"masks '{options.folder or options.suffix}': unmasked: first makes pictures without a mask all '{next(iter(listed.values()))}', but "
                "these pixels are ignored. List the class of the background first, or take unmasked: unlabelled."
            )
        names = tuple(dict.fromkeys(name for number, name in listed.items() if number not in ignored))
        if len(names) > IGNORE - 1:
            raise DataError(f"masks '{options.folder}': {len(names)} classes; at most {IGNORE - 1}")
        place = {name: index for index, name in enumerate(names)}
        table = {number: place[name] for number, name in listed.items() if number not in ignored} | dict.fromkeys(ignored, IGNORE)
        numbers = [number for number in listed if number not in ignored]
        if not coloured and numbers != list(range(len(numbers))):
            sentence = f"numbers {numbers[0]} to {numbers[-1]} in the masks are classes 0 to {len(names) - 1} here" if numbers else "no class is left"
            findings.add("note", "class_numbers", options.folder or options.suffix, sentence, options.task)
        targets = Targets(options.task, "segmentation", names)
        if options.unmasked == "first":
            targets.unlisted_in, targets.nothing = frozenset(key.rpartition("/")[0] for key in context.index.keys), Shapes(())
        for own, file in self._found(context, [(options.suffix, "")], False):
            if own in targets.values:
                findings.add("skipped", "duplicate", file, f"a second mask of '{own}'; the first is used", options.task)
            else:
                known = {number: index for number, index in table.items() if number not in ignored} if options.threshold is not None else table
                targets.values[own] = MaskFile(
                    context.tree, file, known or table, coloured, options.threshold, options.nearest, options.other_size == "scale"
                )
        return targets

    def _ignored(self) -> list[int]:
        """Ignored numbers. A default number that is listed as a class is a class, unless the options write it as ignored."""
        options = self.options
        return options.ignore if "ignore" in options.model_fields_set else [number for number in options.ignore if number not in options.values]

    def _colours(self) -> dict[int, str]:
        found = {}
        for text, name in self.options.colours.items():
            digits = text.strip().lstrip("#")
            if len(digits) != 6 or any(c not in "0123456789abcdefABCDEF" for c in digits):
                raise DataError(f"masks: colours: expected colours as '#rrggbb', found '{text[:40]}'")
            found[int(digits, 16)] = name.strip()
        return found

    def _per_class(self, context: Context) -> list[Targets]:
        options = self.options
        if not options.classes:
            raise DataError(f"masks '{options.folder or options.suffix}': per_class needs 'classes', {options.per_class} -> class name")
        names = tuple(dict.fromkeys(options.classes.values()))
        if len(names) > IGNORE - 2:
            raise DataError(f"masks '{options.folder}': {len(names)} classes; at most {IGNORE - 2}")
        by_folder = options.per_class == "folder"
        ends = [(options.suffix, "")] if by_folder else [(options.suffix + end, name) for end, name in options.classes.items()]
        parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for own, file in self._found(context, ends, by_folder):
            name = self._class_of(file, ends, by_folder)
            if name:
                parts[own][name].append(file)
        if options.separate:
            targets = [Targets(f"{options.task}_{name}", "segmentation", ("background", name)) for name in names]
            for target, name in zip(targets, names, strict=True):
                for own, found in parts.items():
                    if found[name]:
                        target.values[own] = self._marks(context, found[name], 1, own)
            return targets
        target = Targets(options.task, "segmentation", ("background", *names))
        if options.unmasked == "first":
            target.unlisted_in, target.nothing = frozenset(key.rpartition("/")[0] for key in context.index.keys), Shapes(())
        for own, found in parts.items():
            masks = [part for n, name in enumerate(names) if found[name] for part in self._marks(context, found[name], n + 1, own).parts]
            target.values[own] = ClassMasks(tuple(masks))
        return [target]

    def _marks(self, context: Context, files: list[str], index: int, own: str) -> ClassMasks:
        scale = self.options.other_size == "scale"
        return ClassMasks(tuple((index, MaskFile(context.tree, file, {0: 0, 1: 1}, threshold=self.options.threshold, scale=scale)) for file in files))

    def _class_of(self, file: str, ends: list[tuple[str, str]], by_folder: bool) -> str:
        if by_folder:
            rest, _ = cast("tuple[str, str]", self._role(self.options.suffix).core(file))
            return self.options.classes.get(rest.split("/")[0], "")
        stem = file.rpartition("/")[2].rpartition(".")[0]
        return next((name for end, name in sorted(ends, key=lambda pair: -len(pair[0])) if stem.endswith(end)), "")

    def _role(self, suffix: str) -> Role:
        options = self.options
        return Role(options.folder.strip("/"), options.prefix, suffix, options.ending.lower())

    def _found(self, context: Context, ends: list[tuple[str, str]], by_folder: bool) -> list[tuple[str, str]]:
        """(image, mask) of every mask that has an image; masks without an image are reported."""
        options = self.options
        roles = sorted((self._role(suffix) for suffix, _ in ends), key=lambda role: -len(role.suffix))
        files = {}
        for file in context.tree.files:
            role = next((role for role in roles if role.core(file) is not None), None) if is_picture(file) else None
            if role is not None:
                files[file] = role
        images = Role(options.images.strip("/"), options.image_prefix, options.image_suffix)
        matcher = Matcher(context.index.keys, images, files)
        found = []
        for file, role in files.items():
            rest, core = role.core(file)
            place = role.place(file)
            if by_folder:
                folder = rest.partition("/")[0]
                if folder not in options.classes:
                    continue
                place = "/".join(part for n, part in enumerate(place.split("/")) if n != len(place.split("/")) - len(rest.split("/")))
            try:
                own = matcher.find(file, place, core)
            except AmbiguousImageError as error:
                context.findings.add("skipped", "ambiguous_image", file, str(error), options.task)
                continue
            if own is not None:
                found.append((own, file))
            elif file not in context.index or options.suffix or options.prefix or options.ending:
                name = f"{rest}/{core}".strip("/")
                context.findings.add("skipped", "missing_image", file, f"no usable image '{name}' among the {len(context.index):,}", options.task)
        return found
