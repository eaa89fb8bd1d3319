"""The browser's Back button opens the page before under its own address."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.one_tab import DRAWN

pytestmark = pytest.mark.browser


def test_back_from_a_run_to_the_form(new_tab, server, every_kind):
    page = new_tab
    page.goto(f"{server.url}/")
    form = page.get_by_role("heading", name="Train several tasks in one network")
    expect(form).to_be_visible()
    page.get_by_role("link", name="Run", exact=True).click()
    page.wait_for_url("**/run?run=*")
    page.wait_for_function(DRAWN, arg="Train several tasks in one network")
    page.go_back()
    expect(form).to_be_visible()
    page.wait_for_url(f"{server.url}/")
