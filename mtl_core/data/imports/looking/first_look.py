"""The first look at a folder or zip: it guesses formats, tasks and splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.checking.merge import fill_unlisted, joined
from mtl_core.data.imports.formats import FORMATS, Context, Guess, ImageIndex, foreign, read_source
from mtl_core.data.imports.formats.birds_layout import cub_birds
from mtl_core.data.imports.formats.image_index import is_idx_row
from mtl_core.data.imports.formats.pets_layout import oxford_pets
from mtl_core.data.imports.formats.unread_files import unread_files, what_is_there
from mtl_core.data.imports.image_keys import ImageReader, image_keys
from mtl_core.data.imports.looking.given_parts import given_parts, is_image_list
from mtl_core.data.imports.looking.levels import levels_of, stacks_in, unread_endings
from mtl_core.data.imports.looking.proposal import CsvTable, Proposal, ProposedTask
from mtl_core.data.imports.looking.questions import FileNote, Question
from mtl_core.data.imports.picture_reading import MOST_BYTES, read_picture
from mtl_core.data.imports.reading_progress import Cancelled, ReadingProgress
from mtl_core.data.imports.spec import SPEC_NAME, ImageSpec, ImportSpec, SourceSpec
from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.errors import DataError, MTLError
from mtl_core.names import suggested_task_name
from mtl_core.registry import validated

MANY_FILES = 20_000
_LOOKED_AT = 24
_ALONE = "No labels were found: the pictures alone are imported, for tasks that need none (self-supervised), unless a description names sources."
_LIST = "a list of images without labels; the splits do not need it"


def propose(
    path: str | Path,
    tell: Callable[[str], None] | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Proposal:
    """Guess how a folder or zip can be read. A ``dataset.yaml`` beside the data is used instead of guesses.

    Args:
        tell: called with a sentence before a look that takes long.
        progress: called with the share that is done and what is being read.
        cancelled: True ends the look.

    Raises:
        DataError: there are no files to read.
        ConfigError: ``dataset.yaml`` is invalid.
        Cancelled: ``cancelled`` returned True.
    """
    with Tree(path, Findings(), _listing(progress, cancelled)) as tree:
        if tell and len(tree.files) >= MANY_FILES:
            tell(f"Looking at {len(tree.files):,} files. This takes about half a minute for each 200,000.")
        if SPEC_NAME in tree.files:
            spec = ImportSpec.from_yaml(tree.read(SPEC_NAME, 4 << 20).decode("utf-8-sig", "replace"))
            return _described(_FoundImages(tree), spec, (f"Read by the description '{SPEC_NAME}' beside the data.",))
        return _look(tree)


def describe(
    path: str | Path, spec: ImportSpec, progress: Callable[[float, str], None] | None = None, cancelled: Callable[[], bool] | None = None
) -> Proposal:
    """Tasks and counts of a description, without guesses.

    Args:
        progress, cancelled: as in ``propose``.

    Raises:
        DataError: there are no files to read. ConfigError: a source's options are wrong. Cancelled: ``cancelled`` returned True.
    """
    with Tree(path, Findings(), _listing(progress, cancelled)) as tree:
        return _described(_FoundImages(tree), spec, ())


def _listing(progress: Callable[[float, str], None] | None, cancelled: Callable[[], bool] | None) -> ReadingProgress:
    reading = ReadingProgress(progress, cancelled)
    reading.begin(0.0, "listing the files")
    return reading


def _described(
    found_images: _FoundImages, spec: ImportSpec, notes: tuple[str, ...], tables: tuple = (), questions: tuple[Question, ...] = ()
) -> Proposal:
    """Tasks of the sources after reading them. A source that cannot be read is reported; the others are still read."""
    index = found_images.index(spec.images)
    context, tasks = Context(found_images.tree, index, Findings()), {}
    for number, source in enumerate(spec.sources):
        format_class = FORMATS.load(source.format, f"sources.{number}.format")
        found_images.tree.progress.begin(0.8 + 0.2 * number / len(spec.sources), f"counting targets ({format_class.title})")
        try:
            for found in read_source(format_class(validated(format_class.Options, source.options, f"sources.{number}")), context):
                first, whole = tasks.get(found.name, (number, found))
                tasks[found.name] = (first, whole if whole is found else joined(whole, found, context.findings))
        except Cancelled:
            raise
        except MTLError as error:
            found_images.notes.append(FileNote(_named(source), 1, False, f"{format_class.title}: {error}"))
    for _, found in tasks.values():
        fill_unlisted(found, index.keys)
    proposed = tuple(ProposedTask(found.name, found.kind, found.classes, found.unit, number, len(found.values)) for number, found in tasks.values())
    return Proposal(spec, len(index), proposed, tables, notes, questions, _once(found_images.notes))


def _named(source: SourceSpec) -> str:
    """The file or folder that a source reads, for messages."""
    return str(source.options.get("file") or source.options.get("folder") or source.format)


def _once(notes: list[FileNote]) -> tuple[FileNote, ...]:
    """The last note of each file. Formats look more than once; the last look already knows the masks and depth maps."""
    return tuple({(note.files, note.read): note for note in notes}.values())


def _without_rivals(notes: list[FileNote]) -> list[FileNote]:
    """Notes without those of formats that reject a file which another format reads."""
    read = {note.files for note in notes if note.read}
    return [note for note in notes if note.read or note.files not in read]


def _layout_notes(guesses: list[tuple[str, Guess]]) -> list[FileNote]:
    """Notes on the tables and lists of parts that a known layout reads; they replace the notes of single formats."""
    named = [name for _, guess in guesses for part in ("train", "val", "test") for name in (guess.splits or {}).get(part, [])]
    named += [str(guess.options[key]) for _, guess in guesses for key in ("file", "image_list") if guess.options.get(key)]
    return [FileNote(name, 1, True, "read as part of this data set's known layout") for name in dict.fromkeys(named)]


def _look(tree: Tree) -> Proposal:
    found = _FoundImages(tree)
    images = ImageSpec(files=[guess.options["images"] for guess in _guesses(found, "idx", ImageSpec())])
    guesses: list[tuple[str, Guess]] = []
    names = list(FORMATS)
    for number, name in enumerate(names):  # masks and depth come first, because the others count the images
        tree.progress.begin(0.75 * number / len(names), f"looking for {name.replace('_', ' ')}")
        images = images.model_copy(update=_merged(images, [guess for _, guess in guesses], found.aside))
        guesses += [(name, guess) for guess in _guesses(found, name, images)]
    images = images.model_copy(update=_merged(images, [guess for _, guess in guesses], found.aside))
    if any(name != "class_folders" for name, _ in guesses):
        guesses = [(name, guess) for name, guess in guesses if name != "class_folders" or guess.labelled["class"] > _most(guesses) / 2]
    if found.aside or any(name in ("masks", "depth") for name, _ in guesses):
        guesses = [(name, guess) for name, guess in guesses if name != "class_folders" or not _are_scenes(found.index(images).keys)]
    if len(guesses) > 1:  # file names give a class only if no other source gives a target
        guesses = [(name, guess) for name, guess in guesses if name != "file_names"]
    tree.progress.begin(0.75, "looking at files that no format takes")
    foreign.tell(Context(tree, found.index(images), Findings(), found.notes))
    found.notes = _without_rivals(found.notes)
    known = oxford_pets(tree) or cub_birds(tree)
    if known:
        found.notes = _without_rivals([*found.notes, *_layout_notes(known)])
    guesses = known or guesses
    notes = [note for _, guess in guesses for note in guess.notes]
    keys = found.index(images).keys
    if not keys:
        unread = "; ".join(f"'{note.files}': {note.reason}" for note in _once(found.notes)[:6] if not note.read)
        raise DataError(
            f"no pictures in '{tree.path}'. {what_is_there(tree)} Choose the folder or zip that holds the pictures."
            + (f" Seen and not read: {unread}." if unread else "")
        )
    levels, levels_note, levels_question = levels_of(tree, keys)
    size, note = _size(found, keys, levels)
    stack_note, stack_question = stacks_in(tree, keys)
    found.questions += [question for question in (levels_question, stack_question) if question is not None]
    found.notes += unread_endings(tree)
    notes += [text for text in (levels_note, stack_note) if text]
    sources = _told_apart([SourceSpec(format=name, **guess.options) for name, guess in guesses])
    splits, split_note, split_questions = given_parts(tree, keys, guesses)
    unread = unread_files(tree, found.notes, sources, splits)
    lists = {note.files for note in unread if is_image_list(tree, note.files, found.index(images))}
    found.notes += [replace(note, read=True, reason=_LIST) if note.files in lists else note for note in unread]
    if not sources:
        notes.append(_ALONE)
    tables = tuple(replace(guess.table, source=n) for n, (_, guess) in enumerate(guesses) if isinstance(guess.table, CsvTable))
    spec = ImportSpec(path=str(tree.path), images=images.model_copy(update={"size": size, "levels": levels}), sources=sources, splits=splits)
    questions = (*(_of_alike(question, n, guesses) for n, (_, guess) in enumerate(guesses) for question in guess.questions), *split_questions)
    return _described(found, spec, (*notes, note, split_note), tables, _numbered((*questions, *found.questions)))


def _of_alike(question: Question, number: int, guesses: list[tuple[str, Guess]]) -> Question:
    """The question with its source. If several sources are parts of one (train.csv, val.csv), an answer changes all of them."""
    mark = guesses[number][1].alike
    same = [n for n, (_, guess) in enumerate(guesses) if guess.alike == mark] if mark else [number]
    if len(same) == 1:
        return replace(question, source=number)
    readings = (
        replace(reading, changes={f"sources.{n}.{path}": value for n in same for path, value in reading.changes.items()})
        for reading in question.readings
    )
    return replace(question, readings=tuple(readings))


def _numbered(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """Number the question names that occur twice, so that an answer names one question."""
    seen: Counter[str] = Counter()
    numbered = []
    for question in questions:
        seen[question.name] += 1
        numbered.append(question if seen[question.name] == 1 else replace(question, name=f"{question.name}-{seen[question.name]}"))
    return tuple(numbered)


class _FoundImages:
    """The images that a description selects, cached per description, since a set may have a hundred thousand."""

    def __init__(self, tree: Tree):
        self.tree, self.reader = tree, ImageReader(tree)
        self._known: dict[str, ImageIndex] = {}
        self.notes: list[FileNote] = []
        self.questions: list[Question] = []
        self.aside: dict[str, list[str]] = {}

    def index(self, images: ImageSpec) -> ImageIndex:
        key = repr((images.folders, images.files, images.exclude, images.exclude_suffixes, images.exclude_files))
        if key not in self._known:
            self._known = {key: ImageIndex(image_keys(self.tree, images, self.reader))}  # only the last index, to bound the memory
        return self._known[key]


def _guesses(found: _FoundImages, name: str, images: ImageSpec) -> list[Guess]:
    context = Context(found.tree, found.index(images), Findings(), found.notes, found.questions, found.aside)
    title = name
    try:
        format_class = FORMATS.load(name)
        title = format_class.title
        return format_class.guess(context, images)
    except Cancelled:
        raise
    except MTLError as error:  # a format that fails does not block the others
        context.not_understood(title, str(error))
        return []


def _are_scenes(keys: list[str]) -> bool:
    """Whether the pictures' folders are scenes, not classes: one picture in each, or every file name begins with its folder's name."""
    folders = Counter(key.rpartition("/")[0] for key in keys)
    named = sum(key.rpartition("/")[2].startswith(f"{key.rpartition('/')[0].rpartition('/')[2]}_") for key in keys if "/" in key)
    return max(folders.values(), default=0) == 1 or named == len(keys)


def _most(guesses: list[tuple[str, Guess]]) -> int:
    return max((max(guess.labelled.values(), default=0) for name, guess in guesses if name != "class_folders"), default=0)


def _merged(images: ImageSpec, guesses: list[Guess], aside: dict[str, list[str]]) -> dict[str, list[str]]:
    fields, found = ("files", "exclude", "exclude_suffixes", "exclude_files"), [aside, *(guess.images for guess in guesses)]
    return {field: list(dict.fromkeys([*getattr(images, field), *(v for more in found for v in more.get(field, []))])) for field in fields}


def _told_apart(sources: list[SourceSpec]) -> list[SourceSpec]:
    """Rename the task of a table's column that another source has: the file's name is added, unless it is the same column."""
    seen: dict[str, str] = {}
    for source in sources:
        options = source.model_extra or {}
        task = options.get("task") if source.format == "class_folders" else None
        if task:
            seen.setdefault(task, "")
        for entry in [*options.get("columns", []), *options.get("indicators", [])]:
            mark = f"{entry.get('column') or ','.join(entry['columns'])}/{entry['kind']}"
            if entry["kind"] != "left_out" and seen.setdefault(entry["task"], mark) != mark:
                entry["task"] = suggested_task_name(f"{entry['task']}_{PurePosixPath(options['file']).stem}")
    return sources


def _size(found: _FoundImages, keys: list[str], levels: tuple[float, float] | None) -> tuple[tuple[int, int], str]:
    tree, reader = found.tree, found.reader
    if is_idx_row(keys[0]):
        reader.rows(keys[0].rpartition("#")[0])
        width, height = reader.picture(keys[0], reader.content(keys[0]), None).size
        return (height, width), f"Pictures of {width} x {height} pixels are kept as they are."
    sizes: Counter[tuple[int, int]] = Counter()
    for key in keys[:: max(1, len(keys) // _LOOKED_AT)]:
        try:
            sizes[read_picture(tree.read(key, MOST_BYTES), key, (64, 64), levels).size] += 1
        except UnreadableError:
            continue
    if len(sizes) == 1 and min(next(iter(sizes))) >= 8 and max(next(iter(sizes))) <= 128:
        width, height = next(iter(sizes))
        return (height, width), f"Pictures of {width} x {height} pixels are kept as they are."
    return (64, 64), "Pictures of other sizes are resized to 64 x 64 pixels; a larger size is slower and shows more detail."
