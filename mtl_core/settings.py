"""The program's settings: the environment variables that begin with ``MTL_``. Only this module reads and checks them.

A variable that is empty counts as not set. ``problems`` says what is wrong before anything is begun; a command ends with code 2 then, and queued
runs wait. The table of them is in ``docs/deploy.md``.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mtl_core.errors import ConfigError, Problem
from mtl_core.names import path_problem

PREFIX = "MTL_"
EXECUTORS = ("thread", "process")  # on this machine; one of them is the store's setting
CLUSTER = "ray"  # the executor that only the environment can choose: runs train on the nodes of a Ray cluster
_ADDRESS = re.compile(r"[A-Za-z0-9._-]+:\d{1,5}")
MOST_THREADS = 1024
READ_ONLY_PLACES = {"data", "git", "github", "http", "https", "reference", "zip", "tar", "libarchive"}  # that fsspec knows
SPINS = "10000"  # turns of a waiting thread's loop before it sleeps: as fast as endless turns on idle cores, nearly as fast as none beside other work
MEMORY_CHECKS = ("on", "off")
DATA_CACHE = Path("~/.cache/multitask-vision")
_ROOT = Path(__file__).parents[1]  # the folder that holds this package


@dataclass(frozen=True)
class Variable:
    """One variable, with a description and its default in words."""

    name: str
    about: str
    default: str
    is_secret: bool = False  # may hold a password, so its value is never shown


VARIABLES = (
    Variable("MTL_HOME", "Folder of the runs, the imported sets and the prepared data.", "`./runs`"),
    Variable(
        "MTL_STORE_URL",
        "PostgreSQL database of the runs, such as `postgresql+psycopg://user@host/name`; the run folders stay in `MTL_HOME`, or in the object store.",
        "`store.sqlite` in `MTL_HOME`",
        is_secret=True,
    ),
    Variable(
        "MTL_ARTIFACTS_URL",
        "Object store of the checkpoints, pictures, evaluations and exports of runs, and of imported data sets, such as `s3://bucket/prefix` or "
        "another address that fsspec knows; `MTL_HOME` is the cache of each machine then.",
        "the folders in `MTL_HOME`",
        is_secret=True,
    ),
    Variable(
        "MTL_EXECUTOR",
        "Where runs train: `thread` in the server, `process` each in a process of its own, `ray` on a Ray cluster.",
        "what is set under Advanced",
    ),
    Variable("MTL_RAY_ADDRESS", "Head of the Ray cluster, as `host:port`; read with `MTL_EXECUTOR=ray`.", "no cluster"),
    Variable("MTL_MEMORY_CHECK", "`off`: a run that seems to need more memory than is free is begun all the same.", "`on`"),
    Variable(
        "MTL_DATA_FOLDERS",
        "Folders that a path typed on the screen may lie in, separated as in `PATH`.",
        "home, the folder of the start, `MTL_HOME`, `MTL_MNIST_ROOT`",
    ),
    Variable("MTL_DATA_ROOT", "Folder of the published sets' files.", f"`{DATA_CACHE}/<name>`"),
    Variable("MTL_MNIST_ROOT", "Folder of MNIST's files.", f"`{DATA_CACHE}/mnist`"),
    Variable(
        "MTL_THREADS",
        "Processor threads that PyTorch computes with, in the server and in every command. Read at the start; it counts for all runs of a process.",
        "one for each core",
    ),
    Variable("MTL_TEST_DATA", "Folder of published files that the tests compare with; read by the tests only.", "`../shared/data`"),
)
_NAMES = tuple(variable.name for variable in VARIABLES)


def home(given: Path | str | None = None) -> Path:
    """The store's folder: ``given``, else MTL_HOME, else ``./runs``; absolute."""
    return Path(given or _value("MTL_HOME") or "runs").expanduser().absolute()


def names_home() -> bool:
    """Whether MTL_HOME is set."""
    return bool(_value("MTL_HOME"))


def store_url() -> str:
    """MTL_STORE_URL; empty if not set. Raises ConfigError for a database that is not PostgreSQL."""
    value = _value("MTL_STORE_URL")
    if problem := _url_problem(value):
        raise ConfigError(Problem("MTL_STORE_URL", problem))
    return value


