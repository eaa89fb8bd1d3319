"""Faint words have a contrast of 4.5 (WCAG 2.2, 1.4.3) on every background of both themes."""

import re
import tomllib
from pathlib import Path

import pytest

from mtl_core.figures.colours import luminance

ROOT = Path(__file__).parents[2]
THEMES = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
FILES = [
    path for folder in ("ui", "mtl_core", "pages") for path in sorted((ROOT / folder).rglob("*.*")) if path.suffix in (".py", ".js", ".css", ".html")
]
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FILES if ".min." not in path.name}
# A rule and what it may fade: no words, or words of what cannot be used, which WCAG leaves out.
NO_WORDS = (".notify:disabled", ".gradient-plotter .axis", ".gradient-plotter .cone")
RULE = re.compile(r"([^{}]+?)\s*\{+([^{}]*)\}")


def parts(colour):
    return bytes.fromhex(colour[1:] if len(colour) == 7 else colour[1:] * 2)


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(one, other, share):
    return [share * first + (1 - share) * second for first, second in zip(one, other, strict=True)]


def rules():
    """(file, selector, declarations) of the CSS in style sheets and in Python."""
    texts = {name: re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL) for name, text in SOURCES.items() if name.endswith(("css", "styles.py"))}
    return [(name, " ".join(selector.split()), body) for name, text in texts.items() for selector, body in RULE.findall(text)]


def test_no_opacity_fades_words():
    """It multiplies with that of the elements around, and fades the colours beside the words."""
    faded = [(name, selector) for name, selector, body in rules() if re.search(r"(?<![\w-])opacity:\s*0?\.", body) and selector not in NO_WORDS]
    assert faded == []
    inline = [name for name, text in SOURCES.items() if re.search(r"""style=\\?["'][^"'>]*opacity""", text)]
    assert inline == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("background", ["backgroundColor", "secondaryBackgroundColor"])
def test_words_that_are_mixed_with_the_background_can_be_read(theme, background):
    colours = THEMES[theme]
    ground, text, primary = (parts(colours[name]) for name in (background, "textColor", "primaryColor"))
    assert contrast(parts(colours["grayTextColor"]), ground) >= 4.5
    seen = 0
    for name, selector, body in rules():
        for declared in re.findall(r"(?:^|[;\s{])(?:color|--faint):\s*([^;]+)", body):
            if found := re.search(r"color-mix\(in srgb, (?:currentColor|var\(--st-text-color\)) (\d+)%, transparent\)", declared):
                colour = mixed(text, ground, int(found[1]) / 100)
            elif found := re.search(r"color-mix\(in srgb, (?:#2474AD|var\(--st-primary-color\)) (\d+)%", declared):
                colour = mixed(primary if "primary" in declared else parts("#2474AD"), text, int(found[1]) / 100)
            elif "primary-color" in declared:
                colour = primary
            else:
                continue
            seen += 1
            assert contrast(colour, ground) >= 4.5, (name, selector, declared)
    assert seen >= 9


def test_words_of_saved_pages_can_be_read():
    css = SOURCES["mtl_core/html_pages/page.css"]
    sets = [dict(re.findall(r"--(\w+):(#\w+)", block)) for block in re.findall(r":root\{[^}]*\}", css)]
    assert len(sets) == 3
    for colours in sets:
        for word in ("ink", "faint"):
            for ground in ("ground", "box"):
                assert contrast(parts(colours[word]), parts(colours[ground])) >= 4.5, (word, ground, colours)


def test_words_of_charts_have_the_colour_of_the_text():
    """Except in the cells of a heat map (``textfont``), which stand on a colour."""
    own = re.compile(r"""(?<![a-z])["']?font["']?\s*[:=]\s*\{[^{}]*["']color["']:\s*["']#\w+""")
    assert [name for name, text in SOURCES.items() if own.search(text)] == []
