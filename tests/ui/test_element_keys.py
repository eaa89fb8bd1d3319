"""Keys of elements made of names from outside."""

import re

import pytest

from ui.shell.element_keys import component_key, element_key

NAMES = ["digit", "a b", "A", "b__c", "x{}body", "<style>", "分类", "a.b", "a/b", "", "__", "_a", "a_"]


def test_a_plain_name_stays():
    assert element_key("panel", "count_of-2") == "panel_count_of-2"
    assert component_key("chart.loss.digit") == "chart.loss.digit"


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_safe_in_a_selector_and_in_a_component_id(name):
    key = element_key("panel", name)
    assert re.fullmatch(r"[a-z0-9_-]+", key)
    assert "__" not in component_key(f"chart.{name}")


def test_different_names_have_different_keys():
    assert len({element_key("panel", name) for name in NAMES}) == len(NAMES)
    assert len({component_key(f"chart.{name}") for name in NAMES}) == len(NAMES)
