"""Registry of a run's parts: maps names to classes and imports a class only when it is loaded.

A part (data source, task kind, backbone, sharing scheme, balancer) is one file plus one line in its package's table.
The table holds ``"module:Class"`` strings, so that listing names costs no import of torch. Parts outside this
repository register through a Python entry point in the group given to the registry, e.g. in their pyproject.toml::

    [project.entry-points."mtl_core.balancers"]
    my_method = "my_package.my_module:MyMethod"
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from mtl_core.errors import ConfigError, Problem
from mtl_core.names import path_problem
from mtl_core.refused_values import LONGEST, refusal, shown_value

Model = TypeVar("Model", bound=BaseModel)

MOST_PROBLEMS = 50  # listed for one config; further ones are only counted


class Registry:
    """Names and locations of the parts of one sort.

    Args:
        noun: the part's noun in messages, such as ``"balancer"``.
        group: entry-point group through which other packages add parts.
        table: name -> ``"module:Class"``.
        needs: name -> the package without which this part is not listed. An error that names the part says what to install.
    """

    def __init__(self, noun: str, group: str, table: dict[str, str], needs: dict[str, str] | None = None):
        self.noun, self.group, self.needs = noun, group, dict(needs or {})
        self._table = {name: place for name, place in table.items() if name not in self.needs or find_spec(self.needs[name])}
        self.hidden: dict[str, str] = {}  # name -> place of parts of other packages that are not used, because their name is taken
        for entry in entry_points(group=group):
            if self._table.setdefault(entry.name, entry.value) != entry.value:
                self.hidden[entry.name] = entry.value

    @property
    def table(self) -> dict[str, str]:
        """A copy: name -> ``"module:Class"``, parts from other packages included."""
        return dict(self._table)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def load(self, name: str, field: str = "") -> Any:
        """The class registered as ``name``; imports its module.

        Raises:
            ConfigError: the name is unknown (the message lists the names and a close one), or a part of another package cannot be loaded.
        Exception: a part of this project cannot be imported; a note on the error names the line of the table.
        """
        if name in self.needs and name not in self._table:
            package = self.needs[name]
            raise ConfigError(Problem(field, f"the {self.noun} '{name}' needs the package {package}, which is not installed: pip install {package}"))
        if name not in self._table:
            raise ConfigError(Problem(field, unknown_name(self.noun, name, self._table)))
        try:
            return _at(self._table[name])
        except Exception as error:
            if self._table[name].startswith("mtl_core."):
                error.add_note(f"The {self.noun} '{name}' is at {self._table[name]}, as a line in its table says; correct the line or that file.")
                raise
            raise ConfigError(Problem(field, _not_loaded(self.noun, name, self._table[name], error))) from error


@cache
def installed(group: str) -> dict[str, Any]:
    """Name -> class of the parts of other packages in an entry-point group. A part that cannot be loaded is skipped, with a warning."""
    found = {}
    for entry in entry_points(group=group):
        try:
            found.setdefault(entry.name, _at(entry.value))
        except Exception as error:
            logging.getLogger(__name__).warning("%s", _not_loaded("part", entry.name, entry.value, error))
    return found


def _at(place: str) -> Any:
    """The object at ``module:attribute``; the attribute may have dots, as in entry points."""
    module, _, attribute = place.partition(":")
    found = import_module(module.strip())
    for part in attribute.partition("[")[0].strip().split("."):
        found = getattr(found, part)
    return found


def _not_loaded(noun: str, name: str, place: str, error: Exception) -> str:
    return f"the {noun} '{name}', which an installed package gives as {place}, cannot be loaded ({type(error).__name__}: {error}). " + (
        "Repair or uninstall that package"
    )


def unknown_name(noun: str, name: str, available: Any) -> str:
    """The error text for a name that does not exist."""
    names, name = list(available), _shown(name)
    close, listed = _closest(name, names), ", ".join(names) or "none"
    return f"unknown {noun} '{name}'; did you mean '{close}'? Available: {listed}" if close else f"unknown {noun} '{name}'. Available: {listed}"


def unknown_task(name: str, available: Any, data: str) -> str:
    """The error text for a task that the data set ``data`` does not have."""
    names, name = list(available), _shown(name)
    close, listed = _closest(name, names), ", ".join(names) or "none"
    if close:
        return f"data set '{data}' has no task '{name}'; did you mean '{close}'? Available: {listed}"
    return f"data set '{data}' has no task '{name}'. Available: {listed}"


def _shown(name: Any) -> str:
    return str(name) if len(str(name)) <= LONGEST else f"{str(name)[:LONGEST]}..."


def _closest(name: str, names: list[str]) -> str:
    """The name that is most like this one; empty if none is. Case, and '-' for '_', make no difference."""
    alike = {each.casefold().replace("-", "_"): each for each in names}
    close = difflib.get_close_matches(name.casefold().replace("-", "_"), alike, n=1)
    return alike[close[0]] if close else ""


def validated(model: type[Model], values: dict[str, Any], field: str, beside: Iterable[str] = (), context: dict[str, Any] | None = None) -> Model:
    """``model(**values)``, with pydantic's errors converted to ConfigError. True and false are no numbers here; pydantic takes them for 1 and 0.

    Args:
        field: dotted config key of the values; a prefix of each problem's key.
        beside: further keys that are valid there but read elsewhere; the message for an unknown key lists them too.
        context: context for the model's validators.

    Raises:
        ConfigError: one problem per unknown, missing or invalid value.
    """
    found = [] if context else list(_misread(model, values, field))
    try:
        checked = model.model_validate(values, context=context)
    except ValidationError as error:
        told = {problem.field for problem in found}
        others = [problem for problem in _problems(error, model, field, beside) if not problem.field or problem.field not in told]
        raise ConfigError([*found[:MOST_PROBLEMS], *others]) from None
    if found:
        raise ConfigError(found[:MOST_PROBLEMS])
    return checked


def _misread(expected: Any, value: Any, field: str) -> Iterator[Problem]:
    """Problems of values that pydantic accepts: true or false for a number, and paths that no file system can have."""
    origin, inner = get_origin(expected), get_args(expected)
    if origin is Annotated:
        yield from _misread(inner[0], value, field)
    elif origin in (Union, UnionType):
        if not isinstance(value, bool):
            yield from next((problems for each in inner if (problems := list(_misread(each, value, field)))), [])
        elif bool not in inner and not {int, float}.isdisjoint(inner):
            yield from _misread(int, value, field)
    elif isinstance(value, bool):
        if expected in (int, float):
            yield Problem(field, f"expected a number, found {str(value).lower()}; write the number")
    elif isinstance(value, dict):
        if isinstance(expected, type) and issubclass(expected, BaseModel):
            for name, info in expected.model_fields.items():
                if name in value:
                    key = f"{field}.{name}" if field else name
                    yield from _misread(info.annotation, value[name], key)
                    extra = info.json_schema_extra
                    if isinstance(extra, dict) and extra.get("path") and isinstance(value[name], str) and (problem := path_problem(value[name])):
                        yield Problem(key, problem)
        elif origin is dict:
            for name, each in value.items():
                yield from _misread(inner[1], each, f"{field}.{name}")
    elif isinstance(value, list) and origin is list:
        for number, each in enumerate(value):
            yield from _misread(inner[0], each, f"{field}.{number}")


def _problems(error: ValidationError, model: type[BaseModel], field: str, beside: Iterable[str]) -> list[Problem]:
    problems = []
    details = error.errors(include_url=False)
    for detail in details[:MOST_PROBLEMS]:
        key = ".".join(str(part) for part in (field, *detail["loc"]) if part != "")
        if detail["type"] == "extra_forbidden":
            owner = _model_at(model, detail["loc"][:-1])
            known = [*owner.model_fields, *getattr(owner, "added_keys", tuple)()]
            message = unknown_name("key", str(detail["loc"][-1]), [*(beside if len(detail["loc"]) == 1 else ()), *known])
        elif detail["type"] == "missing":
            said = _model_at(model, detail["loc"][:-1]).model_fields[str(detail["loc"][-1])].description
            message = f"is missing; give it: {_lower(said)}" if said else "is missing; give it"
        elif detail["type"] == "model_type" and isinstance(detail["input"], str) and _has_name(model, detail["loc"]):
            written = detail["input"][:40]
            message = f"expected keys and values, the name among them, found {shown_value(detail['input'])}; write it as 'name: {written}'"
        elif detail["type"] == "dict_type" and _names_only(detail["input"]):
            written = ", ".join(f"{name}: {{}}" for name in detail["input"])
            message = f"expected keys and values, found a list; write it as {{{written}}}"
        elif detail["type"] in ("model_type", "dict_type"):
            message = f"expected keys and values ({{}} for none), found {shown_value(detail['input'])}"
        else:
            message = refusal(detail)
        problems.append(Problem(key, message))
    if len(details) > MOST_PROBLEMS:
        problems.append(Problem(field, f"has {len(details) - MOST_PROBLEMS:,} more problems like these"))
    return problems


def _model_at(model: type[BaseModel], location: tuple[Any, ...]) -> type[BaseModel]:
    """The model nested at ``location``; the nearest known parent if it cannot be determined."""
    for part in location:
        info = model.model_fields.get(str(part))
        if info is None:
            continue
        candidates = [info.annotation, *getattr(info.annotation, "__args__", ())]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        model = nested[0] if nested else model
    return model


def _has_name(model: type[BaseModel], location: tuple[Any, ...]) -> bool:
    """Whether the keys at ``location`` are those of a part with a name."""
    owner = _model_at(model, location)
    return owner is not model and "name" in owner.model_fields


def _names_only(value: Any) -> bool:
    """Whether a value is a short list of names, which somebody wrote in the place of keys without values."""
    return isinstance(value, list) and 0 < len(value) <= 20 and all(isinstance(name, str) and 0 < len(name) <= LONGEST for name in value)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
