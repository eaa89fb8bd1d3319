"""The line samples that serve as the legend of a race."""

from ui.compare.race_entries import STROKES, stripes


def test_stripes_follow_the_dash():
    assert stripes("#0072B2", "") == "#0072B2"
    assert stripes("red", "8 4") == "repeating-linear-gradient(90deg,red 0px 8px,transparent 8px 12px)"
    assert stripes("red", "8 4 2 4") == "repeating-linear-gradient(90deg,red 0px 8px,transparent 8px 12px,red 12px 14px,transparent 14px 18px)"
    assert len({stripes("red", stroke) for stroke in STROKES.values()}) == len(STROKES)
