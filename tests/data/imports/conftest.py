"""What all tests of imports check besides."""

import pytest

from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.checking.finding_kinds import KINDS


@pytest.fixture(autouse=True)
def every_kind_of_finding_has_words(monkeypatch):
    """A kind without words would stand on a page as it is written in the source, in English."""
    add, unknown = Findings.add, set()

    def noticed(self, outcome, kind, *args, **kwargs):
        unknown.update({kind} - set(KINDS))
        return add(self, outcome, kind, *args, **kwargs)

    monkeypatch.setattr(Findings, "add", noticed)
    yield
    assert unknown == set()
