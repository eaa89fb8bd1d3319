"""Groups of parameters that do not divide the network are refused in words."""

from __future__ import annotations

import pytest

from mtl_core.errors import ConfigError
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.sharing.hard import HardSharing
from mtl_core.sharing.model import Group
from mtl_core.training.check import parameter_counts as counted
from mtl_core.training.check import problems
from tests.sharing.test_scheme_contract import config_of


class NoGroupForTheHeads(HardSharing):
    def groups(self):
        return [Group("backbone", self.backbone.parameters(), self.tasks)]


class TwoGroupsForOne(HardSharing):
    def groups(self):
        return [Group("again", self.backbone.parameters(), self.tasks), *super().groups()]


class OneNameForTwo(HardSharing):
    def groups(self):
        return [Group(group.name if group.users == set(self.tasks) else "head", group.parameters, group.users) for group in super().groups()]


class AnUnknownTask(HardSharing):
    def groups(self):
        return [Group(group.name, group.parameters, {*group.users, "nobody"}) for group in super().groups()]


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        (NoGroupForTheHeads, "exactly one group, found 'heads.digit.linear.weight' in 0"),
        (TwoGroupsForOne, "exactly one group, found 'backbone.stages.0.0.weight' in 2"),
        (OneNameForTwo, "two groups are called 'head'"),
        (AnUnknownTask, "found digit, ink, nobody, slant"),
    ],
)
def test_groups_that_do_not_divide_the_network_are_refused_in_words(scheme, said, monkeypatch):
    monkeypatch.setitem(SHARING_SCHEMES._table, "wrong", f"{__name__}:{scheme.__name__}")
    [problem] = problems(config_of("wrong"))
    assert problem.field == "sharing"
    assert scheme.__name__ in problem.message
    assert said in problem.message
    with pytest.raises(ConfigError):
        counted(config_of("wrong"))
