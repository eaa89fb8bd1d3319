"""Pictures and masks as other tools lay them out: views of one scene, masks of single objects, palettes, arrays, renamed pictures."""

import json
import struct

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import answer, examine, propose
from mtl_core.data.imports.picture_reading import read_picture

COLOURS = [(0, 0, 0), (220, 40, 40), (40, 200, 40), (40, 60, 220)]


def photo(path, seed, size=(24, 18)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(path)


def asked(proposal, name):
    return next((question for question in proposal.questions if question.name == name), None)


def tasks(proposal):
    return {task.name: (task.kind, task.classes) for task in proposal.tasks}


def unread(proposal):
    return {note.files: note.reason for note in proposal.files if not note.read}


@pytest.mark.parametrize("folders", [("before", "after"), ("left", "right"), ("A", "B"), ("rgb", "thermal"), ("cam0", "cam1")])
def test_views_of_one_scene_are_asked_about_and_are_no_classes_until_then(tmp_path, folders):
    for folder in folders:
        for number in range(14):
            photo(tmp_path / folder / f"{number}.png", number + 100 * folders.index(folder))
    proposal = propose(tmp_path)
    question = asked(proposal, "views")
    assert question.taken == "views"
    assert tasks(proposal) == {}
    examined = examine(tmp_path, proposal.spec)
    assert not examined.report.problems
    assert not examined.report.tasks
    [found] = examine(tmp_path, answer(proposal.spec, question, "classes")).report.tasks
    assert (found.task.name, set(found.task.classes)) == ("class", set(folders))


@pytest.mark.parametrize(
    ("folders", "names"), [(("before", "after"), "other"), (("cat", "dog"), "same"), (("0", "1"), "same"), (("1", "2", "3"), "same")]
)
def test_class_folders_are_no_views(tmp_path, folders, names):
    for place, folder in enumerate(folders):
        for number in range(14):
            photo(tmp_path / folder / f"{number + (20 * place if names == 'other' else 0)}.png", number + 100 * place)
    proposal = propose(tmp_path)
    assert asked(proposal, "views") is None
    assert set(tasks(proposal)["class"][1]) == set(folders)


def test_a_folder_that_joins_the_names_of_others_is_said(tmp_path):
    for place, folder in enumerate(("red+square", "red", "square")):
        for number in range(6):
            photo(tmp_path / folder / f"{place}{number}.png", number + 100 * place)
    assert any("'red+square' joins the names of other folders" in note for note in propose(tmp_path).notes)


def marked(tmp_path, values, mode, count=12):
    for number in range(count):
        photo(tmp_path / "images" / f"m{number:03}.png", number)
        mask = values(number)
        image = Image.fromarray(mask)
        if mode == "P":
            image = Image.fromarray(mask, "P")
            image.putpalette([part for colour in COLOURS for part in colour] + [0] * (768 - 3 * len(COLOURS)))
        (tmp_path / "masks").mkdir(exist_ok=True)
        image.save(tmp_path / "masks" / f"m{number:03}.png")


@pytest.mark.parametrize("coloured", [True, False])
def test_masks_of_single_objects_are_no_classes(tmp_path, coloured):
    def values(number):
        mask = np.zeros((18, 24, 3) if coloured else (18, 24), np.uint8)
        for k in range(2):
            mask[2 + 8 * k : 8 + 8 * k, 3:15] = (number * 20 + k, number, 7) if coloured else 1 + number * 7 + k
        return mask

    marked(tmp_path, values, "RGB" if coloured else "L")
    proposal = propose(tmp_path)
    assert tasks(proposal) == {}
    assert "occur in one of 12 masks only, as those of single objects" in unread(proposal)["masks/*.png"]
    assert proposal.images == 12


def test_rare_classes_of_many_masks_stay_classes(tmp_path):
    def values(number):
        mask = np.zeros((18, 24), np.uint8)
        mask[2:12, 3:15] = 1 + number % 3
        mask[13:17, 3:15] = 4 + number % 5
        return mask

    marked(tmp_path, values, "L")
    assert len(tasks(propose(tmp_path))["segments"][1]) == 9


def test_a_list_of_colours_names_masks_with_a_palette(tmp_path):
    def values(number):
        mask = np.zeros((18, 24), np.uint8)
        mask[:2], mask[4:14, 3:15] = 255, 1 + number % 3
        return mask

    marked(tmp_path, values, "P")
    lines = "".join(f"{name}:{','.join(map(str, colour))}::\n" for name, colour in zip(["background", "car", "tree", "sky"], COLOURS, strict=True))
    (tmp_path / "labelmap.txt").write_text(f"# label:color_rgb:parts:actions\n{lines}")
    proposal = propose(tmp_path)
    assert tasks(proposal)["segments"] == ("segmentation", ("background", "car", "tree", "sky"))
    assert "labelmap.txt" not in unread(proposal)


def test_arrays_of_class_numbers_are_said(tmp_path):
    for number in range(8):
        photo(tmp_path / "images" / f"m{number}.png", number)
        mask = np.zeros((18, 24), np.int64)
        mask[4:14, 3:15] = 1 + number % 3
        (tmp_path / "masks").mkdir(exist_ok=True)
        np.save(tmp_path / "masks" / f"m{number}.npy", mask)
    assert "arrays of class numbers are not read; save them as PNG" in unread(propose(tmp_path))["masks/*.npy"]


def test_an_xml_that_names_a_picture_of_before_is_said(tmp_path):
    for number in range(6):
        photo(tmp_path / "img" / f"new{number}.png", number, (96, 72))
        box = "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>40</xmax><ymax>30</ymax></bndbox>"
        text = f"<annotation><filename>old{number}.png</filename><object><name>car</name>{box}</object></annotation>"
        (tmp_path / "ann").mkdir(exist_ok=True)
        (tmp_path / "ann" / f"new{number}.xml").write_text(text)
    notes = " ".join(propose(tmp_path).notes)
    assert "6 XML files name a picture that is not there, such as 'old0.png': the picture of the XML's name is taken ('img/new0.png')" in notes


@pytest.mark.parametrize("points", [2000])
def test_more_points_than_can_be_learnt_are_left_out_and_the_boxes_stay(tmp_path, points):
    entry = {"category_id": 1, "bbox": [1, 1, 9, 9], "keypoints": [1, 1, 2] * points, "num_keypoints": points}
    for number in range(6):
        photo(tmp_path / "images" / f"{number}.png", number)
    whole = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 24, "height": 18} for n in range(6)],
        "annotations": [{"id": n, "image_id": n, **entry} for n in range(6)],
        "categories": [{"id": 1, "name": "p", "keypoints": [f"n{k}" for k in range(points)]}],
    }
    (tmp_path / "a.json").write_text(json.dumps(whole))
    proposal = propose(tmp_path)
    assert set(tasks(proposal)) == {"boxes", "present"}
    assert any("objects of 2,000 points each: at most 1,000 can be learnt, so they are not read" in note for note in proposal.notes)
    assert not examine(tmp_path, proposal.spec).report.problems


