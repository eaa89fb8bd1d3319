"""The folders in which a path typed on a page may lie. The command line has no such limit, because its user can read the files anyway."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mtl_core.data import DATA_SOURCES
from mtl_core.language import tr
from mtl_core.settings import data_folders

VARIABLE = "MTL_DATA_FOLDERS"


def allowed_folders() -> list[Path]:
    """The folders in MTL_DATA_FOLDERS; without it the home folder, the working folder of the dashboard, MTL_HOME and MTL_MNIST_ROOT."""
    return list(dict.fromkeys(real(part) for part in data_folders()))


def real(path: str) -> Path:
    """The absolute path with ``~``, ``..`` and links resolved. Raises ValueError for an invalid path."""
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError) as error:  # a loop of links, or an unknown home folder
        raise ValueError(str(error)) from None


def is_allowed(path: str) -> bool:
    """Whether the path leads into one of the allowed folders."""
    try:
        place = real(path)
        return any(place.is_relative_to(folder) for folder in allowed_folders())
    except ValueError:
        return False


def path_problems(data: dict[str, Any]) -> list[str]:
    """A sentence for every option of a data set (``{"name": ..., option: value}``) that is a path outside the allowed folders."""
    name = data.get("name")
    if name is None or name not in DATA_SOURCES:
        return []
    paths = [option for option in _path_options(DATA_SOURCES.load(name).Options) if data.get(option)]
    return [f"data.{option}: {_sentence(str(data[option]))}" for option in paths if not is_allowed(str(data[option]))]


@cache
def _path_options(model: type[BaseModel]) -> tuple[str, ...]:
    """The options that are paths; kept, because one drawing of the Train form asks a dozen times."""
    return tuple(option for option, schema in model.model_json_schema()["properties"].items() if schema.get("path"))


def weights_path_problems(backbone: dict[str, Any]) -> list[str]:
    """A sentence if the file of starting weights is outside the allowed folders."""
    path = str(backbone.get("weights_file") or "") if backbone.get("weights") == "file" else ""
    return [f"backbone.weights_file: {_sentence(path)}"] if path and not is_allowed(path) else []


def _sentence(path: str) -> str:
    there = ", ".join(f"'{folder}'" for folder in allowed_folders())
    return tr(
        "'{path}' is outside the folders that the dashboard may read: {there}. Choose a folder in one of them, or add yours to "
        "{variable} (several are separated by '{pathsep}') and restart the dashboard.",
        path=path,
        there=there,
        variable=VARIABLE,
        pathsep=os.pathsep,
    )
