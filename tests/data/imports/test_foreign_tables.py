"""Tables as other tools and other countries write them: encodings, lists of one class, second tables, long tables, points in time."""

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import answer, examine, propose
from mtl_core.data.imports.tables.text_encodings import encodings
from mtl_core.language import speaking, tr

COLOURS = ["red", "green", "blue"]


def photos(root, count=24, ending=".png"):
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (18, 24, 3), dtype=np.uint8)
        path = root / "images" / f"img{number + 1:03}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def asked(proposal, name):
    return next((question for question in proposal.questions if question.name == name), None)


def tasks(proposal):
    return {task.name: (task.kind, task.classes, task.labelled) for task in proposal.tasks}


def unread(proposal):
    return {note.files: note.reason for note in proposal.files if not note.read}


FOREIGN = {
    "cp1251": ("файл;класс", ["красный", "зелёный", "синий"]),
    "gb18030": ("图片;类别", ["红色", "绿色", "蓝色"]),
    "cp932": ("画像;クラス", ["赤い", "みどり", "青色"]),
    "cp949": ("사진;종류", ["빨강", "초록", "파랑"]),
    "big5": ("圖片;類別", ["紅色", "綠色", "藍色"]),
    "cp1253": ("εικόνα;είδος", ["κόκκινο", "πράσινο", "μπλε"]),
    "cp1250": ("obraz;klasa", ["żółty", "czerwony", "błękit"]),
}


@pytest.mark.parametrize("encoding", FOREIGN)
def test_tables_of_other_scripts_are_read_and_asked_about(tmp_path, encoding):
    head, classes = FOREIGN[encoding]
    photos(tmp_path)
    rows = "".join(f"img{n + 1:03}.png;{classes[n % 3]}\n" for n in range(24))
    (tmp_path / "m.csv").write_bytes(f"{head}\n{rows}".encode(encoding))
    proposal = propose(tmp_path)
    question = asked(proposal, "encoding")
    assert question is not None
    assert encoding in [reading.name for reading in question.readings]
    name = head.split(";")[1]
    for proposed in (proposal.spec, answer(proposal.spec, question, encoding)):
        if proposed is proposal.spec and question.taken != encoding:
            continue
        examined = examine(tmp_path, proposed)
        assert not examined.report.problems
        assert {(found.task.name, frozenset(found.task.classes)) for found in examined.report.tasks} == {(name, frozenset(classes))}


def test_another_reading_of_an_encoding_renames_the_columns(tmp_path):
    photos(tmp_path)
    rows = "".join(f"img{n + 1:03}.png;{FOREIGN['cp1251'][1][n % 3]}\n" for n in range(24))
    (tmp_path / "m.csv").write_bytes(f"файл;класс\n{rows}".encode("cp1251"))
    proposal = propose(tmp_path)
    options = answer(proposal.spec, asked(proposal, "encoding"), "cp1253").sources[0].model_extra
    assert options["image_column"] == "файл".encode("cp1251").decode("cp1253")
    assert options["columns"][0]["column"] == "класс".encode("cp1251").decode("cp1253")


@pytest.mark.parametrize(
    "text", ["Bild;Größe\nweiß;schön\n", "image;catégorie\nforêt;âme, où “l’été”\n", "foto;año\nniño;20 °C, 5 m²\n", "a,b\n1,2\n"]
)
def test_western_european_texts_have_no_rival(text):
    assert encodings(text.encode("cp1252")) in (["cp1252"], ["utf-8-sig"])