def test_a_table_of_thousands_of_columns_is_not_looked_at(tmp_path):
    for number in range(4):
        photo(tmp_path / "images" / f"{number}.png", number)
    head = ",".join(f"c{n}" for n in range(2001))
    (tmp_path / "m.csv").write_text(f"image,{head}\n" + "".join(f"{n}.png,{','.join(['1'] * 2001)}\n" for n in range(4)))
    assert "it has 2,002 columns; at most 2,000 are looked at" in unread(propose(tmp_path))["m.csv"]


@pytest.mark.parametrize(("extra", "kinds"), [(0, ["channels"]), (2, ["alpha"])])
def test_a_fourth_channel_that_is_no_transparency_is_said(extra, kinds):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 12, 4), dtype=np.uint8)
    tags = [
        (256, 1, 12),
        (257, 1, 9),
        (258, 4, 134),
        (259, 1, 1),
        (262, 1, 2),
        (273, 1, 142),
        (277, 1, 4),
        (278, 1, 9),
        (279, 1, 432),
        (338, 1, extra),
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", tag, 3, count, value) for tag, count, value in tags)
    content = head + struct.pack("<I", 0) + struct.pack("<4H", 8, 8, 8, 8) + pixels.tobytes()
    picture = read_picture(content, "tile.tif", (9, 12))
    assert [kind for kind, _ in picture.changes] == kinds
    if extra == 0:
        assert np.array_equal(np.asarray(picture.image), pixels[..., :3])
