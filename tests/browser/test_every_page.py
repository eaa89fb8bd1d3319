"""Every page by keyboard and screen reader: axe-core finds nothing serious in either theme, every control has a name and shows its focus.

The suite looks at the pages in Chinese, because other journeys look at them in English; with ``--walks`` it looks at them in both.
"""

from __future__ import annotations

import pytest

from mtl_core.language import LANGUAGES
from mtl_core.lessons.lesson_runs import new_class
from tests.browser.accessibility import check_accessibility
from tests.browser.keyboard_focus import check_focus, check_names

pytestmark = pytest.mark.browser
PAGES = {
    "train": ("", "[data-testid=stBaseButton-primary]"),
    "run": ("run?run={run}", ".live-plot"),
    "evaluation": ("run?run={run}&view=evaluation", "[data-testid=stButton]"),
    "predictions": ("predictions?run={run}", ".gallery .item"),
    "one image": ("predictions?run={run}&sample=1", "canvas"),
    "compare": ("compare?runs={run}", "[data-testid=stDataFrame]"),
    "race": ("race", "[data-testid=stAlert]"),
    "studies": ("studies", "[data-testid=stExpander]"),
    "data": ("data?data=digits", "img"),
    "import": ("data?new=1", "[data-testid=stFileUploader]"),
    "learn": ("learn", "[role=tab]"),
    "lesson": ("learn?lesson=one_task", "button"),
    "board": ("learn?lesson=one_task&class={course}&board=1", "[data-testid=stAlert]"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("spoken", list(LANGUAGES) if metafunc.config.getoption("--walks") else ["zh"])


@pytest.mark.parametrize("name", list(PAGES))
def test_a_page_by_keyboard_and_screen_reader(page, server, request, name, spoken):
    address, there = PAGES[name]
    run = request.getfixturevalue("every_kind").id if "{run}" in address else ""
    join = "&" if "?" in address else "?"
    page.goto(f"{server.url}/{address.format(run=run, course=new_class())}{join}lang={spoken}")
    page.locator(there).first.wait_for()
    page.wait_for_function("() => !document.querySelector('[data-testid=stApp]').matches('[data-test-script-state=running]')")
    check_accessibility(page)
    assert check_names(page) >= 8  # the menu alone has as many
    assert check_focus(page) >= 8
