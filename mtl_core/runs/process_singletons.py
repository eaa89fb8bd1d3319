"""Singletons of the process that survive a reload of our modules.

Streamlit drops all our modules from ``sys.modules`` when one of their files is saved, and the next page run imports them again. A
module-level variable would then exist twice. Threads, locks and database connections must exist once, so they are in a module without a
file, which Streamlit neither watches nor drops. Only plain data and objects of other libraries may be stored there.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_NAME = "_mtl_core_process"


def process_slot(name: str) -> dict[Any, Any]:
    """The process-wide dict called ``name``; empty at first."""
    module = sys.modules.setdefault(_NAME, ModuleType(_NAME))
    return module.__dict__.setdefault(name, {})
