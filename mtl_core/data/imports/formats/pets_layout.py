"""The layout of Oxford-IIIT Pet (Parkhi et al. 2012), proposed as sources of the general formats: lists, trimaps, head boxes."""

from __future__ import annotations

from mtl_core.data.imports.formats import Guess
from mtl_core.data.imports.tree import Tree, UnreadableError


def oxford_pets(tree: Tree) -> list[tuple[str, Guess]]:
    """Sources (format name, guess) for breed, species, trimap and head; empty for another data set."""
    lists = [name for name in tree.files if name.endswith("annotations/trainval.txt")]
    if len(lists) != 1 or not any("/trimaps/" in f"/{name}" for name in tree.files):
        return []
    folder = lists[0].removesuffix("trainval.txt").rstrip("/")
    tests = [f"{folder}/test.txt"] if f"{folder}/test.txt" in tree.files else []
    breeds: dict[str, str] = {}
    try:
        for name in [*lists, *tests]:
            for line in tree.read(name, 8 << 20).decode("utf-8").splitlines():
                parts = line.split()
                if len(parts) == 4 and not line.startswith("#"):
                    breeds.setdefault(parts[1], parts[0].rpartition("_")[0])
    except (UnreadableError, UnicodeDecodeError):
        return []
    guesses: list[tuple[str, Guess]] = []
    for name in [*lists, *tests]:
        columns = [
            {
                "column": "column_2",
                "task": "breed",
                "kind": "classification",
                "names": breeds,
                "classes": [breeds[n] for n in sorted(breeds, key=int)],
            },
            {"column": "column_3", "task": "species", "kind": "classification", "names": {"1": "cat", "2": "dog"}, "classes": ["cat", "dog"]},
        ]
        options = {"file": name, "delimiter": "space", "header": False, "image_column": "column_1", "columns": columns}
        guesses.append(("csv", Guess(options)))
    guesses[0][1].splits = {"how": "lists", "train": lists, "test": tests}
    guesses[0][1].notes.append(f"Oxford-IIIT Pet: {len(breeds)} breeds; class ids {', '.join(sorted(breeds, key=int))} are numbered from 0 here.")
    values = {1: "animal", 2: "background", 3: "border"}
    guesses.append(("masks", Guess({"folder": f"{folder}/trimaps", "task": "trimap", "values": values}, images={"exclude": [f"{folder}/trimaps"]})))
    if any(name.startswith(f"{folder}/xmls/") for name in tree.files):
        guesses.append(("voc", Guess({"folder": f"{folder}/xmls", "boxes": "head"})))
    return guesses
