"""Another page in the same tab, as the browser's Back button brings it: the frontend stays, so a page costs a third of one that is opened anew."""

from __future__ import annotations

from playwright.sync_api import Page

TITLES = "() => [...document.querySelectorAll('h1')].map((title) => title.textContent).join()"
GO = "(address) => { history.pushState({}, '', address); dispatchEvent(new PopStateEvent('popstate', { state: {} })); }"
# The page of another title stands there, drawn to its end, and nothing is left of the page before.
DRAWN = f"""(before) => {{
  const titles = ({TITLES})();
  return titles && titles !== before && !document.querySelector("[data-stale=true]")
    && document.querySelector("[data-testid=stApp]").getAttribute("data-test-script-state") === "notRunning";
}}"""


def go(tab: Page, address: str) -> None:
    """Show a page whose title is not that of the page before, and wait until it is drawn. The first page of a tab is opened as usual."""
    before = tab.evaluate(TITLES)
    if tab.url == "about:blank":
        tab.goto(address)
    else:
        tab.evaluate(GO, address)
    tab.wait_for_function(DRAWN, arg=before)
