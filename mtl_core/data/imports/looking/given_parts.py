"""Splits and groups that the files give: lists, tables, columns, folders, folds, frames of a video."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.checking.splits import SPLITS, given
from mtl_core.data.imports.formats import Context, Guess, ImageIndex
from mtl_core.data.imports.formats.class_folders import part_folders, part_word
from mtl_core.data.imports.formats.image_index import is_inner
from mtl_core.data.imports.looking.natural_order import natural
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import MOST_BYTES, read_picture
from mtl_core.data.imports.spec import SourceSpec, SplitSpec
from mtl_core.data.imports.tables.column_words import PART_WORDS, part_of_file, words_of
from mtl_core.data.imports.tables.split_columns import is_fold
from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.errors import DataError
from mtl_core.tasks import kind_of

_LOOKED_AT = 24
_ALIKE = 0.35  # neighbours are frames of a video if their mean difference is below this share of that of random pairs
_AGREE = 0.98  # two splits that agree on this share of the images count as one
_FOLD = re.compile(r"(?:cv|k)?[-_ ]?folds?[-_ ]?\d+|fold[-_ ]?[a-z]", re.IGNORECASE)
_GROUP_FOLDER = re.compile(
    r"(?:patient|subject|subj|participant|case|video|clip|sequence|seq|scene|session|slide|person|user|animal)s?[-_ ]?[a-z]?\d+", re.IGNORECASE
)
_LIST_WORDS = frozenset(["list", "lists", "files", "filelist", "images", "image", "imgs", "img", "set", "split", "names", "paths", "ids"])
Words = tuple[SplitSpec, str, list[Question]]


def given_parts(tree: Tree, keys: list[str], guesses: list[tuple[str, Guess]]) -> Words:
    """The proposed splits, a sentence about them, and questions whose changes start at the description."""
    index = ImageIndex(keys)
    sources = [SourceSpec(format=name, **guess.options) for name, guess in guesses]
    ways = [way for way in (*_of_formats(guesses), _tables(guesses, tree, index), _lists(tree, index), _folders(keys)) if way]
    values: dict[str, Any]
    values, questions = _agreed(ways, tree, index, sources)
    note = _words(values) if values else ""
    folds = _fold_folders(keys) or _fold_column(guesses)
    if folds and not values:
        values, note = dict(folds.readings[0].changes["splits"]), "Split by the folds that the files give."
        questions.append(folds)
    if any(not values.get(part) for part in ("val", "test")):
        groups = _groups(tree, keys, guesses)
        if groups and not folds:
            values |= {name.removeprefix("splits."): value for name, value in groups.reading(groups.taken).changes.items()}
            note = f"{note} {groups.evidence}".strip()
            questions.append(groups)
        elif not values and _is_video(tree, keys):
            block = max(2, min(64, len(keys) // 10))
            values = {"groups": "blocks", "block": block}
            note = f"Neighbours by name look nearly the same, as frames of a video do: blocks of {block} stay together."
    if not values:
        task = _stratified(guesses)
        note = f"Split at random, 70/15/15, with equal shares of '{task}'." if task else "Split at random, 70/15/15."
        values = {"stratify": task}
    elif values.get("how", "ratio") == "ratio" and values.get("groups") == "column":
        note = f"Split at random, 70/15/15. {note}"
    return SplitSpec(**values), note, questions


def _of_formats(guesses: list[tuple[str, Guess]]) -> list[dict]:
    """Splits that the formats found: lists beside VOC's files, folders, a column of a table. Several sources of one sort count as one."""
    merged: dict[tuple, dict] = {}
    for _, guess in guesses:
        if guess.splits:
            way = merged.setdefault((guess.splits["how"], guess.splits.get("column", "")), {"how": guess.splits["how"]})
            way |= {name: guess.splits[name] for name in ("file", "column") if name in guess.splits}
            for part in SPLITS:
                way[part] = list(dict.fromkeys([*way.get(part, []), *guess.splits.get(part, [])]))
    return list(merged.values())


def _tables(guesses: list[tuple[str, Guess]], tree: Tree, index: ImageIndex) -> dict | None:
    """Tables named after parts: train.csv, val.csv. A test table without targets gives no part, because nothing can be measured on it."""
    files: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for name, guess in guesses:
        part = part_of_file(guess.options["file"]) if name == "csv" else ""
        if part and guess.labelled:
            files[part].append(guess.options["file"])
    return {"how": "lists", **files} if files["train"] and (files["val"] or files["test"]) else None


def _lists(tree: Tree, index: ImageIndex) -> dict | None:
    lists = {
        part: sorted((name for name in tree.files if _part_of_list(name) == part), key=lambda name: not name.endswith(f"{part}.txt"))
        for part in SPLITS
    }
    lists = {part: [name for name in names if _lists_images(tree, name, index)][:1] for part, names in lists.items()}
    return {"how": "lists", **lists} if lists["train"] and (lists["val"] or lists["test"]) else None


