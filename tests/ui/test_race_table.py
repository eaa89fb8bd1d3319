import math

import pandas as pd
import pytest

from ui.compare.race_table import clear_best


@pytest.mark.parametrize(
    ("values", "higher", "best"),
    [
        ([0.981, 0.974], True, None),
        ([0.90, 0.981, 0.95], True, 0.981),
        ([3.0, 1.5, math.nan], False, 1.5),
        ([0.7, 0.7], True, None),
        ([0.0, 0.0], False, None),
        ([0.7, math.nan], True, None),
        ([], True, None),
    ],
)
def test_a_best_value_needs_a_second_that_is_clearly_behind(values, higher, best):
    found = clear_best(pd.Series(values, dtype=float), higher)
    assert math.isnan(found) if best is None else found == best
