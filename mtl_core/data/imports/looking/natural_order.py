"""Natural order of names."""

from __future__ import annotations

import re


def natural(names: list[str]) -> list[str]:
    """Names in natural order: frame_2 before frame_10."""
    return sorted(
        names, key=lambda name: [(0, int(p), "") if p.isascii() and p.isdigit() and len(p) < 300 else (1, 0, p) for p in re.split(r"(\d+)", name)]
    )
