"""Titles of parts without an import of the parts."""

import pytest

from mtl_core.catalogue import REGISTRIES
from mtl_core.part_titles import part_title
from mtl_core.registry import Registry


@pytest.mark.parametrize("sort", [sort for sort in REGISTRIES if sort != "evaluations"])  # its table is filled by task kind
def test_every_part_of_this_project_has_the_title_of_its_class(sort):
    registry = REGISTRIES[sort]
    own = [name for name, place in registry.table.items() if place.startswith("mtl_core.")]
    titles = {name: getattr(registry.load(name), "title", "") or name for name in own}
    assert {name: part_title(sort, name) for name in own} == titles, "run: python -m docs"


def test_a_part_of_another_package_has_its_title_once_it_is_imported():
    registry = Registry("balancer", "no.such.group", {"mine": "tests.balancing_with_a_title:Mine"})
    assert part_title("balancing", "my_mine", registry) == "my mine"
    import sys
    import types

    module = types.ModuleType("tests.balancing_with_a_title")
    module.Mine = type("Mine", (), {"title": "My method"})
    sys.modules[module.__name__] = module
    try:
        assert part_title("balancing", "mine", registry) == "My method"
    finally:
        del sys.modules[module.__name__]
