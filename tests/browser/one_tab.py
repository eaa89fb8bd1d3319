"""Another page in the same tab, as the browser's Back button brings it: the frontend stays, so a page costs a third of one that is opened anew."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Page

TITLES = "() => [...document.querySelectorAll('h1')].map((title) => title.textContent).join()"
BETWEEN = ("/race?race=none", "/studies")  # pages with little on them: the first only says that there is no such race
GO = "(address) => { history.pushState({}, '', address); dispatchEvent(new PopStateEvent('popstate', { state: {} })); }"
# The page of another title stands there, drawn to its end, and nothing is left of the page before.
DRAWN = f"""(before) => {{
  const titles = ({TITLES})();
  return titles && titles !== before && !document.querySelector("[data-stale=true]")
    && document.querySelector("[data-testid=stApp]").getAttribute("data-test-script-state") === "notRunning";
}}"""


def go(tab: Page, address: str) -> None:
    """Show a page, and wait until it is drawn to its end and nothing is left of the page before. The first page of a tab is opened as usual.

    One page with other parameters (another run, another view) keeps its elements, and nobody could tell the old from the new. So the page that has
    the least on it is shown in between.
    """
    if tab.url == "about:blank":
        _show(tab, "", lambda: tab.goto(address))
        return
    if _path(tab.url) == _path(address):
        _go(tab, urljoin(address, next(other for other in BETWEEN if _path(other) != _path(address))))
    _go(tab, address)


def _path(address: str) -> str:
    return urlsplit(address).path.strip("/")


def _go(tab: Page, address: str) -> None:
    _show(tab, tab.evaluate(TITLES), lambda: tab.evaluate(GO, address))


def _show(tab: Page, before: str, act: Callable[[], object]) -> None:
    act()
    tab.wait_for_function(DRAWN, arg=before)