def _part_of_list(file: str) -> str:
    """train, val or test if that is all that a text file's name says: train.txt, valid.txt, test_list.txt, train_images.lst; else ''."""
    base = file.rpartition("/")[2].lower()
    if not base.endswith((".txt", ".lst", ".list")):
        return ""
    words = words_of(base.rpartition(".")[0])
    found = {PART_WORDS[word] for word in words if word in PART_WORDS and len(word) > 2}
    return found.pop() if len(found) == 1 and all(word in PART_WORDS or word in _LIST_WORDS for word in words) else ""


def _folders(keys: list[str]) -> dict | None:
    found: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    inside: set[str] = set()
    for folder in part_folders(keys):
        if not any(folder[:place] in inside for place, mark in enumerate(folder) if mark == "/"):
            inside.add(folder)
            found[part_word(folder)].append(folder)
    return {"how": "folders", **found} if found["train"] and (found["val"] or found["test"]) else None


def _agreed(ways: list[dict], tree: Tree, index: ImageIndex, sources: list[SourceSpec]) -> tuple[dict, list[Question]]:
    """The split that covers most images, with a question if two splits differ for the same images."""
    if len(ways) < 2:
        return dict(ways[0]) if ways else {}, []
    said: list[tuple[dict, dict[str, str]]] = []
    for way in ways:
        try:
            parts = given(SplitSpec(**way), index.keys, Context(tree, index, Findings()), sources)
        except DataError:
            continue
        if len(set(parts.values())) > 1:
            said.append((way, parts))
    if not said:
        return dict(ways[0]), []
    first = max(said, key=lambda pair: len(pair[1]))
    others = []
    for way, parts in said:
        both = parts.keys() & first[1].keys()
        if way is not first[0] and both and sum(parts[key] == first[1][key] for key in both) < _AGREE * len(both):
            others.append((way, parts))
    if not others:
        return dict(first[0]), []
    rivals = [first, *others]
    names = [f"{way['how']}" + (f"-{n}" if n and way["how"] in [w["how"] for w, _ in rivals[:n]] else "") for n, (way, _) in enumerate(rivals)]
    empty = {"file": "", "column": ""}
    readings = tuple(
        Reading(name, _words(way), {f"splits.{key}": value for key, value in (empty | way).items()})
        for name, (way, _) in zip(names, rivals, strict=True)
    )
    differing = [key for key in first[1] if key in others[0][1] and others[0][1][key] != first[1][key]]
    evidence = "; ".join(f"{name}: {len(parts):,} images" for name, (_, parts) in zip(names, rivals, strict=True))
    text = "The files say the parts (train, val, test) in several ways that differ. Which one counts?"
    question = Question("parts", text, readings, names[0], f"{evidence}; they differ for {len(differing):,}", tuple(differing[:6]))
    return dict(first[0]), [question]


def _fold_folders(keys: list[str]) -> Question | None:
    """The question about folders fold1, fold2, ... beside each other."""
    levels: dict[tuple[int, str], set[str]] = defaultdict(set)
    for key in keys:
        parts = key.split("/")[:-1]
        for depth, part in enumerate(parts):
            if _FOLD.fullmatch(part):
                levels[depth, "/".join(parts[:depth])].add(part)
    if not levels:
        return None
    (depth, above), names = max(levels.items(), key=lambda item: len(item[1]))
    if len(names) < 2:
        return None
    folds = [f"{above}/{name}" if above else name for name in natural(sorted(names))]
    as_parts = {"how": "folders", **_dealt(folds)}
    as_groups = {"groups": "folder", "group_depth": depth + 1}
    evidence = f"{len(folds)} folders: {', '.join(folds[:6])}"
    return _fold_question(as_parts, as_groups, evidence)


def _fold_column(guesses: list[tuple[str, Guess]]) -> Question | None:
    """The question about a column that numbers folds."""
    for name, guess in guesses:
        column = next((column for column in guess.groups if is_fold(column)), "") if name == "csv" else ""
        if column and guess.table is not None:
            values = list(guess.groups[column])
            of = {"file": _one_file(guesses, column), "column": column}
            as_groups = {"groups": "column", "group_file": of["file"], "group_column": column}
            evidence = f"column '{column}' holds {len(values)} folds: {', '.join(values[:8])}"
            return _fold_question({"how": "column", **of, **_dealt(values)}, as_groups, evidence)
    return None


def _dealt(folds: list[str]) -> dict[str, list[str]]:
    """Folds as parts: the last is test, the one before it val, the others train; of two folds, none is val."""
    return {"train": folds[:-2] or folds[:1], "val": folds[-2:-1] if len(folds) > 2 else [], "test": folds[-1:]}


def _fold_question(as_parts: dict, as_groups: dict, evidence: str) -> Question:
    words = f"parts: {_words(as_parts)}"
    readings = (
        Reading("parts", words, {"splits": as_parts}),
        Reading("groups", "parts are drawn, each fold stays in one of them", {"splits": as_groups}),
        Reading("ignored", "parts are drawn, folds are mixed", {"splits": {}}),
    )
    return Question("folds", "How are the folds to be used?", readings, "parts", evidence)


