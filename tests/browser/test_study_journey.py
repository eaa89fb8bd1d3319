"""A study from its question to the table in a paper: set up, watched, read, a point of its front opened, its LaTeX taken away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mtl_core.config import RunConfig
from mtl_core.runs.store import open_store
from mtl_core.studies import study_actions
from mtl_core.studies.answer import answer_of
from mtl_core.studies.paper_table import to_latex
from tests.browser.accessibility import check_accessibility
from tests.browser.one_tab import go

pytestmark = pytest.mark.browser

BASE = {"name": "two tasks of digits", "data": {"name": "digits"}, "tasks": {"digit": {}, "slant": {}}, "backbone": {"name": "mlp"}, "epochs": 1}
BASE["update"] = {"name": "unhurried", "rest": 0.1}  # no run is over before the page was looked at
RUNS = 9  # equal weights, 1:2 and 2:1, with three seeds each


def choose(page: Page, box: str, option: str) -> None:
    page.get_by_role("combobox", name=box).click()
    page.get_by_role("option", name=option).first.click()


def start_from(page: Page, run_id: str) -> None:
    """Choose a run by its id, which its entry ends with. The list of runs is up to 5 s old, so the page is opened again until it has the run."""
    for _ in range(30):
        box = page.get_by_role("combobox", name="Settings to start from")
        box.fill(run_id)
        option = page.get_by_role("option", name=run_id)
        option.or_(page.get_by_text("No results")).first.wait_for()
        if option.count():
            option.click()
            return
        page.reload()
    raise AssertionError(f"the run {run_id} is not offered")


def fill(page: Page, label: str, value: int) -> None:
    field = page.get_by_role("spinbutton", name=label)
    field.fill(str(value))
    field.press("Enter")


def test_a_question_is_asked_watched_answered_and_taken_away(page, server, train, hurry):
    run = train(RunConfig.from_dict(BASE))
    go(page, f"{server.url}/studies")
    start_from(page, run.id)
    check_accessibility(page)
    choose(page, "Question", "Which loss weights?")
    fill(page, "Portions of weight", 3)
    fill(page, "Seeds", 3)
    page.get_by_role("button", name=f"Start the study of {RUNS} runs").click()
    page.wait_for_url("**/studies?study=*")
    expect(page.get_by_role("button", name="Stop all")).to_be_visible()  # it trains, and can be stopped
    hurry()
    expect(page.get_by_text(f"{RUNS} of {RUNS} runs have finished")).to_be_visible(timeout=600_000)
    expect(page.get_by_role("button", name="Stop all")).to_have_count(0)
    check_accessibility(page)

    store = open_store(server.home)
    answer = answer_of(store, study_actions.get(store, page.url.split("study=")[1].split("&")[0]))
    assert len(answer.lines) == 2 * 3  # two comparisons, each overall and for two tasks
    for line in answer.lines[:3]:  # of the comparison that is shown first
        badge = page.locator(".stMarkdownBadge", has_text=re.compile(f"{re.escape(str(line.verdict.word))}$"))
        expect(badge.first).to_be_visible()

    with page.expect_download() as taken:
        page.get_by_role("button", name="LaTeX").click()
    assert Path(taken.value.path()).read_text(encoding="utf-8") == to_latex(answer)

    page.get_by_role("button", name="Open its predictions").click()
    page.wait_for_url("**/predictions?*")
    shown = page.url.split("run=")[1].split("&")[0]
    assert shown in {run_id for (cell, _), run_id in answer.run_ids.items() if cell == next(iter(answer.front.points))}
    expect(page.get_by_role("img").first).to_be_visible()
