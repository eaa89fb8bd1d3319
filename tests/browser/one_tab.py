"""Another page in the same tab, as the browser's Back button brings it: the frontend stays, so a page costs a third of one that is opened anew."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Page

PATIENCE = 120_000  # milliseconds; a bound for slow machines, not a claim
TITLES = "() => [...document.querySelectorAll('h1')].map((title) => title.textContent).join()"
BETWEEN = ("/race?race=none", "/studies", "/data?new=1")  # pages with little on them: the first only says that there is no such race
GO = "(address) => { history.pushState({}, '', address); dispatchEvent(new PopStateEvent('popstate', { state: {} })); }"
OTHER_TITLE = f"(before) => {{ const titles = ({TITLES})(); return titles && titles !== before; }}"
# The page of another title stands there, drawn to its end, and nothing is left of the page before.
DRAWN = f"""(before) => {{
  return ({OTHER_TITLE})(before) && !document.querySelector("[data-stale=true]")
    && document.querySelector("[data-testid=stApp]").getAttribute("data-test-script-state") === "notRunning";
}}"""


def go(tab: Page, address: str, *, is_live: bool = False) -> None:
    """Show a page, and wait until it is drawn to its end and nothing is left of the page before. The first page of a tab is opened as usual.

    One page with other parameters (another run, another view) keeps its elements, and nobody could tell the old from the new. So the page that has
    the least on it is shown in between.

    Args:
        is_live: whether the page refreshes so often that, on a busy machine, it is never seen at rest. Then only its title is waited for, and nothing
            is left of another page, because of the page in between.
    """
    wanted = OTHER_TITLE if is_live else DRAWN
    if tab.url == "about:blank":
        tab.goto(address)
        tab.wait_for_function(wanted, arg="")
        return
    if is_live or _path(tab.url) == _path(address):
        _go(tab, urljoin(address, next(other for other in BETWEEN if _path(other) not in (_path(tab.url), _path(address)))), DRAWN)
    _go(tab, address, wanted)


def _path(address: str) -> str:
    return urlsplit(address).path.strip("/")


def _go(tab: Page, address: str, wanted: str) -> None:
    """The other page, as the Back button asks for it, once. If the old page comes back to stay, the test fails: see ``keep_asked_page``."""
    arrived = f"([before, path]) => location.pathname === path && ({wanted})(before)"
    given = [tab.evaluate(TITLES), "/" + _path(address)]
    tab.evaluate(GO, address)
    tab.wait_for_function(arrived, arg=given, timeout=PATIENCE)