def _groups(tree: Tree, keys: list[str], guesses: list[tuple[str, Guess]]) -> Question | None:
    """The question about columns or folders of patients, scenes and the like, whose images should stay in one part."""
    readings: list[Reading] = []
    said: list[str] = []
    empty = {"splits.groups": "none", "splits.group_file": "", "splits.group_column": "", "splits.group_depth": 0}
    for name, guess in guesses:
        for column, values in guess.groups.items() if name == "csv" else ():
            title = f"by '{column}': images with the same cell stay in one part"
            file = _one_file(guesses, column)
            if all(reading.changes["splits.group_column"] != column for reading in readings):
                changes = empty | {"splits.groups": "column", "splits.group_file": file, "splits.group_column": column}
                readings.append(Reading(f"column-{column}", title, changes))
                what = f"column '{column}' makes {len(values):,} groups"
                said.append(what if said else f"Column '{column}' makes {len(values):,} groups")
    levels: dict[int, set[str]] = defaultdict(set)
    for key in keys:
        for depth, part in enumerate(key.split("/")[:-1]):
            levels[depth].add(part)
    for depth, names in levels.items():
        if 1 < len(names) < len(keys) and all(_GROUP_FOLDER.fullmatch(name) for name in names):
            changes = empty | {"splits.groups": "folder", "splits.group_depth": depth + 1}
            readings.append(Reading(f"folder-{depth + 1}", f"by folder, such as '{sorted(names)[0]}'", changes))
            said.append(f"{len(names)} folders such as '{sorted(names)[0]}'")
    if not readings:
        return None
    readings = readings[:3]
    readings.append(Reading("alone", "no: each image by itself", empty))
    evidence = f"{'; '.join(said[:3])}: what belongs together stays in one part, so that none is in train and in test."
    text = "Do images that belong together stay in one part of the data?"
    return Question("groups", text, tuple(readings), readings[0].name, evidence)


def _one_file(guesses: list[tuple[str, Guess]], column: str) -> str:
    """The table that has a column; '' if several have it, which means all of them."""
    files = [guess.options["file"] for name, guess in guesses if name == "csv" and column in guess.groups]
    return files[0] if len(files) == 1 else ""


def _stratified(guesses: list[tuple[str, Guess]]) -> str:
    """Name of the first classification task, whose classes are stratified."""
    for _, guess in guesses:
        for option in [*guess.options.get("columns", []), *guess.options.get("indicators", [])]:
            if kind_of(option["kind"]).stratifies:
                return option["task"]
    return next((guess.options.get("task", "class") for name, guess in guesses if name == "class_folders"), "")


def _words(split: dict[str, Any]) -> str:
    values = {part: list(map(str, split.get(part) or ())) for part in SPLITS}
    listed = {part: ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") for part, names in values.items()}
    train, val, test = (listed[part] for part in SPLITS)
    column = split.get("column")
    if not train or not (val or test):
        of = f" (column '{column}')" if column else ""
        parts = [f"{part} from {listed[part]}" if listed[part] else f"{part} drawn from train" for part in SPLITS]
        return f"Split as given{of}: {'; '.join(parts)}."
    if column:
        if val and test:
            return f"Split as given (column '{column}'): train from {train}; val from {val}; test from {test}."
        if val:
            return f"Split as given (column '{column}'): train from {train}; val from {val}; test drawn from train."
        return f"Split as given (column '{column}'): train from {train}; val drawn from train; test from {test}."
    if val and test:
        return f"Split as given: train from {train}; val from {val}; test from {test}."
    if val:
        return f"Split as given: train from {train}; val from {val}; test drawn from train."
    return f"Split as given: train from {train}; val drawn from train; test from {test}."


def _lists_images(tree: Tree, name: str, index: ImageIndex) -> bool:
    return _names_images(_lines(tree, name), tree, index)


def is_image_list(tree: Tree, name: str, index: ImageIndex) -> bool:
    """Whether a text file has names of images and nothing else, so that it holds no labels."""
    if not name.endswith((".txt", ".lst", ".list")) or name not in tree.files:
        return False
    lines = _lines(tree, name)
    return all(len(line.split()) == 1 for line in lines) and _names_images(lines, tree, index)


def _lines(tree: Tree, name: str) -> list[str]:
    """The lines of a text file without comments; none where it is no text."""
    try:
        return [line for line in tree.read(name, 64 << 20).decode("utf-8-sig").splitlines() if line.strip() and not line.startswith("#")]
    except (UnreadableError, UnicodeDecodeError):
        return []


def _names_images(lines: list[str], tree: Tree, index: ImageIndex) -> bool:
    """Whether most of the first lines begin with the name of an image."""
    context = Context(tree, index, Findings())
    return bool(lines) and sum(context.image(line.split()[0], "") is not None for line in lines[:50]) > min(50, len(lines)) / 2


def _is_video(tree: Tree, keys: list[str]) -> bool:
    """Whether neighbours by name differ far less than random pairs."""
    order = natural([key for key in keys if not is_inner(key)])
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
