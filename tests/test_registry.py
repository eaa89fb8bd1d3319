"""The registry's messages to somebody who adds a part."""

from importlib.metadata import EntryPoint

import pytest

from mtl_core import registry
from mtl_core.language import speaking, tr
from mtl_core.registry import Registry, unknown_name, unknown_task


@pytest.mark.parametrize(("place", "error"), [("mtl_core.no_such_file:Mine", ModuleNotFoundError), ("mtl_core.errors:Mine", AttributeError)])
def test_a_wrong_line_of_a_table_is_named(place, error):
    with pytest.raises(error) as raised:
        Registry("balancer", "no.such.group", {"mine": place}).load("mine")
    assert raised.value.__notes__ == [f"The balancer 'mine' is at {place}, as a line in its table says; correct the line or that file."]


def test_a_part_of_another_package_takes_no_name_of_ours(monkeypatch):
    entries = [EntryPoint("ours", "theirs:Part", "group"), EntryPoint("new", "theirs:New", "group")]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    found = Registry("balancer", "group", {"ours": "mtl_core.errors:Problem"})
    assert found.table == {"ours": "mtl_core.errors:Problem", "new": "theirs:New"}
    assert found.hidden == {"ours": "theirs:Part"}


@pytest.mark.parametrize("written", ["count_rbc", "COUNT_RBC", "count-RBC", "Count_Rbc"])
def test_a_name_that_differs_in_case_or_hyphen_is_the_closest(written):
    names = ["count_Platelets", "count_WBC", "count_RBC"]
    hint = f"'{written}'; did you mean 'count_RBC'? Available: count_Platelets, count_WBC, count_RBC"
    assert unknown_name("key", written, names) == f"unknown key {hint}"
    assert unknown_task(written, names, "cells") == f"data set 'cells' has no task {hint}"
    with speaking("zh"):
        assert tr(unknown_task(written, names, "cells")).startswith(f"数据集 'cells' 没有任务 '{written}'；是否指 'count_RBC'？")
