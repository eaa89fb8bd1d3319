"""Class folders: an image's folder is its class. Folders of parts of the data (train, val, test), folds and the like may be above or below it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from mtl_core.data.imports.checking.doubts import same_spelling
from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets, stem_of
from mtl_core.data.imports.formats.annotations.boxes import in_order
from mtl_core.data.imports.formats.image_index import is_idx_row
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.language import mark

PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}
_PLAIN = frozenset(
    ["image", "images", "img", "imgs", "jpegimages", "jpgs", "pngs", "pictures", "photos", "rgb", "color", "colour", "data", "raw", "depth"]
) | {""}
_INNER = frozenset(
    ["image", "images", "img", "imgs", "jpegimages", "jpg", "jpeg", "png", "pictures", "photos"]
)  # names of folders below a class that hold its images
_ARRANGED = re.compile(
    r"(?:cv|k)?[-_ ]?folds?[-_ ]?(?:\d+|[a-z])"
    r"|(?:patient|subj(?:ect)?|participant|case|video|clip|seq(?:uence)?|scene|session|slide)s?[-_ ]?\d+"
    r"|(?:.*[-_ ])?(?:part|batch|chunk|shard|subset|vol|volume|disk|dir|folder)[-_ ]?\d+"  # names of storage folders
    r"|(?:19|20)\d\d(?:[-_]?\d\d){0,2}",
    re.IGNORECASE,
)
_RECORDED = re.compile(
    r"(?:^|/)(?!read|licen|notes?\.|classes\.|metadata\.|labels?\.|index\.)[^/]*\.(?:txt|ini|json|xml|yaml|yml|mat|bag|log)$", re.IGNORECASE
)
_VIEWS = re.compile(
    r"(?:im(?:age|g)?s?|pic(?:ture)?s?|cam(?:era)?|view|time|t)?[-_ ]?"
    r"(?:left|right|before|after|pre|post|a|b|[0-3]|t[0-3]|rgb|ir|nir|thermal|infrared|vis(?:ible)?|front|rear"
    r"|input|output|target|source|hazy|blurr?(?:ed|y)?|sharp|noisy|clean|degraded|restored|hr|lr)[-_ ]?(?:im(?:age|g)?s?|cam(?:era)?|view)?",
    re.IGNORECASE,
)  # names of folders that hold other views of one scene
Folders = tuple[str, ...]


class ClassFoldersOptions(FormatOptions):
    """Options of class folders."""

    folder: str = Field("", description="Folder that holds the classes' folders, or the parts' (train, val, test) that hold them.")
    level: int = Field(1, ge=1, le=20, description="Which folder below it is the class, those of 'not_classes' aside.")
    not_classes: list[str] | None = Field(
        None,
        description=mark("Names of folders that are no class wherever they stand, such as train, val or images; null: train, val, test on top."),
    )
    task: str = Field("class", description="Name of the task; empty for none.")
    names: dict[str, str] = Field(default_factory=dict, description="Folder -> class name, where it is another one.")
    classes: list[str] = Field(default_factory=list, description="Class names in order; empty for those found.")


class ClassFolders(Format):
    """Class labels from folders."""

    title = "Class folders"
    summary = "One folder of images per class."
    Options = ClassFoldersOptions
    options: ClassFoldersOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        keys = [key for key in context.index.keys if "/" in key and not is_idx_row(key)]
        return _Look(keys, context.tree.files).guesses() if keys else []

    def read(self, context: Context) -> list[Targets]:
        if not self.options.task:
            return []
        folder = self.options.folder.strip("/")
        prefix = f"{folder}/" if folder else ""
        found = {}
        for key in context.index.keys:
            if not key.startswith(prefix) or is_idx_row(key):
                continue
            parts = self._levels(key.removeprefix(prefix).split("/")[:-1])
            if len(parts) >= self.options.level:
                name = parts[self.options.level - 1]
                found[key] = self.options.names.get(name, name)
        classes = tuple(dict.fromkeys(self.options.classes)) or in_order(set(found.values()))
        place = {name: index for index, name in enumerate(classes)}
        targets = Targets(self.options.task, "classification", classes)
        for key, name in found.items():
            if name in place:
                targets.values[key] = place[name]
            else:
                context.findings.add("skipped", "unknown_class", key, f"the folder '{name}' is not among the classes listed", self.options.task)
        return [targets]

    def _levels(self, parts: list[str]) -> list[str]:
        if self.options.not_classes is None:
            return parts[1:] if parts and parts[0].lower() in PARTS else parts
        return [part for part in parts if part not in self.options.not_classes]


def part_word(folder: str) -> str:
    """train, val or test if a folder's name contains it, such as ``train2017`` or ``seg_test``; else ''."""
    name = folder.rpartition("/")[2].lower()
    words = [word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", name)]
    found = {PARTS[word] for word in words if word in PARTS}
    return found.pop() if len(found) == 1 and len(words) <= 3 else ""


def part_folders(keys: list[str]) -> list[str]:
    """Folders of parts of the data: a train folder beside a val or test folder. A folder 'train' beside 'bus' and 'car' is a class."""
    beside: dict[str, dict[str, str]] = defaultdict(dict)
    for folder in {key[:place] for key in keys for place, letter in enumerate(key) if letter == "/"}:
        word = part_word(folder)
        if word:
            beside[folder.rpartition("/")[0]][folder] = word
    return sorted(folder for folders in beside.values() if {"train"} < set(folders.values()) for folder in folders)


def _beside(files: Iterable[str]) -> dict[str, set[str]]:
    """Name of a data file below a folder, such as 'gt/gt.txt' -> the names of all folders that have one."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in files:
        if _RECORDED.search(file):
            parts = file.split("/")
            for depth in range(max(0, len(parts) - 3), len(parts) - 1):
                found["/".join(parts[depth + 1 :])].add(parts[depth])
    return dict(found)


class _Look:
    """The roles of a set's folders: classes on one level or two, parts, folds, or nothing."""

    def __init__(self, keys: list[str], files: Iterable[str] = ()):
        stems = {stem_of(key) for key in keys}
        self.beside = _beside(file for file in files if stem_of(file) not in stems)  # a file beside each picture says nothing of the folder
        self.parts = {folder.rpartition("/")[2] for folder in part_folders(keys)}
        self.arranged: set[str] = set()
        folders = Counter(key.rpartition("/")[0] for key in keys)
        names = [folder.split("/") for folder in folders]
        arranged = {name for parts in names for name in parts if _ARRANGED.fullmatch(name)}
        rest = {tuple(part for part in parts if part not in arranged | self.parts) for parts in names}
        if len(arranged) > 1 and len(rest - {()}) > 1:
            self.arranged = arranged
        out = self.parts | self.arranged
        inner: dict[str, set[Folders]] = defaultdict(set)
        for parts in names:
            left = [part for part in parts if part not in out]
            if left and left[-1].lower() in _INNER:
                inner[left[-1]].add(tuple(left[:-1]))
        self.out = out | {name for name, above in inner.items() if len(above - {()}) > 1}
        self.below: dict[Folders, Counter[str]] = defaultdict(Counter)  # folders above -> folder -> images
        self.files: dict[Folders, list[str]] = defaultdict(list)
        for key in keys:
            self.files[tuple(part for part in key.split("/")[:-1] if part not in self.out)].append(key)
        for folders_above, images in self.files.items():
            for depth, name in enumerate(folders_above):
                self.below[folders_above[:depth]][name] += len(images)

    def guesses(self) -> list[Guess]:
        found = self._from(())
        if found and self.arranged:
            found[0].notes.append(f"Folders such as '{sorted(self.arranged)[0]}' are not classes: they group related pictures.")
        return found

    def _from(self, above: Folders) -> list[Guess]:
        children = self.below.get(above, Counter())
        if len(children) < 2:
            return self._from((*above, next(iter(children)))) if children else []
        if all(_ARRANGED.fullmatch(name) for name in children):
            return []  # patients, batches, days: these folders group the pictures and are no classes
        plain = [name for name in children if name.lower() in _PLAIN]
        if len(plain) == len(children):
            return [guess for name in children for guess in self._from((*above, name))]
        paired = bool(plain) and self._are_paired(above, plain)
        if paired and any(self.below.get((*above, name)) for name in children):
            return [guess for name in children for guess in self._from((*above, name))]
        second = self._second(above)
        if second == "shared":
            return self._crossed(above)
        guesses = [self._guess(above, 1, "class")]
        if self._are_views(above):
            guesses[0].questions.append(self._view_question(above, guesses[0]))
        elif own := next((file for file, folders in self.beside.items() if set(children) <= folders), ""):
            guesses[0].questions.append(self._recordings_question(above, guesses[0], own))
        if plain:
            guesses[0].questions.append(self._plain_question(above, plain, paired))
        if second == "own":
            guesses[0].options["task"] = "superclass"
            guesses.append(self._guess(above, 2, "class"))
        return guesses

    def _images(self, above: Folders) -> list[str]:
        return [key for folders, keys in self.files.items() if folders[: len(above)] == above for key in keys]

    def _names(self, above: Folders, level: int) -> Counter[str]:
        names: Counter[str] = Counter()
        for folders, keys in self.files.items():
            if folders[: len(above)] == above and len(folders) >= len(above) + level:
                names[folders[len(above) + level - 1]] += len(keys)
        return names

    def _second(self, above: Folders) -> str:
        """Second level of folders: 'own': most classes have folders of their own; 'shared': all have the same; '': neither."""
        children = self.below[above]
        inner = {name: set(self.below.get((*above, name), ())) for name in children}
        deep = sum(sum(self.below[(*above, name)].values()) for name in children if inner[name])
        every = Counter(name for names in inner.values() for name in names)
        if deep < 0.8 * sum(children.values()) or len(every) < 2 or all(name.lower() in _PLAIN for name in every):
            return ""
        return "shared" if sum(count > 1 for count in every.values()) >= 0.5 * len(every) else "own"

    def _crossed(self, above: Folders) -> list[Guess]:
        """Guesses for the same folders below several others: the lower level is the class, the upper level a task 'domain'."""
        guess, upper = self._guess(above, 2, "class"), self._guess(above, 1, "domain")
        upper.notes.clear()
        names = self._names(above, 1)
        guess.notes.append(f"The folders above them ({', '.join(in_order(set(names))[:6])}) hold the same classes: they are read as a task 'domain'.")
        return [guess, upper]

    def _guess(self, above: Folders, level: int, task: str) -> Guess:
        images, names = self._images(above), self._names(above, level)
        folder = _shared_folder(images)
        inside = [part for part in folder.split("/") if part and part not in self.out]
        options: dict[str, Any] = {
            "folder": folder,
            "level": level + len(above) - len(inside),
            "not_classes": sorted({part for key in images for part in key.split("/")[:-1]} & self.out),
            "task": task,
        }
        notes = [_taken(names, folder, level), *_joint(names)]
        return Guess(options, labelled={"class": sum(names.values())}, notes=notes, questions=self._spelling(images, names, options))

    def _spelling(self, images: list[str], names: Counter[str], options: dict[str, Any]) -> list[Question]:
        """The question about folder names that differ in spelling. They are one class if none are siblings, as train/Dog and val/dog."""
        alike = same_spelling(names)
        if not alike:
            return []
        together = {other: first for first, *others in ([*sorted(several)] for several in alike) for other in others}
        above: dict[str, set[str]] = defaultdict(set)
        for key in images:
            parts = key.split("/")[:-1]
            for depth, part in enumerate(parts):
                if part in names:
                    above[part].add("/".join(parts[:depth]))
        apart = any(above[other] & above[first] for other, first in together.items())
        taken = "apart" if apart else "together"
        listing = "; ".join(" = ".join(map(repr, sorted(several))) for several in alike[:4])
        readings = (Reading("together", "one class each", {"names": together}), Reading("apart", "classes of their own", {"names": {}}))
        options["names"] = dict(together) if taken == "together" else {}
        evidence = (
            f"{listing}. Some stand beside each other." if apart else f"{listing}. They never stand beside each other, but in different folders."
        )
        return [Question("spelling", "Are folders whose names differ only in their spelling one class?", readings, taken, evidence)]

    def _are_paired(self, above: Folders, plain: list[str]) -> bool:
        """Whether the pictures of a generically named folder have the file names of its siblings, like pictures and masks."""
        stems = {name: {stem_of(key) for key in self._images((*above, name))} for name in self.below[above]}
        for name in plain:
            others = [names for other, names in stems.items() if other != name]
            if any(len(stems[name] & other) > 0.8 * min(len(stems[name]), len(other)) for other in others):
                return True
        return False

    def _are_views(self, above: Folders) -> bool:
        """Whether two or three folders are named as views of one scene, and hold pictures of the same names."""
        names = list(self.below[above])
        if len(names) > 3 or not all(_VIEWS.fullmatch(name) and not name.isdigit() for name in names):
            return False
        stems = [{stem_of(key) for key in self._images((*above, name))} for name in names]
        return len(set.intersection(*stems)) >= 0.9 * max(map(len, stems))

    def _view_question(self, above: Folders, guess: Guess) -> Question:
        """Ask whether folders such as 'left' and 'right' are classes. Until the answer they give no class."""
        names = in_order(set(self.below[above]))
        readings = (
            Reading("views", "views of the same scenes, no classes", {"task": ""}),
            Reading("classes", f"classes: {', '.join(names)}", {"task": guess.options["task"]}),
        )
        guess.options["task"] = ""
        guess.notes = [f"The folders {', '.join(map(repr, names))} hold pictures of the same names: they are asked about."]
        evidence = (
            f"Their pictures have the same names, such as '{stem_of(self._images((*above, names[0]))[0])}'. Views of one scene may come "
            "into different parts of the data: to use one folder only, leave the others out ('images.exclude')"
        )
        examples = tuple(key for name in names for key in self._images((*above, name))[:2])
        return Question("views", f"Are the folders {' and '.join(map(repr, names))} classes?", readings, "views", evidence, examples)

    def _recordings_question(self, above: Folders, guess: Guess, own: str) -> Question:
        """Ask whether folders that each have a file of their own, such as 'gt/gt.txt', are classes. Until the answer they give no class."""
        names = in_order(set(self.below[above]))
        readings = (
            Reading("recordings", "recordings or scenes, no classes", {"task": ""}),
            Reading("classes", f"classes: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}", {"task": guess.options["task"]}),
        )
        guess.options["task"] = ""
        evidence = f"Each of the {len(names)} folders has its own '{own}'. To keep a recording in one part, set 'groups: folder' under 'splits'."
        text = f"Are folders such as '{min(names)}' recordings, or classes?"
        return Question("recordings", text, readings, "recordings", evidence)

    def _plain_question(self, above: Folders, plain: list[str], paired: bool) -> Question:
        names = list(self.below[above])
        every = self._guess(above, 1, "class").options["not_classes"]
        readings = (
            Reading("classes", f"classes: {', '.join(names[:6])}", {"not_classes": every}),
            Reading("left_out", f"{' and '.join(plain)} only hold pictures and are no class", {"not_classes": sorted({*every, *plain})}),
        )
        evidence = "their pictures have the same names as those beside them" if paired else "their pictures have names of their own"
        text = f"Is the folder {' or '.join(repr(name) for name in plain)} a class beside the others?"
        examples = tuple(self._images((*above, plain[0]))[:3])
        return Question("plain_folder", text, readings, "classes", evidence, examples)


def _taken(names: Iterable[str], folder: str, level: int) -> str:
    """The note on folders that are taken as classes."""
    count, listed = len(set(names)), ", ".join(in_order(set(names))[:8])
    if level == 1 and folder:
        return f"{count} folders of images in '{folder}', taken as classes: {listed}"
    if level == 1:
        return f"{count} folders of images at the top, taken as classes: {listed}"
    if folder:
        return f"{count} folders of the second level in '{folder}', taken as classes: {listed}"
    return f"{count} folders of the second level at the top, taken as classes: {listed}"


def _joint(names: Iterable[str]) -> list[str]:
    """A note on folders whose names join those of others, such as 'red+square' beside 'red' and 'square'."""
    known = set(names)
    joint = [name for name in in_order(known) if len(parts := re.split(r"\s*(?:[+&,]|\band\b)\s*", name)) > 1 and known.issuperset(parts)]
    if not joint:
        return []
    return [f"'{joint[0]}' joins the names of other folders. Each folder is one class here; for several labels of a picture write a table."]


def _shared_folder(keys: list[str]) -> str:
    """The deepest common folder."""
    first, last = min(keys).split("/")[:-1], max(keys).split("/")[:-1]
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return "/".join(first[:shared])
