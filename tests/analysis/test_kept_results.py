"""A result that was made of a run's rows is made anew when an answer that it got from them differs, and only then."""

import pandas as pd
import pytest

from mtl_core.analysis.kept_results import Remade
from mtl_core.analysis.scalar_rows import ScalarRows


def frame(*rows: tuple[str, int]) -> pd.DataFrame:
    columns = pd.DataFrame(rows, columns=["key", "step"])
    return columns.assign(epoch=columns["step"] / 2, value=columns["step"] * 10.0, wall_time=columns["step"] * 60.0)


ROWS = ScalarRows(frame(("a", 1), ("b", 1), ("a", 2)))


@pytest.mark.parametrize(
    ("make", "newer", "is_new"),
    [
        (lambda rows: rows.of("a"), frame(("b", 2)), False),
        (lambda rows: rows.of("a"), frame(("a", 3)), True),
        (lambda rows: rows.of("a"), frame(("a", 2)), True),  # a resumed run repeats a step
        (lambda rows: rows.count("c"), frame(("b", 2)), False),
        (lambda rows: rows.count("c"), frame(("c", 1)), True),
        (lambda rows: rows.keys, frame(("b", 2)), False),
        (lambda rows: rows.keys, frame(("c", 1)), True),
        (lambda rows: rows.ends("step"), frame(("b", 2)), False),
        (lambda rows: rows.ends("step"), frame(("b", 3)), True),
        (lambda rows: rows.ends("minutes", until=1), frame(("b", 3)), False),
        (lambda rows: rows.ask(lambda rows: len(rows) // 10), frame(("a", 3)), False),
        (lambda rows: rows.ask(lambda rows: len(rows) // 4), frame(("a", 3)), True),
        (lambda rows: len(rows), frame(("b", 2)), True),
        (lambda rows: rows.frame["step"].sum(), frame(("b", 2)), True),
        (lambda rows: None, frame(("b", 2)), False),
    ],
)
def test_a_result_is_made_anew_when_what_it_asked_differs(make, newer, is_new):
    made = []

    def counted(rows):
        made.append(rows)
        return make(rows)

    remade = Remade(counted)
    remade(ROWS)
    remade(ROWS)
    assert len(made) == 1
    later = ROWS.with_newer(newer)
    result = remade(later)
    assert len(made) == 1 + is_new
    assert str(result) == str(make(later)), "what is kept is what would be made now"
    remade(ROWS)
    assert len(made) == 1 + 2 * is_new, "rows of an earlier moment have their own result"
