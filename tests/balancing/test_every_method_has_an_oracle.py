"""Every method is held to its published update by a second implementation; one that is registered without fails here."""

from __future__ import annotations

import pytest

from mtl_core.balancing import BALANCERS
from tests.balancing import test_gradient_formulas, test_weighting_formulas

TABLES = {"test_gradient_formulas.py": test_gradient_formulas.ORACLES, "test_weighting_formulas.py": test_weighting_formulas.ORACLES}


@pytest.mark.parametrize("name", [name for name in BALANCERS if BALANCERS.load(name).__module__.startswith("mtl_core.")])
def test_every_method_has_an_oracle(name):
    """In one of the two files, whose tests run over all that their tables hold."""
    assert any(name in table for table in TABLES.values()), f"'{name}' has no second implementation; write one in ORACLES of {' or '.join(TABLES)}"


def test_no_table_names_a_method_that_is_gone():
    for table in TABLES.values():
        assert set(table) <= set(BALANCERS)
