"""Formatting of numbers, times, units, states and user text for the screen."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, takewhile
from typing import Any, Literal, cast

from mtl_core import scalar_words
from mtl_core.data.dataset import SHARE
from mtl_core.language import HalfUp, mark, tr

ONE_SEED = mark("These values are from one seed. Another seed gives other values, so a small difference proves nothing.")
BadgeColour = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray", "grey", "primary"]
STATUS_LOOK: dict[str, tuple[BadgeColour, str]] = {  # status -> (colour of the badge, icon)
    mark("queued"): ("gray", ":material/hourglass_empty:"),
    mark("running"): ("blue", ":material/play_arrow:"),
    mark("pausing"): ("orange", ":material/pause:"),
    mark("paused"): ("orange", ":material/pause:"),
    mark("stopping"): ("orange", ":material/stop:"),
    mark("stopped"): ("gray", ":material/stop:"),
    mark("finished"): ("green", ":material/check:"),
    mark("failed"): ("red", ":material/error:"),
    mark("interrupted"): ("orange", ":material/power_off:"),
}


def text_of(texts: Mapping[Any, str]) -> Callable[[Any], str]:
    """For ``format_func``: the text of a choice."""
    return cast("Callable[[Any], str]", texts.get)  # Streamlit also asks for choices that are gone, which have none


def translated(texts: Mapping[Any, str]) -> Callable[[Any], str]:
    """For ``format_func``: the text of a choice in the reader's language."""

    def told(choice: Any) -> str | None:
        text = texts.get(choice)
        return None if text is None else tr(text)

    return cast("Callable[[Any], str]", told)


def duration(seconds: float | None) -> str:
    """``under 1 s``, ``8 s``, ``1 min 5 s``, ``2 h 3 min``; a dash for an unknown time."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if 0 < seconds < 1:
        return tr("under 1 s")
    seconds = max(0, round(seconds))
    if seconds < 60:
        return tr("{seconds} s", seconds=seconds)
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return tr("{minutes} min {rest} s", minutes=minutes, rest=rest) if rest else tr("{minutes} min", minutes=minutes)
    return tr("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)


def epochs(count: float) -> str:
    """Epochs trained, in part or whole: ``0.333``, ``2.5``, ``40``, ``1,834``."""
    return f"{HalfUp(count):.3g}" if count < 100 else f"{count:,.0f}"


def about(seconds: float) -> str:
    """An estimated time, rounded: ``under a minute``, ``about 3 min``, ``about 30 min``, ``about 2 h``, ``about 3 days``."""
    if seconds < 55:
        return tr("under a minute")
    minutes = seconds / 60
    if minutes < 9.5:
        return tr("about {minutes} min", minutes=max(1, round(minutes)))
    if minutes < 57.5:
        return tr("about {minutes} min", minutes=5 * max(2, round(minutes / 5)))
    hours = minutes / 60
    if hours < 9.75:
        halves = max(2, round(2 * hours))
        return tr("about {hours} h 30 min", hours=halves // 2) if halves % 2 else tr("about {hours} h", hours=halves // 2)
    return tr("about {hours} h", hours=round(hours)) if hours < 47.5 else tr("about {days} days", days=round(hours / 24))


def moment(seconds: float, pattern: str = mark("%d %b %H:%M")) -> str:
    """A time (seconds since 1970) on this machine's clock. ``pattern``: English, as for ``strftime``."""
    return datetime.fromtimestamp(seconds).strftime(tr(pattern))


def count(number: float) -> str:
    """``950``, ``12.3 k``, ``11.2 M``, ``5.2 G``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{HalfUp(number / size):.3g} {letter}"
    return f"{number:.0f}"


def size(number: float) -> str:
    """Bytes in decimal units: ``740 MB``, ``6.1 GB``."""
    for one, letter in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if abs(number) >= one:
            return f"{number / one:.3g} {letter}" if number < 999.5 * one else f"{number / one:,.0f} {letter}"
    return f"{number / 1e3:.0f} kB"


def measured(value: float | None, unit: str = "") -> str:
    """A metric's value to three digits, with its unit; a dash for none. A share stays a plain number."""
    if value is None or not math.isfinite(value):
        return "–"
    text = scalar_words.measured(value)
    return f"{text} {tr(unit)}" if unit and unit != SHARE else text


