"""Numbers in addresses that nobody's link holds: no page ends in an error."""

import pytest


@pytest.mark.parametrize("word", ["9" * 5000, "²", "-1"], ids=["long", "power", "negative"])
def test_the_predictions_page_passes_over_what_is_no_number(open_page, finished, word):
    page = open_page("predictions", run=finished.id, epoch=word, sample=word, beside=word)
    assert [error.value for error in page.error] == []
