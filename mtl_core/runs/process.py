"""Things that must exist once in a process, whatever happens to our modules.

Streamlit drops all our modules from ``sys.modules`` when one of their files is saved, and the next page run imports them anew. A
module-level variable would then exist twice. What must not (threads, locks, database connections) is kept in a module
that has no file, so that nobody watches or drops it. Keep only plain data and objects of other libraries there.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_NAME = "_mtl_core_process"


def process_slot(name: str) -> dict[str, Any]:
    """The one dict of this process called ``name``; empty at first."""
    module = sys.modules.setdefault(_NAME, ModuleType(_NAME))
    return module.__dict__.setdefault(name, {})
