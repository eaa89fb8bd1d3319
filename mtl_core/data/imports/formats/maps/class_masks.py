"""Black-and-white masks of one class each. The folder or the end of the stem names the class."""

from __future__ import annotations

from collections import Counter, defaultdict
from posixpath import splitext

import numpy as np

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.set_aside import files_of, of_pair, outside
from mtl_core.data.imports.looking.dense_sizes import ask, ask_size
from mtl_core.data.imports.looking.name_roles import Role
from mtl_core.data.imports.looking.pairing import Pair
from mtl_core.data.imports.looking.picture_contents import Content
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import MOST_BYTES, index_image
from mtl_core.data.imports.tree import UnreadableError


def _binary(content: Content) -> bool:
    return content.kind == "soft" or (content.kind == "index" and len(content.counts) <= 2)


def class_folders(pair: Pair) -> list[str]:
    """Folders below the role's own if each holds black-and-white masks of the same pictures."""
    if not pair.files.folder or not all(_binary(content) for content in pair.contents.values()):
        return []
    owners: dict[str, set[str]] = defaultdict(set)
    shared: Counter[str] = Counter()
    for file, picture in pair.pairs:
        rest, _ = pair.files.core(file)  # type: ignore[misc]
        owners[rest.split("/")[0]].add(picture)
    for pictures in owners.values():
        shared.update(pictures)
    return sorted(owners) if "" not in owners and len(owners) > 1 and sum(count > 1 for count in shared.values()) * 4 >= len(shared) else []


def by_class(pairs: list[Pair]) -> list[list[Pair]]:
    """Groups of pairs: masks of one class each of the same pictures, whose stems end differently, form one group."""
    groups: dict[tuple, list[Pair]] = defaultdict(list)
    for pair in pairs:
        binary = all(_binary(content) for content in pair.contents.values()) and pair.files.suffix
        groups[(pair.files.folder, pair.files.prefix, pair.images) if binary else (id(pair),)].append(pair)
    return [sorted(group, key=lambda pair: pair.files.suffix) for group in groups.values()]


def classwise(context: Context, group: list[Pair], pictures: set[str]) -> Guess | None:
    """The guess for one black-and-white mask per class, named by folder or by the end of the stem."""
    first = group[0]
    if len(group) > 1:
        ends = [pair.files.suffix for pair in group]
        common = _shared_beginning(ends)
        classes = {end[len(common) :]: end[len(common) :].strip("_.- ") or end.strip("_.- ") for end in ends}
        options: dict = of_pair(first) | {"suffix": common, "per_class": "suffix", "classes": classes}
        where = ", ".join(pair.files.words() for pair in group[:4])
    else:
        folders = _folders_below(context, first.files)
        options = of_pair(first) | {"per_class": "folder", "classes": {name: name for name in folders}}
        where = f"{first.files.folder}/<class>"
    options["task"] = "segments"
    contents = [content for pair in group for content in pair.contents.values()]
    if any(content.kind == "soft" for content in contents):
        options["threshold"] = 128.0
    count = sum(len(files_of(context, pair.files)) for pair in group)
    overlap, looked_at = _overlap(context, group)
    questions: list[Question] = []
    examples = tuple(dict.fromkeys(picture for pair in group for _, picture in pair.pairs[:2]))
    if overlap > 0.001:
        ask(
            questions,
            "overlap",
            "The masks of the classes overlap. Is this one task, or one for each class?",
            Reading("one", "one task; where classes overlap, the smaller area lies above the larger", {"separate": False}),
            Reading("each", "a task for each class, each with its background", {"separate": True}),
            "each" if overlap > 0.2 else "one",
            f"{overlap:.1%} of the marked pixels have more than one class, in {looked_at} pictures looked at.",
            examples,
        )
        options["separate"] = overlap > 0.2
    ask_size(context, first, questions, options, examples)
    images: dict[str, list[str]] = defaultdict(list)
    for pair in group:
        for name, values in outside(pair.files, pictures).items():
            images[name] += [value for value in values if value not in images[name]]
        context.understood(pair.files.words(), "masks in black and white, one for each class", len(files_of(context, pair.files)))
    names = list(options["classes"].values())
    note = f"'{where}': {count:,} masks, one for each of {len(names)} classes: {', '.join(names[:8])}"
    labelled = {"segments": len({picture for pair in group for _, picture in pair.pairs})}
    return Guess(options, labelled=labelled, images=dict(images), notes=[note], questions=questions)


def _folders_below(context: Context, role: Role) -> list[str]:
    return sorted({role.core(name)[0].split("/")[0] for name in files_of(context, role)})  # type: ignore[index]


def _shared_beginning(texts: list[str]) -> str:
    """The common prefix, up to a separator."""
    shortest = min(texts, key=len)
    at = next((n for n, c in enumerate(shortest) if any(text[n] != c for text in texts)), len(shortest))
    cut = max((shortest.rfind(mark, 0, at) for mark in "_.- "), default=-1)
    return shortest[: cut + 1]


def _overlap(context: Context, group: list[Pair]) -> tuple[float, int]:
    """(share of the marked pixels that have several classes, number of pictures read)."""
    by_picture: dict[str, list[str]] = defaultdict(list)
    for pair in group:
        for file, picture in pair.pairs:
            by_picture[picture].append(file)
    marked = twice = looked_at = 0
    for picture in list(by_picture)[:: max(1, len(by_picture) // 8)][:8]:
        total: np.ndarray | None = None
        for file in by_picture[picture]:
            try:
                values = (index_image(context.tree.read(file, MOST_BYTES)) >= 128) if splitext(file)[1].lower() in (".jpg", ".jpeg") else None
                values = index_image(context.tree.read(file, MOST_BYTES)) > 0 if values is None else values
            except UnreadableError:
                continue
            total = values.astype(np.int64) if total is None else total + values if total.shape == values.shape else total
        if total is not None:
            looked_at += 1
            marked += int((total > 0).sum())
            twice += int((total > 1).sum())
    return twice / max(1, marked), looked_at
