"""How much of the network tasks share: the dial is moved and the drawing follows, and runs show their stitches and gates."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from mtl_core.config import RunConfig
from tests.browser.accessibility import check_accessibility
from tests.browser.one_tab import go
from tests.browser.persistence import GIVES_UP, act_until

pytestmark = pytest.mark.browser

PATIENCE = 600_000  # milliseconds; a bound for slow machines, not a claim
DRAWN = "words => document.querySelector('.network img')?.alt.includes(words)"
RUN = {"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {}}, "backbone": {"name": "mlp"}, "epochs": 2, "batch_size": 256, "device": "cpu"}


def test_the_dial_changes_the_drawing_and_runs_show_stitches_and_gates(page, server, train):
    runs = {scheme: train(RunConfig.from_dict({**RUN, "sharing": {"name": scheme}})) for scheme in ("cross_stitch", "mmoe")}
    shared = train(RunConfig.from_dict({**RUN, "epochs": 1}))
    go(page, f"{server.url}/?clone={shared.id}")  # the form with its settings
    page.wait_for_function(DRAWN, arg="layers.3: used by all tasks", timeout=PATIENCE)
    page.get_by_text("Advanced: optimizer").click()
    sharing, branched = page.get_by_role("combobox", name="Sharing"), page.get_by_role("option", name="Branched").first

    def choose():  # a refresh of the page closes the list
        sharing.click(timeout=GIVES_UP)
        branched.click(timeout=GIVES_UP / 5)

    act_until(page, choose, lambda: page.evaluate(DRAWN, "layers.3 of digit: used by digit"))
    assert page.evaluate(DRAWN, "layers.1: used by all tasks")
    dial = page.get_by_role("spinbutton", name="Shared stages")
    dial.fill("0")
    dial.press("Enter")
    page.wait_for_function(DRAWN, arg="layers.1 of digit: used by digit", timeout=PATIENCE)

    for scheme, title, matrices in (("cross_stitch", "Stitch after layers.1", 2), ("mmoe", "Mean gate weight", 1)):
        go(page, f"{server.url}/run?run={runs[scheme].id}")
        panel = page.locator(".st-key-sharing_learnt")
        expect(panel.get_by_text(title)).to_be_visible()
        panel.scroll_into_view_if_needed()
        expect(panel.locator(".js-plotly-plot")).to_have_count(matrices)
        expect(panel.get_by_role("slider")).to_have_count(1)
    check_accessibility(page)