def test_lists_of_one_class_each_are_tasks_of_yes_and_no(tmp_path):
    photos(tmp_path)
    (tmp_path / "Main").mkdir()
    for place, name in enumerate(COLOURS):
        for part, numbers in (("train", range(14)), ("val", range(14, 24))):
            cells = {n: 0 if n == 5 else 1 if n % 3 == place else -1 for n in numbers}
            (tmp_path / "Main" / f"{name}_{part}.txt").write_text("".join(f"img{n + 1:03} {cell:2d}\n" for n, cell in cells.items()))
    proposal = propose(tmp_path)
    assert tasks(proposal) == dict.fromkeys(COLOURS, ("classification", ("no", "yes"), 23))
    examined = examine(tmp_path, proposal.spec)
    assert [found.class_counts for found in examined.report.tasks if found.task.name == "red"] == [{"no": 15, "yes": 8}]


@pytest.mark.parametrize(("other", "taken", "expected"), [(6, "own", {"label", "label_v2"}), (0, "left_out", {"label"})])
def test_a_second_table_of_the_same_images_is_asked_about(tmp_path, other, taken, expected):
    photos(tmp_path)
    for version in (1, 2):
        rows = "".join(f"img{n + 1:03}.png,{COLOURS[(n + (version == 2 and n < other)) % 3]}\n" for n in range(24))
        (tmp_path / f"v{version}.csv").write_text(f"image,label\n{rows}")
    proposal = propose(tmp_path)
    question = asked(proposal, "second_table")
    assert question.taken == taken
    assert question.evidence == f"24 of its rows name images of 'v1.csv'; {other} of them have other cells there"
    assert set(tasks(proposal)) == expected
    assert all(labelled == 24 for _, _, labelled in tasks(proposal).values())
    examined = examine(tmp_path, proposal.spec)
    assert not [row for row in examined.report.findings if row.kind == "duplicate"]
    assert {found.task.name for found in examine(tmp_path, answer(proposal.spec, question, "left_out")).report.tasks} == {"label"}
    assert {found.task.name for found in examine(tmp_path, answer(proposal.spec, question, "own")).report.tasks} == {"label", "label_v2"}


def test_a_table_of_attributes_and_values_is_said_to_be_long(tmp_path):
    photos(tmp_path)
    rows = "".join(f"img{n + 1:03}.png,colour,{COLOURS[n % 3]}\nimg{n + 1:03}.png,size,{'sm'[n % 2]}\n" for n in range(24))
    (tmp_path / "m.csv").write_text(f"image,attribute,value\n{rows}")
    proposal = propose(tmp_path)
    assert tasks(proposal) == {}
    assert "write one row for each image, with a column for each of them" in unread(proposal)["m.csv"]


def test_several_people_who_label_the_same_images_are_no_long_table(tmp_path):
    photos(tmp_path)
    rows = "".join(f"img{n + 1:03}.png,{who},{COLOURS[(n + k) % 3]}\n" for n in range(24) for k, who in enumerate("AB"))
    (tmp_path / "m.csv").write_text(f"image,who,label\n{rows}")
    assert "label" in tasks(propose(tmp_path))


@pytest.mark.parametrize("unit", [1, 1e3, 1e9])
def test_points_in_time_are_no_task(tmp_path, unit):
    photos(tmp_path)
    rows = "".join(f"{(1305031102.175 + n * 0.0334) * unit:.6f} images/img{n + 1:03}.png\n" for n in range(24))
    (tmp_path / "rgb.txt").write_text(f"# timestamp filename\n{rows}")
    proposal = propose(tmp_path)
    assert tasks(proposal) == {}
    assert "points in time" in unread(proposal)["rgb.txt"]


def test_rows_without_image_and_images_without_row_are_both_counted(tmp_path):
    photos(tmp_path, 30)
    rows = "".join(f"img{n + 1:03}.png,{COLOURS[n % 3]}\n" for n in range(24)) + "".join(f"lost{n}.png,red\n" for n in range(16))
    (tmp_path / "m.csv").write_text(f"image,label\n{rows}")
    notes = " ".join(propose(tmp_path).notes)
    assert "16 of 40 rows of 'm.csv' name no image of this set: they are not used." in notes
    assert "6 of 30 images have no row in 'm.csv': they get no label from it." in notes


