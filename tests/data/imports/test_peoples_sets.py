"""Sets as people have them: what can be read in two ways is asked, what is not read is said."""

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import answer, examine, propose
from mtl_core.data.imports.tables import table_reading
from mtl_core.errors import DataError

NAMES = ["red", "green", "blue"]


def photo(path, seed, size=(24, 18), **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **how)


def photos(root, count=24, folder="images", ending=".png", first=1):
    for number in range(count):
        photo(root / folder / f"img{number + first:03}{ending}", number)


def table(root, head, row, count=24, name="meta.csv"):
    (root / name).write_text(head + "\n" + "".join(f"{row(number)}\n" for number in range(count)), encoding="utf-8")


def asked(proposal, name):
    return next((question for question in proposal.questions if question.name == name), None)


def unread(proposal):
    return {note.files: note.reason for note in proposal.files if not note.read}


def tasks(proposal):
    return {task.name: (task.kind, task.classes, task.labelled) for task in proposal.tasks}


def findings(examined, kind):
    return [row.message for row in examined.report.findings if row.kind == kind]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("labels.geojson", '{"type": "FeatureCollection", "features": []}'),
        ("images/notes.labels", "img001 cat"),
        ("classes.txt", "red\ngreen\n"),
        ("more.zip", "PK"),
        ("table.xls", "x"),
        ("labels/img001.lbl", "1 2 3"),
        ("report.pdf", "%PDF"),
    ],
)
def test_every_file_that_no_format_takes_is_said(tmp_path, file, content):
    photos(tmp_path, 8)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    proposal = propose(tmp_path)
    assert file in unread(proposal)
    assert any(note.startswith("No labels were found: the pictures alone are imported") for note in proposal.notes)


def test_yolo_files_in_pixels_are_said_as_one_pattern(tmp_path):
    photos(tmp_path, 8)
    for number in range(1, 9):
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"img{number:03}.txt").write_text("0 3 4 12 14\n")
    assert "shares from 0 to 1" in unread(propose(tmp_path))["labels/*.txt"]


def test_files_that_are_read_and_papers_beside_them_are_not_said(tmp_path):
    photos(tmp_path, 12)
    for number in range(1, 13):
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"img{number:03}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("names: [thing]\n")
    for paper in ("README.roboflow.txt", "LICENSE", "make.py", "Thumbs.db"):
        (tmp_path / paper).write_text("x")
    assert unread(propose(tmp_path)) == {}


def test_a_refusal_names_what_was_found_and_the_archive_to_unpack(tmp_path):
    for name in ("a.pdf", "images.zip", "b.pdf"):
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=r"Found 2 \.pdf, 1 \.zip; expected JPEG.*Unpack 'images\.zip' first"):
        propose(tmp_path)


def test_labels_by_an_id_that_another_table_explains_are_said(tmp_path):
    photos(tmp_path)
    table(tmp_path, "id,file", lambda n: f"{900 + n},img{n + 1:03}.png", name="images.csv")
    table(tmp_path, "id,label", lambda n: f"{900 + n},{NAMES[n % 3]}", name="labels.csv")
    assert "names no image" in unread(propose(tmp_path))["labels.csv"]


def test_words_among_numbers_are_no_classes(tmp_path):
    photos(tmp_path)
    words = {2: "unknown", 7: "keine Angabe", 11: "N/A", 13: "-999"}
    table(tmp_path, "image,age", lambda n: f"img{n + 1:03}.png,{words.get(n, 20 + n)}")
    proposal = propose(tmp_path)
    assert tasks(proposal)["age"] == ("regression", (), 20)
    assert asked(proposal, "words").taken == "missing"
    assert "-999" in asked(proposal, "words").text
    assert tasks_after(tmp_path, proposal, "words", "texts")["age"][0] == "classification"


def tasks_after(path, proposal, question, reading):
    from mtl_core.data.imports import describe

    return tasks(describe(path, answer(proposal.spec, asked(proposal, question), reading)))


def test_unknown_among_classes_is_asked(tmp_path):
    photos(tmp_path)
    table(tmp_path, "image,colour", lambda n: f"img{n + 1:03}.png,{NAMES[n % 3] if n not in (4, 6) else 'unknown'}")
    proposal = propose(tmp_path)
    assert asked(proposal, "missing_words").taken == "classes"
    assert tasks_after(tmp_path, proposal, "missing_words", "missing")["colour"][1:] == (("blue", "green", "red"), 22)


def test_a_number_and_its_name_are_one_task(tmp_path):
    photos(tmp_path)
    table(tmp_path, "image,label_id,label_name", lambda n: f"img{n + 1:03}.png,{n % 3},{NAMES[n % 3]}")
    proposal = propose(tmp_path)
    assert list(tasks(proposal)) == ["label_name"]
    assert list(tasks_after(tmp_path, proposal, "same", "two")) == ["label_id", "label_name"]


def test_two_columns_of_images_are_asked_and_none_is_preferred(tmp_path):
    for n in range(12):
        photo(tmp_path / "left" / f"L{n}.png", n)
        photo(tmp_path / "right" / f"R{n}.png", n + 50)
    table(tmp_path, "left,right,same", lambda n: f"left/L{n}.png,right/R{n}.png,{n % 2}", 12)
    proposal = propose(tmp_path)
    question = asked(proposal, "image_column")
    assert (question.taken, [reading.name for reading in question.readings]) == ("", ["in-left", "in-right"])
    chosen = answer(proposal.spec, question, "in-right")
    assert set(examine(tmp_path, chosen).targets[0].values) == {f"right/R{n}.png" for n in range(12)}


