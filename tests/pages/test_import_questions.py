"""The import's questions on the page: both readings are drawn, nothing is checked before they are answered, and every option has a field."""

import re
import sys
import time

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import Question, Reading
from mtl_core.data.imports.formats.csv_table import CsvFormat
from mtl_core.tasks import TASK_KINDS
from tests.data.imports.annotation_writers import write_picture, write_text
from tests.pages.conftest import base, wait_for_work

PATIENCE = 60  # seconds; a bound for slow machines
READINGS = (
    Reading("classes", "each number is a class", {"columns.0.kind": "classification"}),
    Reading("amounts", "the numbers are amounts", {"columns.0.kind": "regression"}),
)


@pytest.fixture
def asking(tmp_path, monkeypatch):
    """A folder with pictures and a table, whose guess asks what the numbers are."""
    random, root = np.random.default_rng(0), tmp_path / "brought" / "numbered"
    root.mkdir(parents=True)
    for place in range(20):
        Image.fromarray(random.integers(0, 255, (20, 16, 3), dtype=np.uint8)).save(root / f"{place}.png")
    (root / "table.csv").write_text("image,number,sort\n" + "".join(f"{place}.png,{place % 4}.5,{'ab'[place % 2]}\n" for place in range(20)))
    (root / "notes.heic").write_bytes(b"not read")
    for kind in ("classification", "regression"):
        TASK_KINDS.load(kind)  # as a server has done once it is warm; two threads cannot import torchmetrics at once
    plain = CsvFormat.guess.__func__

    def guess(cls, context, images):
        context.not_understood("notes.heic", "HEIC is not read; save it as JPEG")
        found = plain(cls, context, images)
        for one in found:
            one.questions = [Question("numbers", "Are the numbers classes or amounts?", READINGS, "amounts", "4 different ones", ("0.png", "5.png"))]
        return found

    monkeypatch.setattr(CsvFormat, "guess", classmethod(guess))
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(root.parent))
    return root


def settle(app, done):
    deadline = time.monotonic() + PATIENCE
    app.run()
    while not done(app):
        assert time.monotonic() < deadline, [element.value for element in (*app.markdown, *app.caption, *app.error)]
        wait_for_work()
        app.run()
    assert not app.exception, app.exception
    return app


def table(app):
    return next(frame.value for frame in app.dataframe if "keep" in frame.value.columns)


@pytest.fixture
def form(open_page, asking):
    app = open_page("data", new="1")
    app.text_input(key="import.path").set_value(str(asking)).run()
    app.button(key="import.look_there").click()
    return settle(app, lambda app: any(button.key == "import.check" for button in app.button))


def test_a_question_is_answered_before_anything_is_checked(form):
    settle(form, lambda app: len(app.session_state["import_draft"]["sheets"]) == 2)
    assert form.radio(key="import.question.numbers").value is None
    assert form.button(key="import.check").disabled
    assert "Answer the question above first" in " ".join(caption.value for caption in form.caption)
    drawn = form.session_state["import_draft"]["sheets"].values()
    assert all(sheet.startswith(b"\x89PNG") for sheet, _ in drawn)
    assert [said[0] for _, said in drawn] == ["number: classification, 4 classes: 0.5, 1.5, 2.5, 3.5", "number: regression"]
    assert table(form).set_index("task")["kind"].to_dict() == {"number": "regression", "sort": "classification"}

    form.radio(key="import.question.numbers").set_value("classes").run()
    settle(form, lambda app: table(app).set_index("task")["kind"].to_dict() == {"number": "classification", "sort": "classification"})
    assert not form.button(key="import.check").disabled
    assert form.session_state["import_draft"]["spec"]["sources"][0]["columns"][0]["kind"] == "classification"


def test_each_of_five_readings_has_its_pictures(asking, open_page, monkeypatch):
    """As of depth maps, whose unit can be read in five ways."""
    more = tuple(Reading(unit, f"amounts in {unit}", {"columns.0.kind": "regression", "columns.0.unit": unit}) for unit in ("m", "cm", "mm"))
    monkeypatch.setattr(sys.modules[__name__], "READINGS", (*READINGS, *more))
    app = open_page("data", new="1")
    app.text_input(key="import.path").set_value(str(asking)).run()
    app.button(key="import.look_there").click()
    settle(app, lambda app: len(app.session_state["import_draft"]["sheets"]) >= 5)
    assert len({name.split()[1] for name in app.session_state["import_draft"]["sheets"]}) == 5
    heads = [element.value for element in app.markdown]
    assert all(f":small[**amounts in {unit}**]" in heads for unit in ("m", "cm", "mm"))


