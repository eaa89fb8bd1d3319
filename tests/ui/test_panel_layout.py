"""The arrangement of a run page's panels: order, pins, sizes, and what the store kept of it."""

import json

import pytest

from ui.run.panel_layout import Layout, from_text, task_key, to_text

NAMES = ["conflict", "predictions", "training"]


def test_without_changes_the_order_is_the_one_given():
    assert Layout().arranged(NAMES) == NAMES
    assert (Layout().width("conflict"), Layout().height("conflict")) == ("auto", 1.0)


def test_a_panel_moves_by_one_place_and_not_beyond_the_ends():
    later = Layout().moved(NAMES, "conflict", 1)
    assert later.arranged(NAMES) == ["predictions", "conflict", "training"]
    assert later.moved(NAMES, "conflict", -1).arranged(NAMES) == NAMES
    assert Layout().moved(NAMES, "conflict", -1) == Layout()
    assert Layout().moved(NAMES, "training", 1) == Layout()


def test_pinned_panels_stand_first_and_do_not_mix_with_the_others():
    pinned = Layout().pinned_as("training", True)
    assert pinned.arranged(NAMES) == ["training", "conflict", "predictions"]
    assert pinned.moved(NAMES, "training", 1) == pinned
    assert pinned.moved(NAMES, "conflict", -1) == pinned
    assert pinned.pinned_as("training", False).arranged(NAMES) == NAMES


def test_moves_on_one_run_keep_the_places_of_panels_that_only_another_run_has():
    layout = Layout(order=("sharing", "training", "conflict"))
    moved = layout.moved(["training", "conflict"], "conflict", -1)
    assert moved.arranged(["training", "conflict"]) == ["conflict", "training"]
    assert "sharing" in moved.order
    assert moved.arranged(["new", "conflict"]) == ["conflict", "new"], "a panel without a place comes last"


def test_what_is_written_is_read_again():
    layout = Layout((task_key("a"), "conflict"), ("conflict",), {"conflict": "half"}, {task_key("a"): "1.5"})
    assert from_text(to_text(layout)) == layout
    assert layout.height(task_key("a")) == 1.5


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", "null", "[" * 19_000, "[" * 30_000),
        '{"order": 3, "pinned": {}, "widths": [], "heights": "x"}',
        '{"heights": {"a": "1000"}, "widths": {"a": 3}}',
    ],
)
def test_a_setting_that_is_no_layout_gives_the_default(text):
    assert from_text(text) == Layout()


def test_names_that_are_no_text_are_left_out():
    assert from_text(json.dumps({"order": [1, "a", None, "a"]})).order == ("a",)
