"""Rules of the pages' CSS that belong together."""

import re

from ui.shell.styles import CSS

RULES = re.compile(r"([^{}]+)\{([^{}]*)\}")


def test_a_paragraph_loses_its_margin_only_together_with_its_container():
    """One without the other moves the text by 16 pixels from the buttons in its line."""
    css = re.sub(r"/\*.*?\*/", "", CSS, flags=re.DOTALL)
    without = [" ".join(place.split()) for place, rules in RULES.findall(css) if re.search(r"\bmargin(-bottom)?: 0;?", rules)]
    alone = [place for place in without if re.search(r"(?<![\w-])p$", place.split(",")[-1].strip()) or place.endswith(('Container"]',))]
    assert alone == []
    together = [place for place in without if all(part in place for part in (":is(p, ", "stMarkdownContainer", "stCaptionContainer"))]
    assert len(together) == 1
