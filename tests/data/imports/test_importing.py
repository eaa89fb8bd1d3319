"""From files to a set that a run trains on: exact arrays, whole or not at all, and known by content."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, features

from mtl_core.config_sections import DataConfig, PartConfig, PreprocessingConfig
from mtl_core.data import open_source
from mtl_core.data.imports import Cancelled, ImportSpec, check, delete, examine, import_dataset, imported, propose
from mtl_core.data.imports.checking.frames import RESIZES, place_boxes, place_map
from mtl_core.data.imports.checking.scan import PREPARATION
from mtl_core.data.imports.image_keys import image_keys
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.data.prepare import prepare
from mtl_core.errors import DataError

ORIENTATION = ExifTags.Base.Orientation


def spec_of(root, **changes) -> ImportSpec:
    return ImportSpec.from_dict({**propose(root).spec.to_dict(), **changes})


def test_what_the_files_look_like(make_shapes):
    proposal = propose(make_shapes())
    assert {task.name: (task.kind, task.labelled) for task in proposal.tasks} == {
        "boxes": ("detection", 20),
        "segments": ("segmentation", 20),
        "colour": ("classification", 20),
        "size_px": ("regression", 20),
    }
    assert proposal.images == 20
    assert ImportSpec.from_yaml(proposal.spec.to_yaml()).to_dict() == proposal.spec.to_dict()
    [table] = proposal.tables
    assert (table.delimiter, table.columns) == (",", ("image", "colour", "size_px"))
    assert proposal.spec.sources[table.source].options["file"] == "table.csv"


def test_arrays_are_what_the_files_say(make_shapes):
    root = make_shapes()
    (root / "xml" / "003.xml").unlink()
    examined = examine(root, spec_of(root, images={"folders": ["images"], "size": [24, 32]}))
    source = PreparedSource(examined)
    for split in ("train", "val", "test"):
        data = source.build(split, lambda share, what: None)
        keys = [key for key in examined.facts if examined.split[key] == split]
        assert len(data) == len(keys) == source.split_sizes()[split]
        for row, key in enumerate(keys):
            number = int(key[-7:-4])
            side, channel = 5 + number % 7, number % 3
            assert (data.images[row] == np.asarray(Image.open(root / key)).transpose(2, 0, 1)).all()
            assert (data.targets["segments"][row] == np.asarray(Image.open(root / "masks" / key[-7:]))).all()
            assert examined.tasks[2].classes[data.targets["colour"][row]] == ("red", "green", "blue")[channel]
            assert data.targets["size_px"][row] == side + 0.5
            assert data.labelled["boxes"][row] == (number != 3)
            if number != 3:
                assert data.targets["boxes"][row, 0].tolist() == [6, 4, 6 + side, 4 + side, 0]


@pytest.mark.parametrize("how", RESIZES)
def test_targets_follow_the_resize(how):
    """A mask of a box, placed, is the box placed."""
    mask = np.zeros((48, 80), np.uint8)
    mask[12:36, 24:56] = 7
    place = RESIZES[how]((80, 48), (40, 40))
    placed = place_map(mask, place, 255)
    [box] = place_boxes(np.array([[24, 12, 56, 36, 3]], np.float32), place)
    rows, columns = np.nonzero(placed == 7)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(box[:4] - found).max() <= 1
    assert (placed == 255).mean() == pytest.approx({"stretch": 0, "pad": 0.4, "crop": 0}[how])


def test_a_set_is_listed_trained_on_and_deleted(import_shapes, home):
    made = import_shapes()
    [known] = imported()
    assert known == made
    source = open_source(PartConfig(name="imported", set="shapes"))
    assert source.problems() == []
    data = prepare(source, home / "data")
    assert isinstance(data.train.images, np.memmap)
    assert {split: len(data.split(split)) for split in ("train", "val", "test")} == made.split_sizes
    assert (
        source.resized
        == open_source(DataConfig(name="imported", set="shapes", preprocessing=PreprocessingConfig(colour="grey"))).resized
        == "stretch"
    )  # as its description says
    assert data.statistics["targets"]["colour"]["class_counts"] == np.bincount(data.train.targets["colour"], minlength=3).tolist()
    delete("shapes")
    assert imported() == []
    assert [path.name for path in (home / "data").iterdir()] == []
    [(option, sentence)] = source.problems()
    assert (option, "unknown imported data set 'shapes'" in sentence) == ("set", True)


def test_each_row_knows_the_picture_it_was_made_of(import_shapes, home):
    made = import_shapes()
    data = prepare(open_source(PartConfig(name="imported", set="shapes")), home / "data")
    for split in ("train", "val", "test"):
        files = made.files(split)
        assert len(files) == made.split_sizes[split]
        assert data.split(split).targets["size_px"].tolist() == [5 + int(file[-7:-4]) % 7 + 0.5 for file in files]
    (made.folder / "files.csv").unlink()  # a set that was imported before this was written down
    assert made.files("val") == []


def test_the_same_content_under_two_names_is_prepared_once(make_shapes, import_shapes, home, tmp_path):
    import_shapes("one")
    moved = tmp_path / "moved"
    shutil.copytree(make_shapes(), moved)
    import_dataset(moved, propose(moved).spec, "two")
    assert len(list((home / "data").iterdir())) == 1
    delete("one")
    assert prepare(open_source(PartConfig(name="imported", set="two")), home / "data").train.images.size


def test_lost_arrays_are_made_again_from_unchanged_files_only(import_shapes, make_shapes, home):
    import_shapes()
    source = open_source(PartConfig(name="imported", set="shapes"))
    before = np.array(prepare(source, home / "data").val.images)
    shutil.rmtree(home / "data")
    assert (np.array(prepare(source, home / "data").val.images) == before).all()
    shutil.rmtree(home / "data")
    path = make_shapes() / "images" / "004.png"
    Image.fromarray(np.asarray(Image.open(path)) + 1).save(path)
    with pytest.raises(DataError, match="have changed since it was imported"):
        prepare(open_source(PartConfig(name="imported", set="shapes")), home / "data")


def test_another_way_of_preparing_gives_other_arrays_and_never_passes_for_the_old_one(import_shapes, make_shapes, home, monkeypatch):
    old = import_shapes("old")
    for module in ("checking.scan", "imported_source"):
        monkeypatch.setattr(sys.modules[f"mtl_core.data.imports.{module}"], "PREPARATION", PREPARATION + 1)
    new = import_dataset(old.path, old.spec(), "new")
    assert (old.preparation, new.preparation) == (PREPARATION, PREPARATION + 1)
    assert old.digest != new.digest
    assert len(list((home / "data").iterdir())) == 2
    assert len(prepare(open_source(PartConfig(name="imported", set="old")), home / "data").train)  # its own are still there
    shutil.rmtree(home / "data")
    assert len(prepare(open_source(PartConfig(name="imported", set="new")), home / "data").train)
    with pytest.raises(DataError, match="an earlier version made them in another way"):
        prepare(open_source(PartConfig(name="imported", set="old")), home / "data")


@pytest.mark.parametrize("ending", ["avif", "mpo.jpg"])
def test_a_set_of_pictures_that_were_not_set_upright_before_is_not_made_again_in_another_way(tmp_path, home, monkeypatch, ending):
    kind = {"avif": "AVIF", "mpo.jpg": "MPO"}[ending]
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    root, more = tmp_path / "turned", {"save_all": True, "append_images": [Image.new("RGB", (20, 12))]} if kind == "MPO" else {}
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    for number in range(20):
        path = root / ("cat", "dog")[number % 2] / f"{number}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = np.random.default_rng(number).integers(0, 256, (12, 20, 3), np.uint8)
        Image.fromarray(picture).save(path, kind, exif=exif, **more)
    with monkeypatch.context() as earlier:
        earlier.setattr("mtl_core.data.imports.picture_reading._ORIENTATION", 0)  # versions before 4 left such pictures as they lie
        old = import_dataset(root, propose(root).spec, "old")
    new = import_dataset(root, propose(root).spec, "new")
    assert (old.preparation, new.preparation, old.digest == new.digest) == (3, 4, False)
    shutil.rmtree(home / "data")
    assert len(prepare(open_source(PartConfig(name="imported", set="new")), home / "data").train)
    with pytest.raises(DataError, match=r"an earlier version made them in another way \(version 3, now 4\)\. Import .* under another name"):
        prepare(open_source(PartConfig(name="imported", set="old")), home / "data")


def test_arrays_that_are_there_need_no_files(import_shapes, make_shapes, home):
    import_shapes()
    shutil.rmtree(make_shapes())
    assert len(prepare(open_source(PartConfig(name="imported", set="shapes")), home / "data").train)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_cancelling_leaves_nothing(make_shapes, home, share):
    root, told = make_shapes(), [0.0]
    with pytest.raises(Cancelled):
        import_dataset(root, propose(root).spec, "x", progress=lambda s, what: told.append(s), cancelled=lambda: told[-1] >= share)
    assert told == sorted(told)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert import_dataset(root, propose(root).spec, "x").name == "x"


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "A", "a b", "x" * 65, "-x"])
def test_names_that_are_refused(make_shapes, home, name):
    root = make_shapes()
    said = "name of at most 64 characters, found 65" if len(name) == 65 else "cannot be a data set's name"
    with pytest.raises(DataError, match=said):
        import_dataset(root, propose(root).spec, name)
    assert not (home / "imports").exists()


def test_a_taken_name_is_refused(import_shapes):
    import_shapes()
    with pytest.raises(DataError, match="there is a data set 'shapes' already"):
        import_shapes()


def test_a_name_that_another_import_takes_meanwhile_is_refused_as_taken(make_shapes, home):
    root, sooner = make_shapes(), []

    def progress(share, what):
        if share > 0.5 and not sooner:
            sooner.append(import_dataset(root, spec_of(root), "shapes", home))

    with pytest.raises(DataError, match="there is a data set 'shapes' already; take another name"):
        import_dataset(root, spec_of(root), "shapes", home, progress=progress)
    assert imported(home) == sooner
    assert [path.name for path in (home / "imports").iterdir()] == ["shapes"]


def test_a_description_beside_the_data_is_taken_at_its_word(make_shapes):
    root = make_shapes()
    (root / "dataset.yaml").write_text(spec_of(root, tasks=["colour"], images={"folders": ["images"], "size": [16, 16]}).to_yaml())
    proposal = propose(root)
    assert (proposal.spec.tasks, proposal.spec.images.size) == (["colour"], (16, 16))
    assert [summary.task.name for summary in check(root, proposal.spec).tasks] == ["colour"]


def test_the_same_picture_in_two_parts_is_a_leak(make_shapes):
    root = make_shapes()
    for name in ("000.png", "001.png"):
        shutil.copy(root / "images" / name, root / "images" / f"copy_{name}")
    (root / "train.txt").write_text("\n".join(f"{n:03}" for n in range(12)) + "\ncopy_001")
    (root / "val.txt").write_text("\n".join(f"{n:03}" for n in range(12, 16)) + "\ncopy_000")
    (root / "test.txt").write_text("\n".join(f"{n:03}" for n in range(16, 20)))
    report = check(root, propose(root).spec)
    assert report.split_sizes == {"train": 13, "val": 5, "test": 4}
    [leak] = report.leaks
    assert set(leak.files) == {"images/000.png", "images/copy_000.png"}
    assert set(leak.splits) == {"train", "val"}
    assert report.problems == ()


SPLITS = {
    "ratio": {"how": "ratio", "seed": 4},
    "stratified": {"how": "ratio", "stratify": "colour", "val_share": 0.3, "test_share": 0.3},
    "column": {"how": "column", "file": "table.csv", "column": "colour", "train": ["red"], "val": ["green"], "test": ["blue"]},
    "groups": {"how": "ratio", "groups": "column", "group_file": "table.csv", "group_column": "size_px"},
    "blocks": {"how": "ratio", "groups": "blocks", "block": 4, "val_share": 0.2, "test_share": 0.2},
}


@pytest.mark.parametrize("name", SPLITS)
def test_splits(make_shapes, name):
    root = make_shapes(count=21)
    first, again = (examine(root, spec_of(root, splits=SPLITS[name])) for _ in range(2))
    assert first.split == again.split
    assert first.report.problems == ()
    assert sum(first.report.split_sizes.values()) == 21
    numbers = {part: [int(key[-7:-4]) for key, p in first.split.items() if p == part] for part in ("train", "val", "test")}
    if name == "stratified":
        assert all(np.bincount(np.array(found) % 3, minlength=3).tolist() == [n, n, n] for found, n in zip(numbers.values(), (3, 2, 2), strict=True))
    if name == "column":
        assert [{n % 3 for n in found} for found in numbers.values()] == [{0}, {1}, {2}]
    if name == "groups":
        assert not any({n % 7 for n in numbers[a]} & {n % 7 for n in numbers[b]} for a, b in (("train", "val"), ("train", "test"), ("val", "test")))
    if name == "blocks":
        assert not any({n // 4 for n in numbers[a]} & {n // 4 for n in numbers[b]} for a, b in (("train", "val"), ("train", "test"), ("val", "test")))


def test_a_gap_leaves_out_the_frames_at_borders(make_shapes):
    root = make_shapes(count=40)
    splits = {"groups": "blocks", "block": 8, "gap": 1, "val_share": 0.2, "test_share": 0.2}
    split = examine(root, spec_of(root, splits=splits)).split
    number = {int(key[-7:-4]): part for key, part in split.items()}
    assert all(number[n] == number[n + 1] for n in number if n + 1 in number)
    assert len(number) < 40


def test_memory_stays_flat_however_many_pictures_there_are(home, tmp_path, monkeypatch):
    """Preparing three times as many takes no more memory of Python's and numpy's at its peak: arrays are written a portion at a time."""
    import tracemalloc

    monkeypatch.setattr("mtl_core.data.imports.imported_source._ROWS", 32)  # an eighth of the portions, so that an eighth of the pictures is enough
    monkeypatch.setattr("mtl_core.data.statistics._CHUNK", 64)

    Image.new("RGB", (16, 16), (9, 90, 200)).save(tmp_path / "one.png")
    content, peaks = (tmp_path / "one.png").read_bytes(), []
    for count in (100, 300):
        root = tmp_path / f"many{count}"
        for number in range(count):
            (root / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
            (root / "ab"[number % 2] / f"{number}.png").write_bytes(content)
        spec = {"images": {"size": [64, 64]}, "sources": [{"format": "class_folders"}]}
        source = PreparedSource(examine(root, ImportSpec.from_dict(spec)))
        tracemalloc.start()
        prepare(source, home / "data")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 300 * 3 * 64 * 64


def test_keys_of_the_images(make_shapes):
    from mtl_core.data.imports.checking.check_report import Findings
    from mtl_core.data.imports.image_keys import ImageReader
    from mtl_core.data.imports.spec import ImageSpec
    from mtl_core.data.imports.tree import Tree

    with Tree(make_shapes(), Findings()) as tree:
        every = image_keys(tree, ImageSpec(), ImageReader(tree))
        assert len(every) == 40
        assert image_keys(tree, ImageSpec(exclude=["masks"]), ImageReader(tree)) == every[:20]


def test_a_set_is_on_the_disk_before_it_gets_its_name(make_shapes, home, monkeypatch):
    """Otherwise a power cut leaves a set with its name and empty files."""
    done = []
    monkeypatch.setattr("os.fsync", lambda number: done.append(Path(os.readlink(f"/proc/self/fd/{number}"))))
    root = make_shapes()
    found = import_dataset(root, propose(root).spec, "x", home=home)
    temporary = next(path.parent for path in done if path.name == "set.json")
    synced = [path.relative_to(temporary.parent).as_posix().replace(temporary.name, "new") for path in done if path.is_relative_to(temporary.parent)]
    assert sorted(synced[:-2]) == sorted(f"new/{path.name}" for path in found.folder.iterdir())
    assert synced[-2:] == ["new", "."]
