"""The words in the HTML of our own on a page, without their tags."""

from __future__ import annotations

import html
import re
from typing import Any


def html_words(app: Any) -> list[str]:
    """One text for each such element."""
    return [html.unescape(re.sub("<[^>]+>", "", str(each.proto.body))) for each in app.get("html")]
