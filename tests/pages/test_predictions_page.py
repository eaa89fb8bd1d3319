"""The Predictions page on a store filled by hand; what is drawn in the browser is tested in tests/browser."""

import json

import numpy as np
import pytest

from mtl_core.inference.fit import HOW
from ui.drawing import viewer
from ui.predictions.error_gallery import mistaken, with_class
from ui.predictions.own_image import FITTED, fitted_in_words
from ui.predictions.sample_view import same_image


def data_of(app, place=0):
    """What a component below the status bar was given."""
    return json.loads([each for each in app.get("bidi_component") if each.proto.component_name != "live_news"][place].proto.json)


def test_the_gallery_has_the_worst_first(open_page, finished):
    app = open_page("predictions", run=finished.id, epoch="1")
    assert app.query_params["epoch"] == "1"
    assert [tile["number"] for tile in data_of(app)["tiles"]][:1] == [0] or not app.error
    app.selectbox(key="gallery.sort").set_value("slant").run()
    numbers = [tile["number"] for tile in data_of(app)["tiles"]]
    assert numbers == [3, 0, 2, 1]  # predicted 1 everywhere, targets 0, 1, 2, 3: errors 1, 0, 1, 2
    app.toggle(key="gallery.best").set_value(True).run()
    assert [tile["number"] for tile in data_of(app)["tiles"]] == [1, 0, 2, 3]


def test_words_say_what_was_predicted_where_nothing_is_drawn(open_page, finished):
    app = open_page("predictions", run=finished.id, epoch="1")
    app.selectbox(key="gallery.sort").set_value("slant").run()
    data = data_of(app)
    width, height = map(int, data["ratio"].split("/"))
    label = data["words"][0]["label"]
    assert (width, "target and prediction" in label) == (height, False), "the square image alone, not twice"
    below = {"head": "image 4", "error": "slant 2.000 degrees", "said": "slant: 3 degrees → 1 degree", "warning": ""}
    assert {name: data["tiles"][0][name] for name in below} == below, "one glance: the error that is sorted by, and no other"
    assert data["words"][0]["title"].endswith("image 4 · slant: 3 degrees → 1 degree\nerror: slant 2.000 degrees · digit 0")
    app.selectbox(key="gallery.sort").set_value("digit").run()
    said = {tile["number"]: tile["said"] for tile in data_of(app)["tiles"]}
    assert said[3] == "digit: 3 → 3 (100%)"
    assert not any("left: target" in caption.value for caption in app.caption)


def test_filters_that_leave_nothing_say_so(open_page, finished):
    app = open_page("predictions", run=finished.id)
    app.multiselect(key="gallery.classes").set_value(["9"]).run()
    assert "No image is left" in app.info[0].value


def test_one_image_is_given_with_every_epoch(open_page, finished):
    app = open_page("predictions", run=finished.id, sample="3", epoch="1")
    data = data_of(app)
    sample = json.loads(data["sample"])
    assert (data["epoch"], sample["number"], sample["width"], sample["height"]) == (1, 3, 8, 8)
    assert sample["runs"][0]["epochs"] == [0, 1, 2]
    assert [frame["slant"]["v"] for frame in sample["runs"][0]["frames"]] == [0.0, 1.0, 2.0]
    assert sample["target"]["digit"]["p"].index(1.0) == 3
    assert app.query_params["sample"] == "3"


def test_an_image_that_does_not_exist_is_the_last_one_and_says_so(open_page, finished):
    app = open_page("predictions", run=finished.id, sample="99")
    assert "There is no image 99" in app.warning[0].value or "There is no image 100" in app.warning[0].value
    assert json.loads(data_of(app)["sample"])["number"] == 3


def test_a_second_run_beside_it_shows_the_same_image(open_page, finished, make_run):
    other = make_run(name="another")
    data = data_of(open_page("predictions", run=finished.id, sample="1", beside=other.id))
    assert [run["name"] for run in data["runs"]] == ["A a run", "B another"]
    assert len({run["colour"] for run in data["runs"]}) == 2
    assert len(json.loads(data["sample"])["runs"]) == 2


def test_a_split_without_a_checkpoint_says_what_it_needs(open_page, finished):
    """A run that has ended gets none any more."""
    assert "has ended and has no checkpoint, so no split" in open_page("predictions", run=finished.id, images="val").info[0].value


