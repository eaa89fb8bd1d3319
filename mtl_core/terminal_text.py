"""Text that a terminal shows and never obeys."""

from __future__ import annotations

import re

# What a terminal acts on instead of showing it: control characters except tab and line end, and marks that turn the writing around.
ACTED_ON = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str, one_line: bool = False) -> str:
    """Text whose control characters are written out (``\\x1b``): names from outside must not command the terminal.

    Args:
        one_line: line ends and tabs become spaces, too, so that a name cannot look like another line.
    """
    text = " ".join(text.split()) if one_line else text.replace("\r\n", "\n")
    return ACTED_ON.sub(lambda found: ascii(found[0])[1:-1], text)