@pytest.mark.parametrize(("orientation", "size", "said"), [(6, (24, 24), True), (3, (24, 18), True), (6, (24, 18), False), (1, (24, 24), False)])
def test_masks_that_fit_a_turned_picture_both_ways_are_said(tmp_path, orientation, size, said):
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        exif = Image.Exif()
        exif[0x112] = orientation
        (tmp_path / "images").mkdir(exist_ok=True)
        (image.transpose(Image.Transpose.ROTATE_90) if orientation == 6 else image).save(tmp_path / "images" / f"{number}.jpg", exif=exif)
        mask = np.zeros(size[::-1], np.uint8)
        mask[3:9, 4:12] = 1
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    examined = examine(tmp_path, propose(tmp_path).spec)
    found = [row.file for row in examined.report.findings if row.kind == "map_of_turned"]
    assert len(found) == (8 if said else 0)


WORDS = {
    "missing": ("regression", {"22 to 59"}, 30),
    "missing-number": ("regression", {"-999 to 59"}, 35),
    "texts": ("classification", {"unbekannt"}, 35),
    "texts-number": ("classification", {"unbekannt", "-999"}, 40),
}


@pytest.mark.parametrize("reading", WORDS)
def test_words_and_a_sentinel_in_one_column_are_one_question(tmp_path, reading):
    photos(tmp_path, 40)
    rows = "".join(f"img{n + 1:03}.png,{'unbekannt' if n % 8 == 0 else -999 if n % 8 == 1 else 20 + n}\n" for n in range(40))
    (tmp_path / "m.csv").write_text(f"image,age\n{rows}")
    proposal = propose(tmp_path)
    assert asked(proposal, "sentinel") is None
    question = asked(proposal, "words")
    assert {one.name for one in question.readings} == set(WORDS)
    [found] = examine(tmp_path, answer(proposal.spec, question, reading)).report.tasks
    kind, held, labelled = WORDS[reading]
    assert (found.task.kind, sum(found.labelled.values())) == (kind, labelled)
    if kind == "regression":
        assert {f"{found.lowest:g} to {found.highest:g}"} == held
    else:
        assert {"unbekannt", "-999"} & set(found.task.classes) == held


def test_words_among_numbers_of_classes_or_quantities_are_one_question(tmp_path):
    photos(tmp_path, 60)
    rows = "".join(f"img{n + 1:03}.png,{'unclear' if n % 12 == 0 else n % 4 + 1}\n" for n in range(60))
    (tmp_path / "m.csv").write_text(f"image,stufe\n{rows}")
    proposal = propose(tmp_path)
    question = asked(proposal, "words")
    assert asked(proposal, "whole_numbers") is None
    kinds = {one.name: answer(proposal.spec, question, one.name).sources[0].model_extra["columns"][0] for one in question.readings}
    assert {name: (column["kind"], "unclear" in column["missing"]) for name, column in kinds.items()} == {
        "missing": ("classification", True),
        "texts": ("classification", False),
        "missing-quantity": ("regression", True),
    }


@pytest.mark.parametrize("has_task", [False, True])
def test_every_reason_of_a_note_is_told_in_the_readers_language(tmp_path, has_task):
    photos(tmp_path)
    rows = "".join(f"{n},img{n + 1:03}.png,,7{f',{COLOURS[n % 3]}' if has_task else ''}\n" for n in range(24))
    (tmp_path / "m.csv").write_text(f",file,remark,same{',colour' if has_task else ''}\n{rows}")
    proposal = propose(tmp_path)
    notes = [text for text in (*proposal.notes, *unread(proposal).values()) if "every cell" in text]
    reasons = {"it counts the rows": "它是行号", "every cell is empty": "所有单元格都为空", "every cell is 7": "所有单元格都是 7"}
    assert len(notes) == 1
    with speaking("zh"):
        for english, chinese in reasons.items():
            assert (english in notes[0], english in tr(notes[0]), chinese in tr(notes[0])) == (True, False, True)