def _url_problem(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if value and scheme == "postgresql+psycopg" and rest.partition("?")[0].count("@") > 1:
        return "expected one @, before the host; write %40 for an @ in the password"
    if not value or (scheme == "postgresql+psycopg" and rest):
        return ""
    return "expected an address such as postgresql+psycopg://user@host/name, found another kind; or leave it out, and the store is a file"


def artifacts_url() -> str:
    """MTL_ARTIFACTS_URL; empty if not set. Raises ConfigError for an address that fsspec does not know, or whose package is missing."""
    value = _value("MTL_ARTIFACTS_URL")
    if problem := _objects_problem(value):
        raise ConfigError(Problem("MTL_ARTIFACTS_URL", problem))
    return value


def _objects_problem(value: str) -> str:
    """What is wrong with an address of an object store. The address may hold a password, so no more than its scheme is named."""
    if not value:
        return ""
    scheme, _, rest = value.partition("://")
    if not rest.strip("/") or "::" in value:
        return "expected an address such as s3://bucket/prefix, or file:///mnt/share for a folder, found another form"
    if missing := [package for package in ("fsspec", "filelock") if find_spec(package) is None]:
        return f"an object store needs the package {missing[0]}. Install the extra: pip install '.[objects]', or leave it out"
    from fsspec.registry import known_implementations, registry

    known = {*known_implementations, *registry} - READ_ONLY_PLACES
    if scheme not in known:
        if close := difflib.get_close_matches(scheme, sorted(known), n=1):
            return f"'{scheme}' is no kind of object store that can be written; did you mean {close[0]}?"
        return f"'{scheme}' is no kind of object store that can be written. S3 and what speaks like it are s3://bucket/prefix"
    package = known_implementations.get(scheme, {}).get("class", "fsspec").partition(".")[0]
    if package == "s3fs" and find_spec(package) is None:
        return f"'{scheme}' needs the package s3fs. Install the extra: pip install '.[objects]', or leave it out"
    if find_spec(package) is None:
        return f"'{scheme}' needs a package that is not installed: pip install {package}, or leave it out"
    return ""


def executor() -> str:
    """MTL_EXECUTOR; empty if not set. Raises ConfigError for anything but ``EXECUTORS`` and ``CLUSTER``."""
    value = _value("MTL_EXECUTOR")
    if problem := _choice_problem(value, (*EXECUTORS, CLUSTER)):
        raise ConfigError(Problem("MTL_EXECUTOR", problem))
    return value


def ray_address() -> str:
    """MTL_RAY_ADDRESS, as ``host:port``; empty if not set. Raises ConfigError for anything else."""
    value = _value("MTL_RAY_ADDRESS")
    if problem := _address_problem(value):
        raise ConfigError(Problem("MTL_RAY_ADDRESS", problem))
    return value


def ray_authentication() -> str:
    """Ray's own RAY_AUTH_MODE in this process; empty if not set."""
    return os.environ.get("RAY_AUTH_MODE", "").strip()


def ask_for_ray_token() -> None:
    """Have Ray authenticate by token where nothing else is said, and send no statistics. Call this before Ray is imported."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def _address_problem(value: str) -> str:
    if not value or (_ADDRESS.fullmatch(value) and 0 < int(value.rpartition(":")[2]) < 1 << 16):
        return ""
    kind = "an address of Ray Client" if value.startswith("ray://") else f"'{value}'"
    return f"expected the head's address and port, such as 10.0.0.5:6379, found {kind}. The program runs on a machine of the cluster"


def _cluster_problems() -> list[Problem]:
    """What keeps runs from a Ray cluster that the environment asks for."""
    if _value("MTL_EXECUTOR") != CLUSTER:
        return []
    found = []
    if not _value("MTL_RAY_ADDRESS"):
        found.append(Problem("MTL_RAY_ADDRESS", "MTL_EXECUTOR=ray needs the cluster's address; set it to the head's, such as 10.0.0.5:6379"))
    if find_spec("ray") is None:
        found.append(Problem("MTL_EXECUTOR", "'ray' needs the package Ray. Install the extra: pip install '.[cluster]', or choose thread or process"))
    return found


def memory_check() -> str:
    """MTL_MEMORY_CHECK: on or off."""
    return _value("MTL_MEMORY_CHECK") or MEMORY_CHECKS[0]


def data_folders() -> list[str]:
    """Folders that paths typed on the screen must be in, as written; they may contain ``~``."""
    named = [part for part in _value("MTL_DATA_FOLDERS").split(os.pathsep) if part.strip()]
    return named or ["~", ".", *filter(None, (_value("MTL_HOME"), _value("MTL_MNIST_ROOT")))]


def data_root() -> str:
    """MTL_DATA_ROOT; empty if not set."""
    return _value("MTL_DATA_ROOT")


def mnist_root() -> str:
    """MTL_MNIST_ROOT; empty if not set."""
    return _value("MTL_MNIST_ROOT")


def threads() -> int | None:
    """MTL_THREADS; None if not set or invalid."""
    value = _value("MTL_THREADS")
    return int(value) if value and not threads_problem(value) else None


def use_threads() -> None:
    """Make PyTorch compute with ``MTL_THREADS`` threads, if it is set, and let threads that wait for each other sleep soon.

    Call this once, before PyTorch is imported. The number holds for the whole process: a change while a run trains would change how that run's sums
    are split, and with them its last digits.

    GNU OpenMP's threads keep their cores busy while they wait, if nothing else is said. On two cores beside a browser each waits for a thread that
    gets no core: training took 2 to 10 times as long (``benchmarks/README.md``). How they wait changes no number.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when PyTorch is imported
    if (count := threads()) is None:
        return
    os.environ["OMP_NUM_THREADS"] = str(count)  # read when PyTorch is imported
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def process_environment(store_home: Path) -> dict[str, str]:
    """The environment of a process of this program on a store. It finds this package from every working folder."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, PREFIX + "HOME": str(store_home), "PYTHONPATH": path}


def check() -> None:
    """Raise ConfigError with every problem if a variable is invalid."""
    if found := problems():
        raise ConfigError(found)


def problems() -> list[Problem]:
    """Problems of the variables: invalid values, and unknown names that are close to one of ours."""
    found = []
    for name, choices in (("MTL_EXECUTOR", (*EXECUTORS, CLUSTER)), ("MTL_MEMORY_CHECK", MEMORY_CHECKS)):
        if problem := _choice_problem(_value(name), choices):
            found.append(Problem(name, problem))
    if problem := _address_problem(_value("MTL_RAY_ADDRESS")):
        found.append(Problem("MTL_RAY_ADDRESS", problem))
    found += _cluster_problems()
    if problem := _url_problem(_value("MTL_STORE_URL")):
        found.append(Problem("MTL_STORE_URL", problem))
    if problem := _objects_problem(_value("MTL_ARTIFACTS_URL")):
        found.append(Problem("MTL_ARTIFACTS_URL", problem))
    if problem := threads_problem(_value("MTL_THREADS")):
        found.append(Problem("MTL_THREADS", problem))
    paths = [(name, _value(name)) for name in ("MTL_HOME", "MTL_DATA_ROOT", "MTL_MNIST_ROOT")]
    paths += [("MTL_DATA_FOLDERS", part) for part in (data_folders() if _value("MTL_DATA_FOLDERS") else ())]
    impossible = [Problem(name, problem) for name, path in paths if (problem := path_problem(path))]
    if impossible:
        return found + impossible
    for name in ("MTL_DATA_ROOT", "MTL_MNIST_ROOT"):
        if _value(name) and Path(_value(name)).expanduser().is_file():
            found.append(Problem(name, f"expected a folder, found the file '{_value(name)}'"))
    for name in _unknown():
        if meant := _meant_by(name):
            found.append(Problem(name, f"there is no such setting; did you mean {meant}? Rename it, or remove it from the environment"))
    return found


def remarks() -> list[str]:
    """Warnings that do not stop the program: unknown names, and folders that do not exist."""
    found = [f"{name}: there is no such setting. There are {', '.join(_NAMES)}" for name in _unknown() if not _meant_by(name)]
    if _value("MTL_DATA_FOLDERS"):
        found += [f"MTL_DATA_FOLDERS: '{part}' does not exist" for part in data_folders() if not Path(part).expanduser().exists()]
    return found


def _value(name: str) -> str:
    return os.environ.get(name, "").strip()


def _choice_problem(value: str, choices: tuple[str, ...]) -> str:
    if not value or value in choices:
        return ""
    close = difflib.get_close_matches(value.lower(), choices, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    return f"expected {', '.join(choices[:-1])} or {choices[-1]}, found '{value}'{hint} Set one of them, or leave it empty"


def threads_problem(value: str) -> str:
    """What is wrong with a number of threads; empty if nothing is."""
    if not value or (value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_THREADS):
        return ""
    return f"expected a whole number from 1 to {MOST_THREADS}, found '{value}'. Set one, or leave it empty: then each core has a thread"


def _unknown() -> list[str]:
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in _NAMES)


def _meant_by(name: str) -> str:
    close = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.8)
    return close[0] if close else ""
