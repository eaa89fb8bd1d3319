"""The catalogue of parts: every registered part of a run, with its options; those of other installed packages too."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mtl_core.analysis.evaluation import EVALUATIONS
from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.config_sections import AugmentationConfig
from mtl_core.data import DATA_SOURCES
from mtl_core.data.augmentation import AUGMENTATIONS
from mtl_core.data.imports.formats import FORMATS
from mtl_core.data.preprocessing import DENOISERS
from mtl_core.errors import ConfigError
from mtl_core.exports import EXPORTS
from mtl_core.lessons import LESSONS
from mtl_core.plane import LANDSCAPES
from mtl_core.registry import Registry
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.studies.kinds import STUDY_KINDS
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS
from mtl_core.training import UPDATES

REGISTRIES: dict[str, Registry] = {  # a test compares this with every registry in the code
    "data": DATA_SOURCES,
    "tasks": TASK_KINDS,
    "self_supervised": SELF_SUPERVISED,
    "backbones": BACKBONES,
    "sharing": SHARING_SCHEMES,
    "balancing": BALANCERS,
    "updates": UPDATES,
    "denoisers": DENOISERS,
    "augmentations": AUGMENTATIONS,
    "import_formats": FORMATS,
    "evaluations": EVALUATIONS,
    "landscapes": LANDSCAPES,
    "study_kinds": STUDY_KINDS,
    "lessons": LESSONS,
}
EXPORT_FORMATS = "exports"  # a table of modules
SORTS = [*REGISTRIES, EXPORT_FORMATS]
_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}", "multiple_of": "in steps of {}"}
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true, false"}


def described(sort: str) -> list[dict[str, Any]]:
    """Every part of one sort: name, title, summary, source (``module:Class``), options, and the problem of one that cannot be loaded."""
    if sort == EXPORT_FORMATS:
        modules = {name: import_module(place) for name, place in EXPORTS.items()}
        return [_entry(name, EXPORTS[name], title=module.TITLE, summary=module.SUMMARY) for name, module in modules.items()]
    registry = REGISTRIES[sort]
    return [_part(registry, name) for name in registry]


def _part(registry: Registry, name: str) -> dict[str, Any]:
    place = registry.table[name]
    try:
        part = registry.load(name)
    except ConfigError as error:
        return _entry(name, place, problem=str(error))
    summary = getattr(part, "summary", "") or inspect.cleandoc(part.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    return _entry(name, place, title=getattr(part, "title", "") or name, summary=summary, options=list(_options(part)))


def _entry(name: str, place: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "title": "", "summary": "", "source": place, "options": [], "problem": "", **more}


def _options(part: Any) -> Iterator[dict[str, Any]]:
    """Of ``Options``; an augmentation without has its fields in ``AugmentationConfig``."""
    model = getattr(part, "Options", None)
    settings = getattr(part, "settings", ())
    if isinstance(model, type) and issubclass(model, BaseModel):
        fields = model.model_fields
    elif isinstance(settings, tuple):
        shared = AugmentationConfig.model_fields
        fields = {name: shared[name] for name in settings if name in shared}
        if settings and not fields:
            fields = part.options_model().model_fields
    else:
        fields = {}
    for name, field in fields.items():
        yield option(name, field)


def option(name: str, field: FieldInfo) -> dict[str, Any]:
    """One option as plain values: name, type in words, whether it must be given, default, range in words (may be empty), what it means."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        default = default.model_dump(mode="json")
    return {
        "name": name,
        "type": values(field.annotation),
        "required": field.is_required(),
        "default": list(default) if isinstance(default, tuple | set | frozenset) else default,
        "range": limits(field),
        "minimum": _rule(field, "ge", "gt"),
        "maximum": _rule(field, "le", "lt"),
        "description": field.description or "",
    }


def limits(field: FieldInfo) -> str:
    """The range of a number, or the length of a text or list, in words; empty where there is none."""
    said = [words.format(_plain(limit)) for key, words in _BOUNDS.items() if (limit := _rule(field, key)) is not None]
    of_what = "of them" if get_origin(field.annotation) in (list, tuple, dict) else "characters"
    said += [f"at least {least} {of_what}"] if (least := _rule(field, "min_length")) is not None else []
    said += [f"at most {most} {of_what}"] if (most := _rule(field, "max_length")) is not None else []
    return " ".join(said)


def _rule(field: FieldInfo, *names: str) -> Any:
    """The first limit of one of these names that a field has; None where it has none."""
    return next((found for name in names for rule in field.metadata if (found := getattr(rule, name, None)) is not None), None)


def values(annotation: Any) -> str:
    """What a setting of this type may be, in words."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys and values"
    if origin is None:
        return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))
    if str(origin).endswith("Literal"):
        return ", ".join(str(choice) if choice != "" else "empty" for choice in inside)
    if origin is list:
        return f"list of {values(inside[0])}"
    if origin is tuple:
        return ", ".join(values(part) for part in inside if part is not Ellipsis)
    if origin is dict:
        return f"{values(inside[0])}: {values(inside[1])}"
    if origin in (Union, types.UnionType):
        return " or ".join("nothing" if part is type(None) else values(part) for part in inside)
    return values(inside[0])  # Annotated


def default_in_words(entry: dict[str, Any]) -> str:
    """The default of an option as it is written in YAML."""
    if entry["required"]:
        return "must be given"
    default = entry["default"]
    if default is None:
        return "nothing"
    if default == "":
        return "empty"
    return str(default).lower() if isinstance(default, bool) else _plain(default)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
