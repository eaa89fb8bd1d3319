"""Element keys made from names that users choose, such as a task's. They are safe in a CSS selector and in a component's id."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[a-z0-9-]+(_[a-z0-9-]+)*")  # Streamlit keeps these unchanged in the class name st-key-...; '__' is its own separator


def element_key(prefix: str, name: str) -> str:
    """``prefix_name``. A name with other characters than a-z, 0-9, '-' and single '_' is shortened and gets a checksum."""
    if _PLAIN.fullmatch(name):
        return f"{prefix}_{name}"
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{prefix}_{kept}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def component_key(key: str) -> str:
    """A valid component key without '__', which Streamlit uses as a separator and refuses in keys."""
    if "__" not in key:
        return key
    return f"{re.sub('_{2,}', '-', key)}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"
