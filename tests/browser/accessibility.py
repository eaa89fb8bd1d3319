"""Accessibility of a page that a journey has open: axe-core finds nothing serious, in the light and the dark theme."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
GRAVE = ("serious", "critical")
BACKGROUNDS = {"dark": "rgb(16, 21, 28)", "light": "rgb(255, 255, 255)"}
SCHEME = "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"
# Captions have the project's contrast once its styles are there; a page that is drawn anew may be without them for a moment.
STYLED = "() => [...document.querySelectorAll('[data-testid=stCaptionContainer]')].every((each) => getComputedStyle(each).opacity === '1')"
ALL = "({ type: 'tag', values: tags })"
# A theme changes colours and nothing else, so the rules that look at no colour look at one theme.
OF_COLOURS = "({ type: 'rule', values: axe.getRules(tags).filter((rule) => rule.tags.includes('cat.color')).map((rule) => rule.ruleId) })"
LOOK_AT = {"dark": OF_COLOURS, "light": ALL}
# What comes from Streamlit and cannot be changed with its theme or with CSS: (rule, part of the element) -> why.
OF_STREAMLIT = {
    ("aria-dialog-name", 'data-testid="stToast"'): "A toast names its title in aria-labelledby and draws no title.",
    ("scrollable-region-focusable", "<pre "): "st.code has no tabindex; browsers give a box that scrolls the focus by themselves.",
}
RUN = """async (tags) => (await axe.run(document, { runOnly: %s, resultTypes: ["violations"] })).violations.flatMap((found) => found.nodes.map(
  (node) => [found.id, found.impact, node.html.slice(0, 300), [...node.any, ...node.all, ...node.none].map((check) => check.message).join("; ")]))"""


@cache
def _axe() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def check_accessibility(page: Page) -> None:
    """Run axe-core on the page as it stands; its rules on colours in both themes.

    Nothing in it may move or fade (``new_window``): a colour on its way from one theme to the other is neither. The page changes its theme once,
    because that draws all of it anew: the theme that it has is looked at first, and it is left in the other one.
    """
    page.evaluate(_axe())
    found = []
    now = page.evaluate(SCHEME)
    for scheme in sorted(BACKGROUNDS, key=lambda scheme: scheme != now):
        page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType] - the keys are those that it takes
        page.wait_for_function("colour => getComputedStyle(document.querySelector('.stApp')).backgroundColor === colour", arg=BACKGROUNDS[scheme])
        page.wait_for_function(STYLED)
        for rule, impact, html, why in page.evaluate(RUN % LOOK_AT[scheme], RULES):
            if impact in GRAVE and not any(rule == known and part in html for known, part in OF_STREAMLIT):
                found.append(f"{scheme}: {rule}: {html}: {why}")
    assert not found, "\n".join(dict.fromkeys(found))
