"""Every page by keyboard and screen reader: axe-core finds nothing serious in either theme, every control has a name and shows its focus.

The suite looks at the pages in Chinese, because other journeys look at them in English; with ``--walks`` it looks at them in both.
"""

from __future__ import annotations

import pytest

from mtl_core.language import LANGUAGES
from mtl_core.lessons.lesson_runs import new_class
from tests.browser.accessibility import check_accessibility
from tests.browser.keyboard_focus import check_focus, check_names
from tests.browser.one_tab import go

pytestmark = pytest.mark.browser
# One after the other in one tab, so none has the title of the page before it. The run comes first: then PyTorch is loaded, and no page is drawn anew
# for it.
PAGES = {
    "run": ("run?run={run}", ".live-plot"),
    "train": ("", "[data-testid=stImage] img"),  # the sample: the page is drawn anew once it is there
    "evaluation": ("run?run={run}&view=evaluation", "[data-testid=stButton]"),
    "predictions": ("predictions?run={run}", ".gallery .item"),
    "compare": ("compare?runs={run}", "[data-testid=stDataFrame]"),
    "one image": ("predictions?run={run}&sample=1", "canvas"),
    "race": ("race", "[data-testid=stAlert]"),
    "data": ("data?data=digits", "img"),
    "studies": ("studies", "[data-testid=stExpander]"),
    "import": ("data?new=1", "[data-testid=stFileUploader]"),
    "learn": ("learn", "[role=tab]"),
    "lesson": ("learn?lesson=one_task", "button"),
    "board": ("learn?lesson=one_task&class={course}&board=1", "[data-testid=stAlert]"),
}
# Columns in lines: for each part of a row of columns, the upper edges that it has in them.
LINES = """() => [...document.querySelectorAll('[class*=st-key-lines_]')].flatMap(row => {
    const columns = [...row.querySelectorAll('[data-testid=stColumn]')].map(column => [...column.querySelectorAll('[data-testid=stElementContainer]')]
        .map(part => Math.round(part.getBoundingClientRect().top)));
    return columns[0].map((_, place) => columns.filter(tops => tops.length > place).map(tops => tops[place])); })"""
# The tiles of the test results: upper edge of each tile, lines of its title, upper edge of its value.
TILES = """() => [...document.querySelectorAll('[class*=st-key-test_]')].map(tile => {
    const title = tile.querySelector('[data-testid=stMetricLabel] p'), value = tile.querySelector('[data-testid=stMetricValue]');
    const lines = title.getClientRects().length;
    return [tile.getBoundingClientRect().top, lines, value.getBoundingClientRect().top].map(Math.round); })"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("spoken", list(LANGUAGES) if metafunc.config.getoption("--walks") else ["zh"])


@pytest.mark.parametrize("name", list(PAGES))
def test_a_page_by_keyboard_and_screen_reader(one_tab, server, request, name, spoken):
    address, there = PAGES[name]
    run = request.getfixturevalue("every_kind").id if "{run}" in address else ""
    join = "&" if "?" in address else "?"
    go(one_tab, f"{server.url}/{address.format(run=run, course=new_class())}{join}lang={spoken}")
    one_tab.locator(there).first.wait_for()
    one_tab.wait_for_function("() => !document.querySelector('[data-testid=stApp]').matches('[data-test-script-state=running]')")
    assert one_tab.get_by_text("Traceback (most recent call last)").count() == 0
    check_accessibility(one_tab)
    assert check_names(one_tab) >= 8  # the menu alone has as many
    assert check_focus(one_tab) >= 8
    if name == "run":
        check_tiles(one_tab)
    lines = one_tab.evaluate(LINES)
    assert [tops for tops in lines if len(set(tops)) > 1] == []
    assert len(lines) > 3 or name != "learn"


def check_tiles(page) -> None:
    """In a narrow window some titles have two lines. The values of a row still stand in one line."""
    size = page.viewport_size
    page.set_viewport_size({"width": 760, "height": size["height"]})
    page.wait_for_function(f"({TILES})().some(([, lines]) => lines > 1)")
    tiles = page.evaluate(TILES)
    page.set_viewport_size(size)
    assert len({(tile, value) for tile, _, value in tiles}) == len({tile for tile, _, _ in tiles})
