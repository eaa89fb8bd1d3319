"""Which folders a path typed on the screen may lie in. The command line is not limited: who has a shell needs no leave."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mtl_core.data import DATA_SOURCES
from mtl_core.settings import data_folders

VARIABLE = "MTL_DATA_FOLDERS"


def allowed_folders() -> list[Path]:
    """Those that MTL_DATA_FOLDERS names; without it the home folder, the one the dashboard was started in, MTL_HOME and MTL_MNIST_ROOT."""
    return list(dict.fromkeys(real(part) for part in data_folders()))


def real(path: str) -> Path:
    """Where a path leads, whatever ``~``, ``..`` and links it goes through. Raises ValueError for what is no path."""
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError) as error:  # a circle of links, or a home that nobody knows
        raise ValueError(str(error)) from None


def is_allowed(path: str) -> bool:
    """Whether it leads into one of the allowed folders."""
    try:
        place = real(path)
        return any(place.is_relative_to(folder) for folder in allowed_folders())
    except ValueError:
        return False


def path_problems(data: dict[str, Any]) -> list[str]:
    """A sentence for every option of a data set (``{"name": ..., option: value}``) that is a path out of bounds."""
    name = data.get("name")
    if name not in DATA_SOURCES:
        return []
    options = DATA_SOURCES.load(name).Options.model_json_schema()["properties"]
    paths = [option for option, schema in options.items() if schema.get("path") and data.get(option)]
    return [f"data.{option}: {_sentence(str(data[option]))}" for option in paths if not is_allowed(str(data[option]))]


def _sentence(path: str) -> str:
    there = ", ".join(f"'{folder}'" for folder in allowed_folders())
    return (
        f"'{path}' is outside of the folders that the dashboard may read: {there}. Choose a folder in one of them, or start the "
        f"dashboard with {VARIABLE} naming the one you need (several are separated by '{os.pathsep}')."
    )
