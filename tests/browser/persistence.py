"""What a person does on a page that moves: look again, and act again where nothing came of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Error, Page

PATIENCE = 600_000  # milliseconds; a bound for slow machines, not a claim
GIVES_UP = 15_000  # milliseconds after which nothing has come of an action
MOMENT = 500  # milliseconds after which an action that could not be done is tried again
# Resolves once the boxes of what a selector names have stayed where they are for so many frames and a quarter of a second.
STILL = """async ([selector, frames]) => {
  const places = () => JSON.stringify([...document.querySelectorAll(selector)].map((each) => each.getBoundingClientRect()));
  for (let before = "", same = 0; same < frames; ) {
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 250 / frames)));
    const now = places();
    same = now === before ? same + 1 : 0;
    before = now;
  }
}"""


def wait_until(page: Page, holds: Callable[[], object], patience: int = PATIENCE) -> bool:
    """Look ten times a second, while the browser goes on; False where it did not come to that."""
    for _ in range(patience // 100):
        if holds():
            return True
        page.wait_for_timeout(100)
    return False


def act_until(page: Page, act: Callable[[], object], holds: Callable[[], object]) -> None:
    """Act until something comes of it: a page that is drawn anew at this moment may move away from under the mouse.

    The action may be done twice without harm, as a click that opens or chooses.
    """
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        patience = GIVES_UP
        try:
            act()
        except Error:  # what is to be clicked may be gone, because the click before has worked after all
            patience = MOMENT
        if wait_until(page, holds, patience):
            return
    raise AssertionError("it was done again and again, and nothing came of it")


def wait_for_stillness(page: Page, selector: str) -> None:
    """Wait until nothing that a CSS selector names moves or grows."""
    page.evaluate(STILL, [selector, 10])
