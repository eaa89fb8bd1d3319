"""Sliders and boxes of our own components in both themes.

Chromium draws a control whose colour stands out too little from its face on the other theme's face, which made white sliders on the dark page.
Measured in Chromium 156: the faces are #EFEFEF and #3B3B3B, and the contrast that it asks for is 3.
"""

import re
import tomllib
from pathlib import Path

import pytest

from ui.shell.styles import CSS

ROOT = Path(__file__).parents[2]
FACES = {"light": "#EFEFEF", "dark": "#3B3B3B"}
LEAST = 3.0
RULE = re.compile(r"accent-color:\s*([^;]+);")
MIX = re.compile(r"color-mix\(in srgb, var\(--st-primary-color\) (\d+)%, var\(--st-text-color\)\)")


def parts(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def brightness(colour: list[float]) -> float:
    """The relative luminance of WCAG 2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: list[float], other: list[float]) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", FACES)
def test_no_control_is_drawn_on_the_face_of_the_other_theme(theme):
    colours = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][theme]
    first, second = parts(colours["primaryColor"]), parts(colours["textColor"])
    found = {path: RULE.findall(path.read_text()) for path in (ROOT / "ui").rglob("*.css")}
    assert any(found.values())
    for path, rules in found.items():
        for rule in rules:
            share = int(MIX.fullmatch(rule.strip())[1]) / 100
            mixed = [share * one + (1 - share) * other for one, other in zip(first, second, strict=True)]
            assert contrast(mixed, parts(FACES[theme])) >= LEAST, path.name


@pytest.mark.parametrize("theme", FACES)
def test_a_flat_button_can_be_read_while_its_list_is_open(theme):
    colours = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][theme]
    [(states, accent, share)] = re.findall(
        r'button\[kind="tertiary"\](\S+ \S+ \S+) \{\s*color: color-mix\(in srgb, (#\w{6}) (\d+)%, [^;]*\) !important;', CSS
    )
    assert all(state in states for state in (":hover", ":active", '[aria-expanded="true"]'))
    mixed = [int(share) / 100 * one + (1 - int(share) / 100) * other for one, other in zip(parts(accent), parts(colours["textColor"]), strict=True)]
    assert contrast(mixed, parts(colours["backgroundColor"])) >= 4.5


def test_the_primary_colour_alone_would_not_do():
    dark = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]["dark"]
    assert contrast(parts(dark["primaryColor"]), parts(FACES["dark"])) < LEAST
