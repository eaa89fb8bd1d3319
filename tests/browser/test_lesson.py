"""A lesson walked for real: trained, changed, trained again, answered, and found again after a reload."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from mtl_core.lessons.lesson_runs import new_class, runs_tagged
from mtl_core.runs.store import open_store
from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import new_window
from tests.browser.one_tab import go

pytestmark = pytest.mark.browser


# What is cut of the table of a lesson with six columns and a long name: the names of elements that are wider than their room.
NOT_WHOLE = """() => {
  const own = document.querySelector('.st-key-beside table'), table = own.cloneNode(true);
  for (const row of table.rows) {
    while (row.cells.length < 6) row.append(row.cells[1].cloneNode(true));
    row.cells[0].textContent = 'In which order were its pieces?';
  }
  own.after(table);
  const cut = [table.parentElement, ...table.querySelectorAll('td, th')].filter((each) => each.scrollWidth > each.clientWidth);
  table.remove();
  return cut.map((each) => each.tagName);
}"""


def test_a_lesson_is_walked_and_found_again(page, server):
    go(page, f"{server.url}/learn")
    page.get_by_role("link", name="1. One network for one task").click()
    expect(page.get_by_role("heading", name="One network for one task")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text(re.compile(r"Trained\s+in (under )?\d")).first.wait_for()
    page.get_by_text("5 passes", exact=True).click()
    page.get_by_role("button", name="Train again").click()
    page.get_by_text("It rose clearly").wait_for()  # and there is only one
    page.wait_for_function("""() => document.querySelector('.live-plot').data?.map((trace) => trace.name).join() === '2 passes,5 passes'""")
    page.get_by_text("It fell clearly").click()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("Not in these runs.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Not in these runs.")).to_be_visible()
    page.get_by_text("It rose clearly", exact=True).click()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("Right.")).to_be_visible()
    check_accessibility(page)
    assert page.evaluate(NOT_WHOLE) == []
    page.get_by_role("link", name="Next lesson").click()
    expect(page.get_by_role("heading", name="A task that helps another")).to_be_visible()
    page.wait_for_function("() => document.querySelector('[data-testid=stMain]').scrollTop === 0")  # it opens at its top


def test_two_browsers_of_one_name_are_two_on_the_board(new_tab, server, chromium):
    course = new_class()
    address = f"{server.url}/learn?lesson=one_task&class={course}&seed=1&hide=text"
    other = new_window(chromium)
    try:
        for learner in (other.new_page(), new_tab):
            learner.goto(address)
            learner.get_by_role("textbox", name="Your name").fill("Ann <i>")
            learner.keyboard.press("Enter")
            learner.get_by_role("button", name="Train", exact=True).click()
            learner.get_by_role("button", name="Train", exact=True).wait_for(state="detached")
        board = new_tab
        go(board, f"{address}&board=1&large=1")
        for name in ("Ann <i>", "Ann <i> (2)"):
            expect(board.get_by_text(name, exact=True).first).to_be_visible()
        expect(board.get_by_text("waiting: 0")).to_be_visible()
        check_accessibility(board)
        assert len(runs_tagged(open_store(server.home), course)) == 2
    finally:
        other.close()
