"""Addresses that nobody's link holds: no page ends in an error."""

import pytest

from ui.shell.typed_address import LONGEST


@pytest.mark.parametrize("word", ["9" * 5000, "²", "-1"], ids=["long", "power", "negative"])
def test_the_predictions_page_passes_over_what_is_no_number(open_page, finished, word):
    page = open_page("predictions", run=finished.id, epoch=word, sample=word, beside=word)
    assert [error.value for error in page.error] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_address_without_a_page_is_named_on_the_start_page_alone(open_page, finished, language):
    typed = "els*where*/" + 5000 * "x"
    said = open_page(language=language, unknown=typed).warning[0].value
    assert f"/els\\*where\\*/{(LONGEST - 11) * 'x'}" in said
    assert ("There is no page at" in said) == (language == "en")
    assert [warning.value for warning in open_page("compare", language=language, unknown=typed).warning] == []
