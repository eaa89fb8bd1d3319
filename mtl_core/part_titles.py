"""Titles of parts, such as "PCGrad" for a method's name in a config, without an import of the part: most of them import PyTorch.

``part_titles.json`` holds the titles of this project's parts; ``python -m docs`` writes it from the parts themselves.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

from mtl_core.config_sections import DataConfig
from mtl_core.registry import Registry

FILE = Path(__file__).with_suffix(".json")


def part_title(sort: str, name: str, registry: Registry | None = None) -> str:
    """The title of a part; its name with spaces for a part that is not known, such as one of a package that is no longer installed.

    Args:
        sort: sort of part, as in ``mtl_core.catalogue.REGISTRIES``.
        registry: where a part of another package is looked up. Its title is known once its module is imported.
    """
    if title := _titles().get(sort, {}).get(name):
        return title
    module, _, attribute = (registry.table.get(name, "") if registry else "").partition(":")
    return str(getattr(getattr(sys.modules.get(module), attribute, None), "title", "") or name.replace("_", " "))


def data_title(data: DataConfig) -> str:
    """A data set's name for people, without what stands in brackets: its title, or for an imported set the name given at the import."""
    title = data.own_name if data.own_name != data.name else part_title("data", data.name)
    return title.partition(" (")[0]


@cache
def _titles() -> dict[str, dict[str, str]]:
    return json.loads(FILE.read_text(encoding="utf-8"))
