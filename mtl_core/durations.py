"""Durations in words, for the log and the command line."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A duration such as ``under 0.1 s``, ``8.4 s``, ``47 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if 0 < seconds < 0.1:
        return "under 0.1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
