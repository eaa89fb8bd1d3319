"""Numbers and states as people read them."""

from __future__ import annotations

import math
import re
from datetime import datetime

ONE_SEED = "One run with one seed: another seed gives other values, so a small difference proves nothing."
STATUS_LOOK = {  # status -> (colour of the badge, icon)
    "queued": ("gray", ":material/hourglass_empty:"),
    "running": ("blue", ":material/play_arrow:"),
    "pausing": ("orange", ":material/pause:"),
    "paused": ("orange", ":material/pause:"),
    "stopping": ("orange", ":material/stop:"),
    "stopped": ("gray", ":material/stop:"),
    "finished": ("green", ":material/check:"),
    "failed": ("red", ":material/error:"),
    "interrupted": ("orange", ":material/power_off:"),
}


def duration(seconds: float | None) -> str:
    """``8 s``, ``1 min 5 s``, ``2 h 3 min``; a dash when unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def about(seconds: float) -> str:
    """A time that is only estimated, as people say it: ``under a minute``, ``about 3 min``, ``about 30 min``, ``about 2 h``, ``about 3 days``."""
    if seconds < 55:
        return "under a minute"
    minutes = seconds / 60
    if minutes < 9.5:
        return f"about {max(1, round(minutes))} min"
    if minutes < 57.5:
        return f"about {5 * max(2, round(minutes / 5))} min"
    hours = minutes / 60
    if hours < 9.75:
        halves = max(2, round(2 * hours))
        return f"about {halves // 2} h{' 30 min' if halves % 2 else ''}"
    return f"about {round(hours)} h" if hours < 47.5 else f"about {round(hours / 24)} days"


def moment(seconds: float, pattern: str = "%d %b %H:%M") -> str:
    """A time (seconds since 1970) on this machine's clock."""
    return datetime.fromtimestamp(seconds).strftime(pattern)


def count(number: float) -> str:
    """``950``, ``12.3 k``, ``11.2 M``."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"


def measured(value: float | None, unit: str = "") -> str:
    """A metric's value to three digits, with its unit; a dash when there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.3f}" if 0.1 <= abs(value) < 10 else f"{value:.3g}"
    return f"{text} {unit}" if unit else text


def how_far(epoch: float) -> str:
    """How far a run is, in whole words: ``before the first step``, ``in epoch 5``, ``after epoch 5``."""
    if epoch <= 0:
        return "before the first step"
    return f"after epoch {epoch:.0f}" if abs(epoch - round(epoch)) < 1e-6 else f"in epoch {int(epoch) + 1}"


def better(higher_is_better: bool | None) -> str:
    """Which way is good; empty where neither is."""
    return {True: "↑", False: "↓"}.get(higher_is_better, "")


def in_line(run) -> str:
    """Where a queued run waits."""
    begun = f" It goes on {how_far(run.epoch)}." if run.step else ""
    place = run.queue_position
    if place is None or place == 1:
        return f"Next in line: it starts as soon as its device is free.{begun}"
    return f"Number {place} in line.{begun}"


def time_left(run) -> str:
    """What an active run does now where that is not steps, else the time to go, labelled as an estimate."""
    status = str(run.status)
    if status in ("stopping", "pausing"):
        return "saving the state" if run.info else status
    if status == "paused":
        return "paused"
    if not run.info:
        return "getting ready"
    if run.steps_total and run.step >= run.steps_total:
        return "measuring on the test images"
    return f"{about(run.eta_seconds)} left (estimate)" if run.eta_seconds is not None else "time left: measuring"


def plain(text: str) -> str:
    """A user's own words, safe where Streamlit reads Markdown."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!:$|<>~])", r"\\\1", text)


def shortened(text: str, longest: int) -> str:
    """At most so many characters, with an ellipsis where some are missing."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