def three_digits(value: float | None) -> str:
    """A time or a cost to three digits, without zeros at its end; a dash for none."""
    return "–" if value is None or not math.isfinite(value) else scalar_words.to_digits(value, 3)


def with_unit(title: str, unit: str) -> str:
    """A title that names its unit, such as ``Mean absolute error, in degrees``, in the reader's language."""
    return tr(title) + unit_words(unit)


def unit_words(unit: str) -> str:
    """The end of a title that names its unit (see ``in_unit``), in the reader's language."""
    if not unit:
        return ""
    return tr(", as a share (0 to 1)") if unit == SHARE else tr(", in {unit}", unit=tr(unit))


def how_far(epoch: float) -> str:
    """Progress of a run in words: ``before the first step``, ``in epoch 5``, ``after epoch 5``."""
    if epoch <= 0:
        return tr("before the first step")
    return tr("after epoch {epoch:.0f}", epoch=epoch) if abs(epoch - round(epoch)) < 1e-6 else tr("in epoch {epoch}", epoch=int(epoch) + 1)


def better(higher_is_better: bool | None) -> str:
    """An arrow to the better values; empty where neither is better."""
    arrows: dict[bool | None, str] = {True: "↑", False: "↓"}
    return arrows.get(higher_is_better, "")


def in_line(run) -> str:
    """A queued run's place in the queue, as a sentence."""
    place = run.queue_position
    if place is None or place == 1:
        return tr("Next in the queue: the run starts as soon as its device is free.")
    return tr("Number {place} in the queue.", place=place)


def time_left(run) -> str:
    """The estimated time left of an active run, or its current activity where that is not training."""
    status = str(run.status)
    if status in ("stopping", "pausing"):
        return tr("saving the state") if run.info else tr(status)
    if status == "paused":
        return tr("paused")
    if not run.info:
        return tr("preparing")
    if run.steps_total and run.step >= run.steps_total:
        return tr("measuring on the test images")
    return tr("{about} left (estimate)", about=about(run.eta_seconds)) if run.eta_seconds is not None else tr("time left: measuring")


def plain(text: str) -> str:
    """User text with Markdown characters escaped."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!:$|<>~])", r"\\\1", text)


def capitalised(text: str) -> str:
    """Text that begins a sentence."""
    return f"{text[:1].upper()}{text[1:]}"


def shortened(text: str, longest: int) -> str:
    """Text of at most ``longest`` characters, with an ellipsis where it was cut."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def shortened_inside(text: str, longest: int) -> str:
    """Text of at most ``longest`` characters, with an ellipsis in its middle where it was cut: names that begin alike mostly differ at their end.

    A Chinese character counts as two, because it is as wide as two letters.
    """
    if breadth(text) <= longest:
        return text
    end = (longest - 1) // 2
    tail = _beginning(text[::-1], end)[::-1]
    return f"{_beginning(text, longest - 1 - end).rstrip()}…{tail.lstrip()}"


def with_whole(short: str, whole: str) -> str:
    """The text of a choice in a box: short, and behind it the whole name where that was cut, so that any part of it can be typed to find it.

    The closed box is a field, which shows every space, so that it shows the short text alone. Its list shows several spaces as one.
    """
    return short if whole in short else f"{short}{' ' * 40}·  {whole}"


def breadth(text: str) -> int:
    """Its letters; a Chinese character counts as two."""
    return sum(map(_breadth, text))


def _breadth(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _beginning(text: str, breadth: int) -> str:
    """The longest beginning that is no broader."""
    places = takewhile(lambda end: end <= breadth, accumulate(map(_breadth, text)))
    return text[: sum(1 for _ in places)]


def names_that_fit(names: Sequence[str], letters: int) -> str:
    """All names if they have at most so many letters, else the first ones and the number of the others."""
    more = ""
    for shown in range(len(names), 0, -1):
        text, more = ", ".join(names[:shown]), tr(" and {more} more", more=len(names) - shown) if shown < len(names) else ""
        if len(text) + len(more) <= letters:
            return text + more
    return shortened("".join(names[:1]), letters - len(more)) + more
