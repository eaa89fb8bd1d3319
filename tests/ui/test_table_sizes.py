"""Texts and heights of Streamlit's tables: nothing is cut off, nothing is drawn over its neighbours, and no empty strip is left."""

import pytest

from ui.drawing.table_sizes import ROW_PIXELS, TWO_LINES, fitting_text, head_width, whole_height


@pytest.mark.parametrize("text", ["Quick: 1,797 digits, 3 tasks", "Handwritten digits · ink alone · 6 epochs · seed 2", "手写数字：三个任务 · 40 轮"])
def test_what_a_row_shows_stays(text):
    assert fitting_text(text, 220) == text


@pytest.mark.parametrize("pixels", [150, 170, 300])
@pytest.mark.parametrize("text", ["Handwritten digits: digit + slant + ink · digit ×0.75 · slant ×1.5 · " * 4, "手写数字：三个任务 · 40 轮 · " * 12])
def test_the_beginning_of_a_longer_text_fits(text, pixels):
    shown = fitting_text(text, pixels)
    assert shown.endswith("…")
    assert text.startswith(shown.rstrip("…"))
    assert head_width(shown) <= 3 * pixels
    assert len(shown) > 10


def test_a_table_is_as_high_as_its_head_its_rows_and_its_borders():
    assert whole_height(4) == 5 * ROW_PIXELS + 2
    assert whole_height(4, row=TWO_LINES) == ROW_PIXELS + 4 * TWO_LINES + 2
    assert (whole_height(4, 100), whole_height(1, 100)) == (100, 2 * ROW_PIXELS + 2)
