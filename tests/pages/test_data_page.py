"""The Data page: every set in the list, its images and numbers, in the address; deleting asks."""

import copy
import time

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from mtl_core.data import DATA_SOURCES
from mtl_core.data.imports import examine, import_dataset, imported, propose
from mtl_core.errors import DataError
from mtl_core.runs.looks import looks_at_data
from tests.pages.conftest import wait_for_work
from ui.data.data_numbers import rows_of
from ui.data.preprocessing_preview import stride
from ui.shell.words import names_that_fit

PATIENCE = 60  # seconds; a bound for slow machines


def settle(app):
    """Run the page until its work in the background is done."""
    app.run()
    deadline = time.monotonic() + PATIENCE
    while any(button.label.startswith("Cancel") for button in app.button):
        assert time.monotonic() < deadline
        wait_for_work()
        app.run()
    assert not app.exception, app.exception
    return app


@pytest.fixture
def opened(open_page):
    return lambda **query: settle(open_page("data", **query))


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder with two classes of ten images, one file that is none, under an allowed folder."""
    folder = tmp_path / "brought" / "days"
    random = np.random.default_rng(0)
    for place in range(20):
        path = folder / ("day" if place % 2 else "night") / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(path)
    (folder / "day" / "broken.png").write_bytes(b"no picture")
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(folder.parent))
    return folder


@pytest.fixture
def own_set(pictures, store):
    spec = propose(pictures).spec
    return import_dataset(pictures, spec, "days", home=store.home, checked=examine(pictures, spec))


def labels(app):
    return [button.label for button in app.button]


def test_every_data_set_is_in_the_list(opened):
    app = opened(data="digits")
    assert list(app.dataframe[0].value["Data set"]) == [DATA_SOURCES.load(name).title for name in DATA_SOURCES if name != "imported"]
    digits = app.dataframe[0].value.set_index("Data set").loc[DATA_SOURCES.load("digits").title]
    assert (digits["train"], digits["val"], digits["test"]) == (1258, 269, 270)


def test_images_split_task_and_class_are_in_the_address(opened, texts):
    app = opened(data="digits", split="val", task="digit", **{"class": "7"})
    assert "of 269 images" in texts(app)
    assert all(label.endswith(": 7") for label in labels(app) if label[0].isdigit())
    app.selectbox(key="data.class.digits.digit").set_value("3").run()
    assert app.query_params["class"] in ("3", ["3"])


def test_a_page_and_a_sample_open_by_their_address(opened, texts):
    app = opened(data="digits", sheet="2", sample="5")
    assert "Image 5 of train" in texts(app)
    assert "page 2 of 53" in texts(app)
    assert "25" in [label.split("\\")[0].split(":")[0] for label in labels(app)]
    app.button(key="data.close").click().run()
    assert "Image 5 of train" not in texts(app)


@pytest.mark.parametrize(
    "query", [{"sample": "0", "sheet": "x"}, {"sample": "99999", "split": "no"}, {"sample": "-1", "sheet": "9999", "task": "no"}]
)
def test_an_address_that_leads_nowhere_shows_something_sensible(opened, texts, query):
    app = opened(data="digits", **query)
    assert "images" in texts(app)
    assert not app.error


def test_an_unknown_set_is_said(opened):
    app = opened(data="no_such")
    assert "no data set" in app.error[0].value
    app.button(key="data.first").click().run()
    assert not app.error


def test_numbers_of_every_task(opened, texts):
    app = opened(data="digits", view="numbers")
    assert "Every image has every target." in texts(app)
    assert "Labelled images, per class" in texts(app)
    assert "Spread of the values (degrees)" in texts(app)


def test_train_on_this_takes_the_set_and_all_its_tasks(opened):
    app = opened(data="digits")
    app.button(key="data.train").click().run()
    assert app.session_state["settings"]["data"]["name"] == "digits"
    assert list(app.session_state["settings"]["tasks"]) == [
        task.name for task in DATA_SOURCES.load("digits")(DATA_SOURCES.load("digits").Options()).tasks()
    ]
    assert app.title[0].value.startswith("Train")


def test_what_cannot_be_prepared_is_a_sentence_and_can_be_tried_again(opened, monkeypatch):
    def refuse(*_):
        raise DataError("no pictures in this test")

    with monkeypatch.context() as patched:
        patched.setattr("ui.data.data_sets.prepare", refuse)
        app = opened(data="digits")
        assert "no pictures in this test" in app.error[0].value
    app.button(key="data.again").click()
    settle(app)
    assert not app.error
    assert "1: 0" in [label.replace("\\", "") for label in labels(app)]


def test_an_import_from_a_folder_shows_its_report_before_anything_is_made(opened, pictures, store, texts):
    app = opened(new="1")
    app.text_input(key="import.path").set_value(str(pictures)).run()
    app.button(key="import.look_there").click()
    settle(app)
    assert "21 images" in texts(app)
    app.button(key="import.check").click()
    settle(app)
    assert "broken.png" in "\n".join(frame.value.to_csv() for frame in app.dataframe)
    assert imported(store.home) == []
    app.text_input(key="import.name").set_value("Not A Name").run()
    assert app.button(key="import.go").disabled
    app.text_input(key="import.name").set_value("days").run()
    app.number_input(key="import.images.size.0").set_value(32).run()
    assert app.button(key="import.go").disabled  # the report was of other settings
    app.button(key="import.check").click()
    settle(app)
    app.button(key="import.go").click()
    settle(app)
    app = settle(app)
    made = imported(store.home)
    assert [entry.name for entry in made] == ["days"]
    assert made[0].image_shape == (3, 32, 16)
    assert sum(made[0].split_sizes.values()) == 20
    assert "days" in [heading.value for heading in app.subheader]


def test_reports_of_a_browser_change_no_setting_of_an_import(opened, pictures, report_all):
    """Neither reports of what is shown, nor late ones of an import of other files whose form has the same fields."""
    app = opened(new="1")
    app.text_input(key="import.path").set_value(str(pictures)).run()
    app.button(key="import.look_there").click()
    settle(app)
    before = copy.deepcopy(app.session_state["import_draft"]["spec"])
    report_all(app)
    assert app.session_state["import_draft"]["spec"] == before
    app.number_input(key="import.images.size.0").set_value(56).run()
    app.selectbox(key="import.images.resize").set_value("pad").run()
    assert app.session_state["import_draft"]["spec"] != before
    late = app._tree.get_widget_states()
    app.button(key="import.restart").click().run()
    app.text_input(key="import.path").set_value(str(pictures)).run()
    app.button(key="import.look_there").click()
    settle(app)
    assert app.session_state["import_draft"]["spec"] == before
    report_all(app, late)
    assert app.session_state["import_draft"]["spec"] == before


def test_a_path_that_is_none_is_refused(opened, pictures):
    app = opened(new="1")
    for path, said in ((f"{pictures}/none", "no file or folder"), ("", "Type the path"), ("/etc", "outside")):
        app.text_input(key="import.path").set_value(path).run()
        app.button(key="import.look_there").click().run()
        assert said in app.error[0].value


def test_parts_that_are_given_leave_nothing_to_be_drawn(opened, pictures, texts):
    for part, classes in {"train": ("day", "night"), "val": ("day", "night")}.items():
        for name in classes:
            (pictures / "parts" / part / name).mkdir(parents=True)
            for place in range(2, 6):
                Image.new("RGB", (16, 16), (place, len(part), len(name))).save(pictures / "parts" / part / name / f"{place}.png")
    app = opened(new="1")
    app.text_input(key="import.path").set_value(str(pictures / "parts")).run()
    app.button(key="import.look_there").click()
    settle(app)
    assert [number.label for number in app.number_input if number.label.startswith(("Share", "Seed"))] == ["Share of train for test", "Seed"]
    app.text_input(key="import.splits.test").set_value("val/day").run()
    assert [number.label for number in app.number_input if number.label.startswith(("Share", "Seed"))] == []
    assert "No split is drawn at random" in texts(app)
    app.segmented_control(key="import.splits.how").set_value("ratio").run()
    shares = [number.label for number in app.number_input if number.label.startswith(("Share", "Seed"))]
    assert shares == ["Share for val", "Share for test", "Seed"]


def test_a_row_that_is_not_used_is_not_an_image_that_is_not(opened, pictures, texts):
    rows = [f"{place}.png,{('red', 'green')[place % 2]}" for place in range(20)]
    (pictures / "table.csv").write_text("\n".join(["image,colour", *rows, "gone.png,red", "lost.png,green"]))
    app = opened(new="1")
    app.text_input(key="import.path").set_value(str(pictures)).run()
    app.button(key="import.look_there").click()
    settle(app)
    app.button(key="import.check").click()
    settle(app)
    pills = next(control for control in app.get("button_group") if control.key == "import.outcomes")
    assert list(pills.options) == ["Images that cannot be used: 1", "Targets and rows that are not used: 2"]
    found = next(frame.value for frame in app.dataframe if "type" in frame.value.columns)
    assert list(found[""]) == ["Image not used", "Target or row not used", "Target or row not used"]
    assert "An image with an unusable target or table row is still imported" in texts(app)


def test_an_own_set_says_where_it_is_from_has_its_report_and_is_trained_in_batches_that_it_fills(opened, own_set, pictures, texts):
    app = opened(data="imported/days")
    assert f"from `{pictures}`" in texts(app)
    [button] = [button for button in app.get("download_button") if button.proto.id.endswith("data.findings")]
    assert button.proto.label == "Findings of the import (1) as CSV"

    app.button(key="data.train").click().run()
    assert own_set.split_sizes["train"] == 12
    assert app.session_state["settings"]["batch_size"] == 8
    assert any("Batch size 8 instead of 32" in toast.value for toast in app.toast)


def test_the_train_form_lists_the_imported_sets(opened, own_set, pictures, store):
    spec = propose(pictures).spec
    import_dataset(pictures, spec.model_copy(update={"tasks": ["class"]}), "nights", home=store.home)
    app = opened(data="imported/days")
    app.button(key="data.train").click().run()
    app.switch_page("pages/train.py").run()
    box = app.selectbox(key="set.data.set")
    assert box.options == ["days · 20 images; class", "nights · 20 images; class"]
    box.set_value("nights").run()
    assert app.session_state["settings"]["data"]["set"] == "nights"
    assert list(app.session_state["settings"]["tasks"]) == ["class"]
    app.selectbox(key="set.data.name.titled").set_value("digits").run()
    app.selectbox(key="set.data.name.titled").set_value("imported").run()
    assert app.session_state["settings"]["data"]["set"] == "nights"  # imported last


@pytest.mark.parametrize("count", [1, 2, 7, 14, 100, 1258])
def test_another_image_comes_to_every_image(count):
    seen, place = set(), 0
    for _ in range(count):
        place = (place + stride(count)) % count
        seen.add(place)
    assert seen == set(range(count))


def test_preprocessing_is_shown_before_and_after_and_taken_along(opened):
    app = opened(data="digits", view="preprocessing")
    assert [caption.value for caption in app.caption if caption.value.startswith("After")] == [
        "After: unchanged, because no step is chosen · 8 x 8 pixels, grey"
    ]
    assert len(app.get("image")) == 1  # the same picture is not drawn twice
    app.selectbox(key="data.steps.denoise").set_value("median").run()
    app.selectbox(key="data.steps.resize").set_value("pad").run()
    app.number_input(key="data.steps.width").set_value(24).run()
    assert any(caption.value == "After, as the network sees it · 24 x 64 pixels, grey" for caption in app.caption)
    assert len(app.get("image")) == 2
    app.number_input(key="data.steps.denoise.size").set_value(4).run()
    assert any("odd number" in error.value for error in app.error)
    app.number_input(key="data.steps.denoise.size").set_value(5).run()
    assert not app.error
    app.button(key="data.steps.train").click().run()
    taken = app.session_state["settings"]["data"]
    assert taken["name"] == "digits"
    assert taken["preprocessing"]["denoise"] == {"name": "median", "size": 5}
    assert (taken["preprocessing"]["resize"], taken["preprocessing"]["width"]) == ("pad", 24)


def test_a_step_of_another_package_may_have_options_of_any_kind_and_without_bounds():
    def page():
        import streamlit as st
        from pydantic import BaseModel

        from ui.data.preprocessing_preview import KEPT, _widget
        from ui.shell.model_forms import describe

        class Options(BaseModel):
            rounds: int = 1
            strength: float = 0.5
            edges: bool = False
            filter: str = "plain"

        kept = st.session_state.setdefault(KEPT, {"denoise": {"name": "theirs"}})
        for field in describe(Options):
            _widget(field, "denoise", kept["denoise"])

    app = AppTest.from_function(page).run()
    app.number_input(key="data.steps.denoise.rounds").set_value(-3).run()
    app.number_input(key="data.steps.denoise.strength").set_value(40.0).run()
    app.toggle(key="data.steps.denoise.edges").set_value(True).run()
    app.text_input(key="data.steps.denoise.filter").set_value("wide").run()
    assert not app.exception
    assert app.session_state["data.steps"]["denoise"] == {"name": "theirs", "rounds": -3, "strength": 40.0, "edges": True, "filter": "wide"}


def test_looking_through_the_test_images_is_kept_and_said(opened, store, texts):
    app = opened(data="digits", split="train")
    assert looks_at_data(store.home, {"name": "digits"}) == []
    app = opened(data="digits", split="test")
    assert len(looks_at_data(store.home, {"name": "digits"})) == 1
    assert "This look is recorded" in texts(app).replace("\\", "")


def test_tasks_with_one_chart_stand_in_pairs():
    assert rows_of({"present": 2, "depth": 1, "boxes": 3, "centres": 1, "count": 1, "kind": 0}) == [
        ["present"],
        ["depth"],
        ["boxes"],
        ["centres", "count"],
        ["kind"],
    ]
    assert rows_of({}) == []


def test_a_long_list_of_tasks_is_counted_and_not_cut():
    assert names_that_fit(["digit", "slant"], 12) == "digit, slant"
    assert names_that_fit(["digit", "slant", "ink"], 16) == "digit and 2 more"
    assert names_that_fit(["d" * 20, "slant", "ink"], 18) == "d" * 6 + "… and 2 more"
    assert names_that_fit(["a" * 40], 12) == "a" * 11 + "…"
    assert names_that_fit([], 12) == ""
