"""Colours of tasks, runs and marks, equal on every page. This is the one place that names them.

Each has a contrast of at least 3 (WCAG 2.2, 1.4.11) on the page and on a panel of both themes, so its brightness lies between 0.145 and 0.273.
Within that, the twelve are as far apart as a search found (CIELAB), for normal vision and for protanopes, deuteranopes and tritanopes (simulated
as in Machado et al. 2009, https://doi.org/10.1109/TVCG.2009.113): the closest pair of the first seven is 16.9 apart, of all twelve 16.5. The first
three are Okabe and Ito's (https://jfly.uni-koeln.de/color/). None is grey: grey means "no label", "shared", "the baseline" or "before the fork".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

TASK_PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#DC0EBE",
    "#8A43DE",
    "#D5192F",
    "#FD3F71",
    "#4E7836",
    "#A500FF",
    "#8583EC",
    "#AC80AE",
    "#A74A7B",
)
PALETTE = TASK_PALETTE[:7]  # of runs
DRAWN_BY_HAND = TASK_PALETTE[7:10]  # of the Learn page's tasks, which are drawn beside methods in the runs' colours
GREY = "#8A8A8A"
RIGHT, MISSED, FALSE = "#009E73", "#D80040", "#B88000"  # of predictions beside their targets; the closest pair is 26 apart
DASHES = ("solid", "dash", "dot", "dashdot")


def ink_on(colour: Sequence[int]) -> tuple[int, int, int]:
    """Black or white, whichever has more contrast to a colour (red, green, blue in 0..255): at least 4.58. For words on it, and for its outline."""
    return (0, 0, 0) if luminance(colour) > 0.179 else (255, 255, 255)


def luminance(colour: Sequence[int]) -> float:
    """The relative luminance of WCAG 2, in 0..1."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (value / 255 for value in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def task_colours(tasks: Iterable[str]) -> dict[str, str]:
    """Colour of each task. ``tasks``: all tasks of the data set in order, chosen or not, so that a run with fewer tasks keeps the colours."""
    return {task: TASK_PALETTE[place % len(TASK_PALETTE)] for place, task in enumerate(dict.fromkeys(tasks))}


def run_styles(oldest_first: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(colour, dash) of each run by its age, so that a new run never changes the look of an older one.

    Runs that are ``len(PALETTE)`` apart share a colour and differ in their dash.
    """
    return {run: style_at(place) for place, run in enumerate(oldest_first)}


def style_at(place: int) -> tuple[str, str]:
    """(colour, dash) of the run before which there are ``place`` older ones."""
    return PALETTE[place % len(PALETTE)], DASHES[place // len(PALETTE) % len(DASHES)]