def test_a_row_that_names_no_image_is_said_once_and_under_no_reading(open_page, asking, texts):
    with (asking / "table.csv").open("a") as rows:
        rows.write("gone.png,1.5,a\n")
    app = open_page("data", new="1")
    app.text_input(key="import.path").set_value(str(asking)).run()
    app.button(key="import.look_there").click()
    settle(app, lambda app: len(app.session_state["import_draft"]["sheets"]) == 2)
    said = [sentence for _, sentences in app.session_state["import_draft"]["sheets"].values() for sentence in sentences]
    assert sum("gone.png" in sentence for sentence in said) == 2  # both readings know of it
    assert not any("gone" in caption.value for caption in app.caption)
    assert sum(caption.value.startswith("number") for caption in app.caption) == 2  # what differs is said under each

    app.button(key="import.suggested").click().run()
    app.button(key="import.check").click()
    settle(app, lambda app: any(button.key == "import.go" for button in app.button))
    app.toggle(key="import.pictures").set_value(True)
    settle(app, lambda app: any(name.startswith("checked") for name in app.session_state["import_draft"]["sheets"]))
    assert not any("gone" in caption.value for caption in app.caption)
    findings = next(frame.value for frame in app.dataframe if "finding" in frame.value.columns)
    assert findings["finding"].str.contains("gone").sum() == 1


def test_no_sentence_of_the_look_names_a_key_of_the_description(form):
    said = "\n".join(markdown.value for markdown in form.markdown).replace("\\", "")
    assert "are resized to 64 x 64 pixels" in said or "are kept as they are" in said
    assert not re.search(r"\b(images|splits|sources)\.[a-z]", said)


def test_what_is_suggested_is_taken_with_one_click(form):
    form.button(key="import.suggested").click().run()
    assert form.radio(key="import.question.numbers").value == "amounts"
    assert not form.button(key="import.check").disabled


@pytest.mark.parametrize("is_gone", [False, True])
def test_after_the_check_pictures_are_drawn_with_their_targets_if_asked(form, asking, is_gone):
    form.button(key="import.suggested").click().run()
    form.button(key="import.check").click()
    settle(form, lambda app: any(button.key == "import.go" for button in app.button))
    before = len(form.session_state["import_draft"]["sheets"])  # of the readings
    if is_gone:
        (asking / "table.csv").unlink()
    form.toggle(key="import.pictures").set_value(True)
    settle(form, lambda app: len(app.session_state["import_draft"]["sheets"]) > before)
    sheet, said = list(form.session_state["import_draft"]["sheets"].values())[-1]
    if is_gone:
        assert sheet is None
        assert "table.csv" in said[0]
        assert any("table.csv" in caption.value.replace("\\", "") for caption in form.caption)
        return
    assert sheet.startswith(b"\x89PNG")
    shown = next(caption.value for caption in form.caption if caption.value.endswith(".png")).replace("\\", "").split(", ")
    assert len(shown) == 5  # of twenty every fourth
    assert len(set(shown)) == 5
    assert {f"{place}.png" for place in range(20)} > set(shown)
    assert said == []  # the report above says what the tasks are


def test_files_that_are_not_read_are_listed_with_the_reason(form):
    files = next(frame.value for frame in form.dataframe if "files" in frame.value.columns)
    row = files.set_index("files").loc["notes.heic"]
    assert (row[""], row["read as, or reason"]) == ("not read", "HEIC is not read; save it as JPEG")


def test_a_source_that_is_left_out_takes_its_questions_and_tables_along(form):
    form.button(key="import.remove.0").click().run()
    settle(form, lambda app: not any("counting again" in markdown.value for markdown in app.markdown))
    assert not any(base(radio.key) == "import.question.numbers" for radio in form.radio)
    assert not form.button(key="import.check").disabled
    assert "The images alone can be imported" in " ".join(caption.value for caption in form.caption)


