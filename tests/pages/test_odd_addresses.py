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


NOTHING = {  # page -> what an address can name that is not there
    "train": ("clone", "fork"),
    "run": ("run",),
    "predictions": ("run",),
    "compare": ("run", "runs"),
    "race": ("race",),
    "studies": ("study",),
    "data": ("data",),
    "learn": ("lesson", "class"),
}


def drawn(block):
    """The elements of a page from top to bottom."""
    for child in block.children.values():
        yield from drawn(child) if hasattr(child, "children") else [child]


@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "with a run"])
@pytest.mark.parametrize(("page", "named"), [(page, named) for page, names in NOTHING.items() for named in ("", *names)])
def test_every_page_has_the_status_bar_and_then_a_title_whatever_its_address_names(open_page, request, page, named, is_empty):
    if not is_empty:
        request.getfixturevalue("finished")
    app = open_page(page, **({named: "nothing"} if named else {}))
    assert not app.exception
    assert len(app.title) == 1
    elements = list(drawn(app.main))
    said = [place for place, element in enumerate(elements) if element.type in ("title", "alert", "error", "warning", "info")]
    bar = next(place for place, element in enumerate(elements) if "Nothing is training" in str(getattr(element, "value", "")))
    assert bar < min(said)


@pytest.mark.parametrize("page", ["run", "predictions"])
def test_a_page_of_a_run_that_is_not_there_says_so_below_its_title(open_page, finished, page):
    app = open_page(page, run="nothing")
    kinds = [element.type for element in drawn(app.main) if element.type in ("title", "error")]
    assert kinds == ["title", "error"]


@pytest.mark.parametrize(("page", "named"), [("train", "run"), ("studies", "data"), ("compare", "run"), ("data", "study"), ("learn", "race")])
def test_a_page_drops_the_address_of_another_one(open_page, finished, page, named):
    """What a browser's Back can bring."""
    app = open_page(page, **{named: finished.id, "view": "numbers", "lang": "en"})
    assert not app.exception
    assert set(app.query_params) <= {"lang", "data"} - {named}
    kept = open_page("run", run=finished.id, view="evaluation")
    assert {"run", "view"} <= set(kept.query_params)