def test_addresses_with_a_query_name_pictures(tmp_path):
    for n in range(12):
        photo(tmp_path / f"my photo {n}.png", n)
    table(tmp_path, "url,label", lambda n: f"https://cdn.example.org/a/my%20photo%20{n}.png?size=large#top,{NAMES[n % 3]}", 12)
    assert tasks(propose(tmp_path))["label"] == ("classification", ("blue", "green", "red"), 12)


def test_a_table_whose_columns_are_all_left_out_says_what_to_do(tmp_path):
    photos(tmp_path)
    table(tmp_path, "image,eye_x,eye_y,nose_x,nose_y", lambda n: f"img{n + 1:03}.png,{3 + n / 8},5,{10 + n / 8},9")
    [problem] = examine(tmp_path, propose(tmp_path).spec).report.problems
    assert "keep a column that is left out" in problem


def test_a_look_reads_each_table_once(tmp_path, monkeypatch):
    photos(tmp_path)
    table(tmp_path, "image,label,x,y,w,h", lambda n: f"img{n + 1:03}.png,{NAMES[n % 3]},2,3,{5 + n % 4},6")
    read, plain = [], table_reading._read
    monkeypatch.setattr(table_reading, "_read", lambda context, options: read.append(options) or plain(context, options))
    proposal = propose(tmp_path)
    assert tasks(proposal)["box"][2] == 24
    assert len({repr(options) for options in read}) == len(read) == 1


def test_spellings_of_a_class_in_train_and_val_are_one_class(tmp_path):
    for part, names in (("train", ("Cat", "Traffic light")), ("val", ("cat", "traffic_light"))):
        for k, name in enumerate(names):
            for n in range(6):
                photo(tmp_path / part / name / f"{n}.png", n + 10 * k + 100 * len(part))
    proposal = propose(tmp_path)
    assert (asked(proposal, "spelling").taken, tasks(proposal)["class"][1]) == ("together", ("Cat", "Traffic light"))
    apart = answer(proposal.spec, asked(proposal, "spelling"), "apart")
    examined = examine(tmp_path, apart)
    assert len(examined.targets[0].classes) == 4
    assert findings(examined, "spelling")
    assert len(findings(examined, "not_in_train")) == 2


def test_spellings_beside_each_other_stay_apart_until_answered(tmp_path):
    for k, name in enumerate(("cat", "Cat ", "dog")):
        for n in range(6):
            photo(tmp_path / name.replace(" ", "_") / f"{n}.png", n + 10 * k)
    proposal = propose(tmp_path)
    assert asked(proposal, "spelling").taken == "apart"


def test_a_class_that_train_lacks_and_a_picture_of_two_classes_are_said(tmp_path):
    for part, count in (("train", 6), ("val", 3)):
        for k, name in enumerate(("ant", "bee") if part == "train" else ("ant", "bee", "zebra")):
            for n in range(count):
                photo(tmp_path / part / name / f"{n}.png", n + 10 * k + 100 * count)
    photo(tmp_path / "train" / "bee" / "copy.png", 600)  # the pixels of train/ant/0.png
    examined = examine(tmp_path, propose(tmp_path).spec)
    assert findings(examined, "not_in_train") == ["class 'zebra' is not in train (3 in val): it cannot be learnt"]
    assert findings(examined, "two_classes") == ["it has the same pixels as 'train/ant/0.png', which is 'ant'; this one is 'bee'"]


def test_parts_that_leave_a_task_without_targets_in_train_are_asked(tmp_path):
    """Defects are marked in test only, as in sets of anomalies."""
    for n in range(8):
        photo(tmp_path / "train" / "good" / f"{n}.png", n)
    spot = np.zeros((18, 24), np.uint8)
    spot[4:12, 6:14] = 255
    for n in range(6):
        photo(tmp_path / "test" / "crack" / f"{n}.png", n + 50)
        (tmp_path / "ground_truth" / "crack").mkdir(parents=True, exist_ok=True)
        Image.fromarray(spot).save(tmp_path / "ground_truth" / "crack" / f"{n}_mask.png")
        photo(tmp_path / "test" / "good" / f"{n}.png", n + 80)
    proposal = propose(tmp_path)
    report = examine(tmp_path, proposal.spec).report
    [question] = report.questions
    assert (question.name, question.taken) == ("no_train_segments", "")
    drawn = examine(tmp_path, answer(proposal.spec, question, "drawn")).report
    assert drawn.problems == ()
    assert drawn.questions == ()
    assert [one.task.name for one in examine(tmp_path, answer(proposal.spec, question, "left_out")).report.tasks] == ["class"]


def test_one_picture_in_many_file_formats_gives_no_depth_and_no_masks(tmp_path):
    for n in range(6):
        for ending in (".png", ".jpg", ".bmp", ".webp"):
            photo(tmp_path / f"n{n}{ending}", n)
        values = np.random.default_rng(n).integers(0, 256, (18, 24))
        Image.fromarray((values * 257).astype(np.uint16)).save(tmp_path / f"n{n}.tif")
        np.save(tmp_path / f"n{n}.npy", values.astype(np.float32) / 255)
    proposal = propose(tmp_path)
    assert proposal.tasks == ()
    assert "could be the depth of 'n0." in unread(proposal)["*.npy"]
    assert any("'*.tif'" in question.text for question in proposal.questions)