def test_a_large_split_says_how_many_images_are_predicted(open_page, finished, keep):
    from dataclasses import replace

    from ui.predictions.error_gallery import chosen_part
    from ui.predictions.image_source import _how_many

    assert _how_many(finished, "val") == "It has 20 images."
    large = replace(finished, info={**finished.info, "images": {"val": 50_000}, "image_shape": [3, 64, 64]})
    assert _how_many(large, "val").startswith("Of its 50,000 images, 2,000 evenly spaced ones are predicted.")
    keep(finished, 1, best=1)
    assert "It has 20 images" in open_page("predictions", run=finished.id, images="val").info[0].value
    part = Pictures([1] * 3)
    assert chosen_part(part) == ""
    part.data = range(7)
    assert chosen_part(part) == " · 3 of the split's 7 images, evenly spread"


def test_your_image_needs_a_checkpoint(open_page, finished):
    assert "has ended and has no checkpoint, so it cannot" in open_page("predictions", run=finished.id, view="own").info[0].value


def test_mistakes_are_those_of_the_task_sorted_by():
    found = {
        "targets": {"a": np.zeros(4)},
        "errors": {
            "a": {"values": np.arange(4.0), "mistakes": np.array([True, False, False, False])},
            "b": {"values": np.array([0.0, 1.0, 2.0, 9.0]), "mistakes": None},
        },
    }
    assert mistaken(found, "a").tolist() == [True, False, False, False]
    assert mistaken(found, "b").tolist() == [False, False, True, True]  # above the median
    assert mistaken(found, "").tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        ("classification", np.array([0, 1, 1]), [False, True, False]),
        ("multi_label", np.array([[1, 0], [0, 1], [1, 1]]), [False, True, False]),
        ("segmentation", np.array([[[0]], [[1]], [[1]]]), [False, True, False]),
        ("detection", np.array([[[0, 0, 1, 1, 0]], [[0, 0, 1, 1, 1]], [[0, 0, 1, 1, 1]]]), [False, True, False]),
    ],
)
def test_with_class_asks_labelled_targets(kind, target, expected):
    from mtl_core.data.dataset import Task

    labelled = {"t": np.array([True, True, False])}
    assert with_class({"t": Task("t", kind, "t", ("cat", "dog"))}, {"t": target}, labelled, "dog").tolist() == expected


class Pictures:
    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def row(self, number):
        return number

    def image(self, number):
        return np.full((2, 2, 3), self.values[number])


def test_the_same_image_is_found_by_its_pixels():
    assert same_image(Pictures([5, 6, 7]), np.full((2, 2, 3), 7), 0) == 2
    assert same_image(Pictures([5, 6, 7]), np.full((2, 2, 3), 8), 0) is None


def test_your_image_can_be_drawn_or_taken_with_a_camera(open_page, finished, keep, monkeypatch, texts):
    keep(finished, 1, best=1)
    app = open_page("predictions", run=finished.id, view="own")
    assert [button.label for button in app.button if (button.key or "").startswith("own.example")] == [f"Example {number}" for number in (1, 2, 3, 4)]
    assert len(app.get("image")) == 4
    app.segmented_control(key="own.way").set_value("draw").run()
    assert not app.exception
    columns = list(app.columns)
    [place] = [place for place, column in enumerate(columns) if any(pad.proto.component_name == "sketch_pad" for pad in column.get("bidi_component"))]
    assert [caption.value[:30] for caption in columns[place + 1].caption] == ["The run predicts all its tasks"]  # the answer's place, beside the pad
    app.segmented_control(key="own.way").set_value("camera").run()
    assert not app.exception
    columns = list(app.columns)
    [place] = [place for place, column in enumerate(columns) if column.get("camera_input")]
    assert [caption.value[:30] for caption in columns[place + 1].caption] == ["The run predicts all its tasks"]  # a wide picture would push it down


def test_each_way_to_fill_the_networks_frame_is_said_in_words():
    assert set(FITTED) == set(HOW)
    assert fitted_in_words((64, 64), (64, 64), "pad") == ""
    assert fitted_in_words((280, 280), (8, 8), "pad") == ", shown to the network as 8 x 8"
    assert fitted_in_words((30, 20), (8, 8), "pad") == ", shown to the network as 8 x 8 (whole, with bars where its proportions differ)"


def test_a_share_has_no_unit_on_the_enlarged_image(open_page, finished, monkeypatch):
    assert data_of(open_page("predictions", run=finished.id, sample="0"))["units"] == {"degrees": "degrees"}
    monkeypatch.setattr(viewer, "SHARE", "degrees")
    assert data_of(open_page("predictions", run=finished.id, sample="0"))["units"] == {"degrees": ""}
