"""Colours of tasks and runs, equal on every page.

The palette is Okabe and Ito's (https://jfly.uni-koeln.de/color/), distinguishable with every common colour blindness, without its yellow and
black, which cannot be read on white and on black. Runs have a grey in addition. Tasks have none, because grey means "no label", "shared" or
"before the fork" in charts of tasks. The colours from the seventh task on are far (CIELAB) from all others, for normal vision and for
protanopes, deuteranopes and tritanopes (simulated as in Machado et al. 2009, https://doi.org/10.1109/TVCG.2009.113), and can be read on
white and on black. The Learn page draws its tasks beside methods, which have the palette, and in thin lines: violet, olive and brown have a
contrast of 3 on the background of both themes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A")
TASK_PALETTE = (*PALETTE[:6], "#88AA55", "#8800EE", "#884422", "#664466", "#EE22FF", "#2244AA")
DRAWN_BY_HAND = ("#9944FF", "#889955", "#995522")
DASHES = ("solid", "dash", "dot", "dashdot")


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
