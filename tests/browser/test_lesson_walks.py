"""Lessons walked in Chromium as a learner walks them: opened, trained, changed, trained again, answered, found again.

The suite walks one lesson in Chinese, and ``test_lesson.py`` walks one in English. ``--walks FOLDER`` walks every lesson in every language, and
leaves screenshots and a table in FOLDER. ``tests/pages/test_lessons_answered.py`` takes every lesson to its answer without a browser.
"""

from __future__ import annotations

import re
import time
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from mtl_core.language import LANGUAGES, speaking, tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson import Lesson
from mtl_core.lessons.lesson_runs import lesson_of, outcome, trainings, value_in_words
from mtl_core.runs.store import RunStore, open_store
from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import is_second_try, new_window
from tests.browser.persistence import act_until

pytestmark = pytest.mark.browser
PATIENCE = 600_000  # milliseconds; a bound for slow machines, not a claim
LOCALES = {"en": "en-US", "zh": "zh-CN"}
ALWAYS = [("helping_tasks", "zh")]  # what every run of the suite walks
MARKUP = re.compile(r"\*\*|[`*_\\]")
LOOKS = (("light", 1280, 900), ("dark", 1920, 1080))
LINES = """(names) => [...document.querySelectorAll('.live-plot')].some(
  (plot) => names.every((name) => plot.data?.some((line) => line.name === name)))"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    every = list(product(LESSONS, LANGUAGES))
    metafunc.parametrize(("name", "spoken"), every if metafunc.config.getoption("--walks") else ALWAYS)


@pytest.fixture(scope="module")
def learners(chromium):
    """A browser for each language, opened when it is asked for. It keeps its learner from lesson to lesson. A second try has another learner."""
    opened = {}

    def browser(spoken, is_second):
        if (spoken, is_second) not in opened:
            opened[spoken, is_second] = new_window(chromium, locale=LOCALES[spoken])
        return opened[spoken, is_second]

    yield browser
    for context in opened.values():
        context.close()


@pytest.fixture
def tab(learners, spoken, request):
    """A tab of the language's browser. A JavaScript error or a traceback on screen fails the test."""
    tab, errors = learners(spoken, is_second_try(request)).new_page(), []
    tab.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    tracebacks = tab.get_by_text("Traceback (most recent call last)").count()
    tab.close()
    assert (errors, tracebacks) == ([], 0)


def test_a_lesson_is_walked(tab, server, name, spoken, request):
    lesson: Lesson = LESSONS.load(name)()
    with speaking(spoken):
        text, began = lesson.text(), time.perf_counter()
        tab.goto(f"{server.url}/learn?lesson={name}")
        expect(tab.get_by_role("heading", name=text.title, exact=True)).to_be_visible()
        for paragraph in text.words:
            expect(tab.get_by_text(MARKUP.sub("", paragraph.partition("**")[0] or paragraph)[:25]).first).to_be_visible()
        tab.get_by_role("button", name=tr("Train"), exact=True).click()
        again = tab.get_by_role("button", name=tr("Train again"))
        expect(again).to_be_enabled()
        change(tab, lesson)
        again.click()
        tab.get_by_role("button", name=tr("Check")).wait_for()
        came_out, trained = what_came_out(open_store(server.home), name, lesson)
        if len(lesson.configs(lesson.control.proposed)) == 1:  # lines of a lesson with several runs are named after seeds
            tab.wait_for_function(LINES, arg=[value_in_words(lesson, value) for value in (lesson.control.first, lesson.control.proposed)])

        wrong = next(key for key in text.answers if key != came_out.key)
        said = text.sentence(came_out)
        corrected = tr("**Not in these runs.** The right choice is “{answers}”. {said}", answers=text.answers[came_out.key], said=said)
        expect(answered(tab, text.answers[wrong])).to_contain_text(MARKUP.sub("", corrected))
        right = MARKUP.sub("", tr("**Right.** {said}", said=said))
        expect(answered(tab, text.answers[came_out.key])).to_contain_text(right)
        took = time.perf_counter() - began
        tab.reload()
        expect(tab.get_by_test_id("stAlert")).to_contain_text(right)
        check_accessibility(tab)
    if folder := request.config.getoption("--walks"):
        record(tab, Path(folder), f"{name}-{spoken}", f"| `{name}` | {spoken} | {trained[0]:.1f} | {trained[1]:.1f} | {took:.0f} | {said} |\n")


def change(tab: Page, lesson: Lesson) -> None:
    """Choose something else, then the proposed value. A lesson with one choice only says it."""
    values, proposed = lesson.control.values, lesson.control.proposed
    other = next((value for value in values if value not in (proposed, lesson.control.first)), None)
    if not lesson.text().choices:
        slider = tab.get_by_role("slider", name=lesson.text().control)
        place = values.index(proposed)
        for key, value in (("ArrowLeft", values[place - 1]), ("ArrowRight", proposed)):  # a key is lost where the page is drawn anew at this moment
            act_until(tab, partial(slider.press, key), lambda value=value: slider.get_attribute("aria-valuetext") == str(value))
    elif other is not None:
        for value in (other, proposed):
            tab.get_by_role("radiogroup").first.get_by_text(value_in_words(lesson, value), exact=True).click()
            expect(tab.get_by_role("radio", name=value_in_words(lesson, value), exact=True)).to_be_checked()


def answered(tab: Page, choice: str) -> Locator:
    """Choose an answer and have it checked. Gives what the page says to it."""
    tab.get_by_role("radiogroup").last.get_by_text(choice, exact=True).click()
    expect(tab.get_by_role("radio", name=choice, exact=True)).to_be_checked()
    tab.get_by_role("button", name=tr("Check")).click()
    return tab.get_by_test_id("stAlert")


def what_came_out(store: RunStore, name: str, lesson: Lesson):
    """The outcome of the newest trainings of a lesson, and the seconds of both."""
    runs = [run for run in store.several([each.id for each in store.runs()]) if (lesson_of(run.tags) or ("",))[0] == name]
    newest = max(runs, key=lambda run: run.created_at)
    found = trainings(name, lesson, [run for run in runs if set(newest.tags[1:]) <= set(run.tags)])
    first, second = found[lesson.control.first], found[lesson.control.proposed]
    return outcome(store, lesson, first, second), [sum(run.seconds for run in group) for group in (first, second)]


def record(tab: Page, folder: Path, name: str, row: str) -> None:
    """Add a row to the table, and take pictures of the lesson: light and narrow, dark and wide."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "walks.md"
    if not table.exists():
        table.write_text("| lesson | language | first training, s | second, s | whole walk, s | what it says |\n|---|---|---|---|---|---|\n")
    with table.open("a") as lines:
        lines.write(row)
    for scheme, width, height in LOOKS:
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size({"width": width, "height": height})
        tab.wait_for_timeout(1500)  # until the charts are drawn anew
        tab.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