def test_every_option_of_a_source_has_a_field(form):
    from mtl_core.data.imports.formats.csv_table import CsvOptions

    keys = {base(element.key) for kind in (form.text_input, form.number_input, form.selectbox, form.toggle) for element in kind}
    for name in CsvOptions.model_fields:
        assert f"import.sources.0.{name}" in keys or name == "columns", name  # columns: a table of their own
    form.text_input(key="import.sources.0.image_prefix").set_value("below/").run()
    assert form.session_state["import_draft"]["spec"]["sources"][0]["image_prefix"] == "below/"
    form.text_input(key="import.images.exclude").set_value("[masks, depth]").run()
    assert form.session_state["import_draft"]["spec"]["images"]["exclude"] == ["masks", "depth"]
    form.text_input(key="import.images.exclude").set_value("").run()
    assert "exclude" not in form.session_state["import_draft"]["spec"]["images"]


def test_each_key_of_a_task_of_points_has_a_field(open_page, tmp_path, monkeypatch):
    from mtl_core.data.imports.formats.annotations.point_sets import PointTask

    root = tmp_path / "brought" / "poses"
    for place in range(12):
        write_picture(root / "images" / f"{place}.png", seed=place)
        write_text(root / "labels" / f"{place}.txt", "0 0.5 0.5 0.2 0.2 0.5 0.5 2 0.45 0.5 1\n")
    write_text(root / "data.yaml", "names: [fish]\nkpt_shape: [2, 3]\n")
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(root.parent))
    app = open_page("data", new="1")
    app.text_input(key="import.path").set_value(str(root)).run()
    app.button(key="import.look_there").click()
    settle(app, lambda app: any(button.key == "import.check" for button in app.button))
    key = "import.sources.0.named_points.0"
    assert {f"{key}.{name}" for name in PointTask.model_fields} <= {base(field.key) for field in app.text_input}
    assert app.radio(key="import.question.mirror").value is None  # nothing says what takes whose place in a mirror
    for name, text in (("names", "[head, tail]"), ("edges", "[[0, 1]]"), ("mirror", "[0, 1]"), ("task", "fish")):
        app.text_input(key=f"{key}.{name}").set_value(text).run()
    [task] = app.session_state["import_draft"]["spec"]["sources"][0]["named_points"]
    assert {name: task[name] for name in ("task", "names", "edges", "mirror")} == {
        "task": "fish",
        "names": ["head", "tail"],
        "edges": [[0, 1]],
        "mirror": [0, 1],
    }
    settle(app, lambda app: "fish" in list(table(app)["task"]))
    assert not app.error


def test_a_question_of_the_check_blocks_until_it_is_answered(open_page, tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_core.data.imports.formats.maps.mask_classes._MOST_SCANNED", 6)
    root = tmp_path / "brought" / "masked"
    for place in range(12):
        mask = np.zeros((36, 48), np.uint8)
        mask[9:18, 12:24] = 5 if place == 7 else 1  # the look opens every second mask
        for name, values in (("images", np.random.default_rng(place).integers(0, 255, (36, 48, 3), np.uint8)), ("masks", mask)):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(root / name / f"{place:02}.png")
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(root.parent))
    TASK_KINDS.load("segmentation")
    app = open_page("data", new="1")
    app.text_input(key="import.path").set_value(str(root)).run()
    app.button(key="import.look_there").click()
    settle(app, lambda app: any(button.key == "import.check" for button in app.button))
    app.button(key="import.check").click()
    settle(app, lambda app: any(button.key == "import.go" for button in app.button))
    assert app.radio(key="import.question.unlisted_segments").value is None
    assert app.button(key="import.go").disabled
    app.radio(key="import.question.unlisted_segments").set_value("classes").run()
    assert app.session_state["import_draft"]["spec"]["sources"][0]["values"]["5"] == "class 5"
    assert app.button(key="import.go").disabled  # the settings were changed since the check
    app.button(key="import.check").click()
    settle(app, lambda app: any(button.key == "import.go" and not button.disabled for button in app.button))
    assert not any(base(radio.key) == "import.question.unlisted_segments" for radio in app.radio)
