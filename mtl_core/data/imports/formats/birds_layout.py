"""The layout of Caltech-UCSD Birds (Wah et al. 2011) and similar sets: texts that number the images, proposed as sources of the table format."""

from __future__ import annotations

from mtl_core.data.imports.formats import Guess
from mtl_core.data.imports.tree import Tree, UnreadableError


def cub_birds(tree: Tree) -> list[tuple[str, Guess]]:
    """Sources (format name, guess) for class and box, with the given train and test; empty for another layout."""
    lists = [name for name in tree.files if name.rpartition("/")[2] == "images.txt"]
    folder = lists[0].removesuffix("images.txt") if len(lists) == 1 else ""
    files = {name: f"{folder}{name}.txt" for name in ("image_class_labels", "classes", "train_test_split", "bounding_boxes")}
    there = {name for name, file in files.items() if file in tree.files}
    if len(lists) != 1 or "image_class_labels" not in there:
        return []
    try:
        names = dict(_pairs(tree, files["classes"])) if "classes" in there else {}
        wanted = {number for _, number in _pairs(tree, files["image_class_labels"])}
    except (UnreadableError, UnicodeDecodeError):
        return []
    common = {"delimiter": "space", "header": False, "image_column": "column_1", "image_list": lists[0]}
    column = {
        "column": "column_2",
        "task": "class",
        "kind": "classification",
        "names": {number: names[number] for number in sorted(wanted & set(names))},
    }
    guesses = [("csv", Guess({"file": files["image_class_labels"], **common, "columns": [column]}, labelled={"class": len(wanted)}))]
    guesses[0][1].notes.append(f"Laid out as Caltech-UCSD Birds: '{lists[0]}' numbers the images, {len(wanted)} classes.")
    if "bounding_boxes" in there:
        box = ["column_2", "column_3", "column_4", "column_5"]
        guesses.append(("csv", Guess({"file": files["bounding_boxes"], **common, "box": box, "box_form": "size"}, labelled={"box": 1})))
    if "train_test_split" in there:
        split = Guess({"file": files["train_test_split"], **common})
        split.splits = {"how": "column", "file": files["train_test_split"], "column": "column_2", "train": ["1"], "test": ["0"]}
        guesses.append(("csv", split))
    return guesses


def _pairs(tree: Tree, file: str) -> list[tuple[str, str]]:
    lines = tree.read(file, 64 << 20).decode("utf-8-sig").splitlines()
    return [(pair[0], pair[1]) for pair in (line.strip().split(None, 1) for line in lines) if len(pair) == 2]
