"""Several formats look at one set: a file belongs to the one that reads it, and folders of pictures alike stay classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import examine, propose


def picture(path: Path, seed: int, grey: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, (36, 48) if grey else (36, 48, 3), np.uint8)
    Image.fromarray(values).save(path)


def labels(root: Path, task: str) -> dict[str, str]:
    """Image -> class in the description that is proposed."""
    examined = examine(root, propose(root).spec)
    [found] = [target for target in examined.targets if target.name == task]
    return {key: found.classes[value] for key, value in found.values.items()}


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("names", [("normal", "tumour"), ("C#", "photo"), ("raw", "cooked")])
def test_folders_of_pictures_of_the_same_names_are_classes(tmp_path, names, grey):
    for seed, name in enumerate(names):
        for place in range(8):
            picture(tmp_path / name / f"{place}.png", 100 * seed + place, grey)
    assert labels(tmp_path, "class") == {f"{name}/{place}.png": name for name in names for place in range(8)}


def test_a_hash_in_a_files_name_is_part_of_it(tmp_path):
    for place in range(8):
        picture(tmp_path / f"shot#{place}.png", place)
    (tmp_path / "table.csv").write_text("image,colour\n" + "".join(f"shot#{n},{'red' if n % 2 else 'blue'}\n" for n in range(8)))
    assert labels(tmp_path, "colour") == {f"shot#{n}.png": "red" if n % 2 else "blue" for n in range(8)}


def test_names_of_a_table_mean_the_pictures_near_it(tmp_path):
    for seed, site in enumerate(("a", "b")):
        for place in range(30):
            picture(tmp_path / site / f"f{place % 6}" / f"{place}.png", 100 * seed + place)
        rows = "".join(f"{n}.png,{('red', 'blue')[(n + seed) % 2]}\n" for n in range(30))
        (tmp_path / site / "labels.csv").write_text("image,colour\n" + rows)
    wanted = {f"{site}/f{n % 6}/{n}.png": ("red", "blue")[(n + seed) % 2] for seed, site in enumerate(("a", "b")) for n in range(30)}
    assert labels(tmp_path, "colour") == wanted


def test_names_of_classes_are_no_table_of_pictures(tmp_path):
    for place in range(8):
        picture(tmp_path / "images" / f"{place}.png", place)
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{place}.txt").write_text(f"{place % 2} 0.5 0.5 0.4 0.4\n")
    (tmp_path / "notes.json").write_text(json.dumps({"categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]}))
    proposal = propose(tmp_path)
    assert [source.format for source in proposal.spec.sources] == ["yolo"]
    assert {note.files: note.read for note in proposal.files} == {"labels/*.txt": True, "notes.json": True}
    assert proposal.tasks[0].classes == ("cat", "dog")


def test_a_list_of_images_that_no_split_needs_is_understood(tmp_path):
    for place in range(8):
        picture(tmp_path / "images" / f"{place}.png", place)
    (tmp_path / "table.csv").write_text("image,colour\n" + "".join(f"{n}.png,{'red' if n % 2 else 'blue'}\n" for n in range(8)))
    lists = {"train": range(5), "val": range(5, 8), "trainval": range(8)}
    for name, places in lists.items():
        (tmp_path / f"{name}.txt").write_text("".join(f"{place}\n" for place in places))
    (tmp_path / "scores.txt").write_text("".join(f"{place} 0.5\n" for place in range(8)))
    proposal = propose(tmp_path)
    assert proposal.spec.splits.how == "lists"
    notes = {note.files: note for note in proposal.files}
    assert notes["trainval.txt"].read
    assert "without labels" in notes["trainval.txt"].reason
    assert not notes["scores.txt"].read  # what stands beside the names may be a label
