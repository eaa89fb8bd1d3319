"""The program of the process that prepares a composed source: see ``preparation_process.py``.

python -m mtl_core.data.preparation_program CACHE < DESCRIPTION
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from mtl_core.data.data_source import DataSource
from mtl_core.data.prepare import prepare_here


def main() -> None:
    """Prepare the source that standard input describes in the folder that the command names, and print the progress."""
    prepare_here(_source(json.loads(sys.stdin.read())), Path(sys.argv[1]), _tell)


def _source(description: dict[str, Any]) -> DataSource:
    source_class = getattr(import_module(description["module"]), description["class"])
    return source_class(source_class.Options(**description["options"]))


def _tell(share: float, what: str) -> None:
    print(json.dumps([share, what]), flush=True)  # raises where nobody listens any more, which ends the preparation


if __name__ == "__main__":
    main()
