"""A first look at a folder or zip: which formats are there, which tasks they give, how the data could be split."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from mtl_core.data.imports.formats import FORMATS, Context, Guess, ImageIndex
from mtl_core.data.imports.formats.class_folders import PARTS
from mtl_core.data.imports.formats.oxford_pets import oxford_pets
from mtl_core.data.imports.images import ImageReader, image_keys
from mtl_core.data.imports.pictures import MOST_BYTES, read_picture
from mtl_core.data.imports.proposal import CsvTable, Proposal, ProposedTask
from mtl_core.data.imports.questions import FileNote, Question
from mtl_core.data.imports.report import Findings
from mtl_core.data.imports.spec import SPEC_NAME, ImageSpec, ImportSpec, SourceSpec, SplitSpec
from mtl_core.data.imports.splits import natural
from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.errors import DataError, MTLError
from mtl_core.registry import validated

_LOOKED_AT = 24
_ALIKE = 0.35  # neighbours whose mean difference is below this share of any two's are frames of a video


def propose(path: str | Path) -> Proposal:
    """What is there and how it could be read; a ``dataset.yaml`` beside the data is taken at its word.

    Raises:
        DataError: there is nothing to read.
        ConfigError: a ``dataset.yaml`` is there and wrong.
    """
    with Tree(path, Findings()) as tree:
        if SPEC_NAME in tree.files:
            spec = ImportSpec.from_yaml(tree.read(SPEC_NAME, 4 << 20).decode("utf-8-sig", "replace"))
            return _described(_FoundImages(tree), spec, (f"Read as '{SPEC_NAME}' beside the data says.",))
        return _look(tree)


def describe(path: str | Path, spec: ImportSpec) -> Proposal:
    """Tasks and counts as a description gives them, without guessing anything.

    Raises:
        DataError: there is nothing to read. ConfigError: a source's options are wrong.
    """
    with Tree(path, Findings()) as tree:
        return _described(_FoundImages(tree), spec, ())


def _described(
    found_images: _FoundImages, spec: ImportSpec, notes: tuple[str, ...], tables: tuple = (), questions: tuple[Question, ...] = ()
) -> Proposal:
    """Tasks as the sources give them when they are read. A source that cannot be read is said; the others are read all the same."""
    index = found_images.index(spec.images)
    context, tasks = Context(found_images.tree, index, Findings()), {}
    for number, source in enumerate(spec.sources):
        format_class = FORMATS.load(source.format, f"sources.{number}.format")
        try:
            for found in format_class(validated(format_class.Options, source.options, f"sources.{number}")).read(context):
                before = tasks.get(found.name)
                count = len(found.values) + (before.labelled if before else 0)
                tasks[found.name] = ProposedTask(found.name, found.kind, found.classes, found.unit, number, count)
        except MTLError as error:
            found_images.notes.append(FileNote(_named(source), 1, False, f"{format_class.title}: {error}"))
    return Proposal(spec, len(index), tuple(tasks.values()), tables, notes, questions, _once(found_images.notes))


def _named(source: SourceSpec) -> str:
    """The file or folder that a source reads, for people."""
    return str(source.options.get("file") or source.options.get("folder") or source.format)


def _once(notes: list[FileNote]) -> tuple[FileNote, ...]:
    """Each file with its last note: formats look more than once, the later time with masks and depth maps already known."""
    return tuple({(note.files, note.read): note for note in notes}.values())


def _look(tree: Tree) -> Proposal:
    found = _FoundImages(tree)
    images = ImageSpec(files=[guess.options["images"] for guess in _guesses(found, "idx", ImageSpec())])
    guesses: list[tuple[str, Guess]] = []
    for name in FORMATS:  # masks and depth before what counts images
        images = images.model_copy(update=_merged(images, [guess for _, guess in guesses]))
        guesses += [(name, guess) for guess in _guesses(found, name, images)]
    images = images.model_copy(update=_merged(images, [guess for _, guess in guesses]))
    if any(name != "class_folders" for name, _ in guesses):
        guesses = [(name, guess) for name, guess in guesses if name != "class_folders" or guess.labelled["class"] > _most(guesses) / 2]
    _complete_tables([guess for name, guess in guesses if name == "csv"])
    recipe = oxford_pets(tree)
    guesses = recipe or guesses
    notes = [note for _, guess in guesses for note in guess.notes]
    keys = found.index(images).keys
    if not keys:
        raise DataError(f"no pictures in '{tree.path}'. Choose the folder or zip that holds them.")
    size, note = _size(found, keys)
    splits, split_note = _splits(tree, keys, guesses)
    sources = [SourceSpec(format=name, **guess.options) for name, guess in guesses]
    tables = tuple(replace(guess.table, source=n) for n, (_, guess) in enumerate(guesses) if isinstance(guess.table, CsvTable))
    spec = ImportSpec(path=str(tree.path), images=images.model_copy(update={"size": size}), sources=_told_apart(sources), splits=splits)
    questions = tuple(replace(question, source=n) for n, (_, guess) in enumerate(guesses) for question in guess.questions)
    return _described(found, spec, (*notes, note, split_note), tables, _numbered(questions))


def _numbered(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """Names that occur twice get a number, so that an answer names one question."""
    seen: Counter[str] = Counter()
    numbered = []
    for question in questions:
        seen[question.name] += 1
        numbered.append(question if seen[question.name] == 1 else replace(question, name=f"{question.name}-{seen[question.name]}"))
    return tuple(numbered)


class _FoundImages:
    """The images that a description means, found once per description: a set may have a hundred thousand."""

    def __init__(self, tree: Tree):
        self.tree, self.reader = tree, ImageReader(tree)
        self._known: dict[str, ImageIndex] = {}
        self.notes: list[FileNote] = []

    def index(self, images: ImageSpec) -> ImageIndex:
        key = repr((images.folders, images.files, images.exclude, images.exclude_suffixes))
        if key not in self._known:
            self._known = {key: ImageIndex(image_keys(self.tree, images, self.reader))}  # the last one only: this bounds the memory
        return self._known[key]


def _guesses(found: _FoundImages, name: str, images: ImageSpec) -> list[Guess]:
    context = Context(found.tree, found.index(images), Findings(), found.notes)
    title = name
    try:
        format_class = FORMATS.load(name)
        title = format_class.title
        return format_class.guess(context, images)
    except MTLError as error:  # one format that fails never blocks the others
        context.not_understood(title, str(error))
        return []


def _most(guesses: list[tuple[str, Guess]]) -> int:
    return max((max(guess.labelled.values(), default=0) for name, guess in guesses if name != "class_folders"), default=0)


def _merged(images: ImageSpec, guesses: list[Guess]) -> dict[str, list[str]]:
    fields = ("files", "exclude", "exclude_suffixes")
    return {field: list(dict.fromkeys([*getattr(images, field), *(v for g in guesses for v in g.images.get(field, []))])) for field in fields}


def _complete_tables(guesses: list[Guess]) -> None:
    """Tables with the same columns are parts of one: a column that has targets in one has them in the other, though it may be constant there."""
    for guess in guesses:
        for other in guesses:
            if other is not guess and other.table.columns == guess.table.columns:
                have = {column["column"] for column in guess.options["columns"]}
                guess.options["columns"] += [dict(column) for column in other.options["columns"] if column["column"] not in have]


def _told_apart(sources: list[SourceSpec]) -> list[SourceSpec]:
    """A column of a second table that names a task another column has: told apart by the file, unless it is the same column."""
    seen: dict[str, str] = {}
    for source in sources:
        for column in (source.model_extra or {}).get("columns", []):
            mark = f"{column['column']}/{column['kind']}"
            if seen.setdefault(column["task"], mark) != mark:
                column["task"] += f"_{PurePosixPath(source.options['file']).stem}"
    return sources


def _size(found: _FoundImages, keys: list[str]) -> tuple[tuple[int, int], str]:
    tree, reader = found.tree, found.reader
    if "#" in keys[0]:
        reader.rows(keys[0].rpartition("#")[0])
        width, height = reader.picture(keys[0], reader.content(keys[0]), None).size
        return (height, width), f"Pictures of {width} x {height} pixels are kept as they are."
    sizes: Counter[tuple[int, int]] = Counter()
    for key in keys[:: max(1, len(keys) // _LOOKED_AT)]:
        try:
            sizes[read_picture(tree.read(key, MOST_BYTES), key, (64, 64)).size] += 1
        except UnreadableError:
            continue
    if len(sizes) == 1 and min(next(iter(sizes))) >= 8 and max(next(iter(sizes))) <= 128:
        width, height = next(iter(sizes))
        return (height, width), f"Pictures of {width} x {height} pixels are kept as they are."
    return (64, 64), "Pictures of other sizes are brought to 64 x 64 pixels; larger is slower and sees more ('images.size')."


def _splits(tree: Tree, keys: list[str], guesses: list[tuple[str, Guess]]) -> tuple[SplitSpec, str]:
    given = [guess.splits for _, guess in guesses if guess.splits]
    if given:
        merged = {"how": given[0]["how"]}
        for part in ("train", "val", "test"):
            merged[part] = [name for split in given for name in split.get(part, [])]
        return SplitSpec(**merged), _words(merged)
    lists = {part: [name for name in tree.files if name.rpartition("/")[2].lower() == f"{part}.txt"] for part in ("train", "val", "test")}
    lists = {part: [name for name in names if _lists_images(tree, name, keys)][:1] for part, names in lists.items()}
    if lists["train"]:
        return SplitSpec(how="lists", **lists), _words({"how": "lists", **lists})
    folders: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for folder in sorted({"/".join(key.split("/")[:depth]) for key in keys for depth in range(1, key.count("/") + 1)}):
        word = folder.rpartition("/")[2].lower().rstrip("0123456789")
        if word in PARTS and not any(folder.startswith(f"{known}/") for names in folders.values() for known in names):
            folders[PARTS[word]].append(folder)
    if folders["train"] and (folders["val"] or folders["test"]):
        return SplitSpec(how="folders", **folders), _words({"how": "folders", **folders})
    if _is_video(tree, keys):
        block = max(2, min(64, len(keys) // 10))
        note = f"Neighbours by name look nearly the same, as frames of a video do: blocks of {block} stay together; 'gap' leaves out the borders."
        return SplitSpec(groups="blocks", block=block), note
    task = next((column["task"] for _, g in guesses for column in g.options.get("columns", []) if column["kind"] == "classification"), "")
    task = task or next((guess.options.get("task", "class") for name, guess in guesses if name == "class_folders"), "")
    return SplitSpec(stratify=task), "Split at random, 70/15/15" + (f", with equal shares of '{task}'." if task else ".")


def _words(split: dict) -> str:
    parts = [f"{part} from {', '.join(split[part])}" if split.get(part) else f"{part} drawn from train" for part in ("train", "val", "test")]
    return f"Split as given: {'; '.join(parts)}."


def _lists_images(tree: Tree, name: str, keys: list[str]) -> bool:
    try:
        lines = [line for line in tree.read(name, 64 << 20).decode("utf-8-sig").splitlines() if line.strip() and not line.startswith("#")]
    except (UnreadableError, UnicodeDecodeError):
        return False
    context = Context(tree, ImageIndex(keys), Findings())
    return bool(lines) and sum(context.image(line.split()[0], "") is not None for line in lines[:50]) > min(50, len(lines)) / 2


def _is_video(tree: Tree, keys: list[str]) -> bool:
    """Whether neighbours by name differ far less than any two do."""
    order = natural([key for key in keys if "#" not in key])
    if len(order) < 30:
        return False
    begin = np.linspace(0, len(order) - 2, _LOOKED_AT).astype(int)
    thumbs = {}
    for n in sorted({*begin.tolist(), *(begin + 1).tolist()}):
        try:
            image = read_picture(tree.read(order[n], MOST_BYTES), order[n], (32, 32)).image
            thumbs[n] = np.asarray(image.convert("L").resize((24, 24))).astype(float)
        except UnreadableError:
            continue
    pairs = [(n, n + 1) for n in begin.tolist() if n in thumbs and n + 1 in thumbs]
    if len(pairs) < 8:
        return False
    near = np.median([np.abs(thumbs[a] - thumbs[b]).mean() for a, b in pairs])
    far = np.median([np.abs(thumbs[pairs[i][0]] - thumbs[pairs[(i + len(pairs) // 2) % len(pairs)][0]]).mean() for i in range(len(pairs))])
    return bool(near < _ALIKE * far)
