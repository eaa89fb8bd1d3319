"""What several test folders need: a store of their own, and the real data where it is."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import database
from mtl_core.training import checkpoint_files

# One thread per process, before torch is imported and for every process that a test starts: the workers share the cores.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# Processes that tests start compile the sources once, not each anew, also where the surroundings turn bytecode files off.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--walks", metavar="FOLDER", help="walk every lesson in every language in Chromium; pictures and a table go to FOLDER")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect the tests without Python's garbage collector: it would go through all that they import again and again, in half of the time.

    What is there once all tests are collected stays until the end, so the garbage collector need not go through it later either. And it looks for
    cycles after more new objects than by default: at 700 it takes a twentieth of the processor time of the tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # without collecting before: half a second of each worker, for little
        gc.set_threshold(50_000, 10, 10)
        gc.enable()
        for logger in logging.root.manager.loggerDict.values():
            if isinstance(logger, logging.Logger):
                logger.propagate = True  # six times a test, pytest adds a handler to each that does not: a hundred of them


_numbers = itertools.count()


@pytest.fixture
def tmp_path(tmp_path_factory, request) -> Path:
    """A folder of the test's own. pytest's own fixture looks through the folders of all tests before, to find a name that is free."""
    folder = tmp_path_factory.getbasetemp() / (re.sub(r"\W", "_", request.node.name)[:30] + f"_{next(_numbers)}")
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(autouse=True)
def home(request, monkeypatch, tmp_path_factory) -> Path:
    """Every test has an empty MTL_HOME of its own: nothing lands in ./runs. It is not there until something is written to it."""
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path") / "home"
    else:  # thousands of tests write nothing: a folder for each costs more than some of them take
        folder = tmp_path_factory.getbasetemp() / "homes" / str(next(_numbers))
    monkeypatch.setenv("MTL_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch) -> None:
    """Every synchronised file waits for milliseconds, for nothing but a power cut. ``test_atomic_files.py`` says what is synchronised."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session", autouse=True)
def _stores_open_fast() -> Iterator[None]:
    """Thousands of tests open a store of their own: SQLite, too, does not wait for the disk, and each statement is compiled once for all stores.

    SQLAlchemy would compile it anew for every engine, and a store has two. All of them have the same dialect, with the same options.
    """
    compiled, make, set_up = LRUCache(2000), database.create_engine, database._set_up_connection

    def made(*args, **kwargs):
        engine = make(*args, **kwargs)
        engine._compiled_cache = compiled
        return engine

    def set_up_without_waiting(connection, record):
        set_up(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLiteDialect_pysqlite, "__eq__", lambda dialect, other: type(dialect) is type(other))
        patch.setattr(SQLiteDialect_pysqlite, "__hash__", lambda dialect: hash(type(dialect)))
        patch.setattr(database, "create_engine", made)
        patch.setattr(database, "_set_up_connection", set_up_without_waiting)
        yield


@pytest.fixture(autouse=True)
def _databases_closed(request, home) -> Iterator[None]:
    """A process keeps its stores' connections open for good: over two thousand tests that would be thousands of files."""
    before = set(opened := process_slot("databases"))
    yield
    if here := [path for path in opened if path not in before]:
        folder = (request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else home).resolve()
    for path in [path for path in here if Path(path).is_relative_to(folder)]:
        entry = opened.pop(path)
        with entry["lock"]:  # a thread of the test that is about to write would wait for the connection that is taken away from it
            entry["writer"].dispose()
        entry["reader"].dispose()


@pytest.fixture(scope="session")
def _schemes_of_packages(tmp_path_factory) -> dict[str, str]:
    """The table of sharing schemes with those of ``tests/sharing/schemes.py``, which register as another package's do: by entry points."""
    from mtl_core.registry import Registry
    from mtl_core.sharing import SHARING_SCHEMES
    from tests.sharing.schemes import ENTRIES

    about = tmp_path_factory.mktemp("site") / "test_schemes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: test-schemes\nVersion: 1.0\n")
    entries = [f"{name} = {place}" for name, place in ENTRIES.items()]
    (about / "entry_points.txt").write_text("\n".join([f"[{SHARING_SCHEMES.group}]", *entries]))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(about.parent))
        return Registry(SHARING_SCHEMES.noun, SHARING_SCHEMES.group, SHARING_SCHEMES.table).table


@pytest.fixture
def installed_schemes(_schemes_of_packages, monkeypatch) -> None:
    """The sharing schemes of ``tests/sharing/schemes.py`` are registered. Entry points are read once: it takes as long as some tests."""
    from mtl_core.sharing import SHARING_SCHEMES

    monkeypatch.setattr(SHARING_SCHEMES, "_table", _schemes_of_packages)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory) -> Path:
    """One cache of prepared data for the whole session and all its workers: the same scenes are composed once."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "prepared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, shared_cache):
    """A finished run with a task of every kind, in a store of its own that tests only read: ``trained.store``, ``trained.run``."""
    from types import SimpleNamespace

    import torch

    from mtl_core.config import RunConfig
    from mtl_core.runs.jobs import execute
    from mtl_core.runs.store import open_store
    from tests.every_kind import EVERY_KIND

    store = open_store(tmp_path_factory.mktemp("trained"))
    store.cache = shared_cache
    config = RunConfig.from_dict(EVERY_KIND)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    run = execute(store, store.create(config).id)
    torch.set_num_threads(before)
    assert run.status == "finished", run.failure
    return SimpleNamespace(store=store, run=run)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; skips where there is none."""
    folder = Path(os.environ.get("MTL_TEST_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip("MTL_TEST_DATA does not name the folder of real data sets")
    return folder


@pytest.fixture
def some_of_mnist(real_data, tmp_path):
    """Write MNIST's first pictures with their rows of the tables, in files of the same layout: ``some_of_mnist(train, test)`` gives the folder."""
    import struct

    import numpy as np

    from mtl_core.data.imports.checking.check_report import Findings
    from mtl_core.data.imports.formats.idx import numbers
    from mtl_core.data.imports.tree import Tree

    source, folder = real_data / "mnist", tmp_path / "mnist"

    def write(train: int, test: int) -> Path:
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True)
        with Tree(source, Findings()) as tree:
            for part, table, count in (("train", "train", train), ("t10k", "test", test)):
                for kind, dimensions in (("images-idx3", 3), ("labels-idx1", 1)):
                    name = next(name for name in tree.files if name.rpartition("/")[2].startswith(f"{part}-{kind}-ubyte"))
                    values: np.ndarray = numbers(tree, name, dimensions)[:count]
                    head = bytes([0, 0, 8, dimensions]) + struct.pack(f">{dimensions}i", *values.shape)
                    (raw / f"{part}-{kind}-ubyte").write_bytes(head + values.tobytes())
                lines = (source / f"attributes_{table}.csv").read_text().splitlines(keepends=True)
                (folder / f"attributes_{table}.csv").write_text("".join(lines[: count + 1]))
        return folder

    return write


@pytest.fixture
def write_checkpoint():
    """Write a checkpoint that is whole as files go, without torch: ``write_checkpoint(folder, epoch, step, best=..., keep=..., **meta)``."""

    def write(folder: Path, epoch: int, step: int, *, best: bool = False, keep: bool = True, step_in_epoch: int = 0, **meta) -> str:
        name = checkpoint_files.name_of(epoch, step)
        path = folder / "checkpoints" / name
        path.mkdir(parents=True)
        for file in checkpoint_files.FILES:
            (path / file).write_bytes(f"{file} of {name} ".encode() * 100)
        position = {"epoch": epoch, "step": step, "step_in_epoch": step_in_epoch, "best_score": 0.5, "training_seconds": 1.0}
        sums = {file: checkpoint_files.sha256(path / file) for file in checkpoint_files.FILES}
        execution = {"precision": "fp32", "layout": "contiguous"}
        plain = {"format": checkpoint_files.FORMAT, "position": position, "best": best, "execution": execution, "sha256": sums}
        (path / "meta.json").write_text(json.dumps({**plain, **meta}))
        checkpoint_files.update_index(folder, name, best=best, best_of=meta.get("best_of", ()), keep=keep)
        return name

    return write


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI, a test with a browser, data, a database or S3 that was skipped has failed: nothing may go untested unseen."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]  # xdist sends UTF-8
    must_run = any(item.get_closest_marker(name) for name in ("browser", "data", "database", "objects"))
    if report.skipped and must_run and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


# Files whose tests run on one worker, one file after another, because the first of them prepares for seconds what all use.
TOGETHER = {
    "exporters": (  # imports them, and trains the run that others look at
        "exports/test_onnx_presets",
        "exports/test_exports",
        "exports/test_background",
        "exports/test_report",
        "sharing/test_schemes_on_backbones",
        "inference/test_loading",
        "inference/test_split_predictions",
        "cli/test_export",
        "cli/test_predict",
        "runs/test_looks",
        "studies/test_cost_receipt",
        "test_packaging",
    ),
    "objects": (  # the server of S3, where it is installed, and the undisturbed run
        "runs/objects/test_sent_artifacts",
        "runs/objects/test_killed_senders",
        "runs/objects/test_object_outages",
        "runs/objects/test_damaged_objects",
        "runs/objects/test_deleted_objects",
        "runs/objects/test_hostile_objects",
        "runs/objects/test_object_address",
    ),
    "ranks": ("training/test_several_devices", "training/test_accumulation"),  # the steps of one process, which both compare with
    "victims": ("runs/test_kills", "runs/test_full_disk", "runs/test_store_on_postgres", "runs/test_processes"),  # starts the process that forks them
}
GROUPS = {file: group for group, files in TOGETHER.items() for file in files}
# Journeys are two groups of about the same length, each with one server and one browser. Those that look at the run of every kind, or at the first
# preset's scenes, are one of them, so that both are made once. These are the other.
BESIDE = ("cut_connection", "disturbed", "hostile_names", "learn", "lesson", "lesson_walks", "live_page", "own_images", "run_control")
GROUPS |= {f"browser/test_{name}": "browser beside" for name in BESIDE}
BEGINS = "browser/test_first_run"  # the first of its group: its server has done nothing yet
# What takes longest begins first, so that no worker is left alone with it at the end: groups of ten seconds of processor time and more.
LONGEST_FIRST = (
    "browser",
    "browser beside",
    "exporters",
    "victims",
    "ranks",
    "sharing/test_scheme_contract",
    "runs/test_signals",
    "balancing/test_contract",
    "balancing/test_descent",
    "backbones/test_backbone_contract",
    "training/test_trainer",
    "training/test_self_supervised",
    "runs/test_side_by_side",
    "test_main",
    "pages/test_real_imports",
    "pages/test_train_page",
    "pages/test_form_editions",
    "balancing/test_runs",
    "runs/test_migration",
    "data/imports/test_importing",
)


def group_of(item: pytest.Item) -> str:
    """The group of a test: with several workers, the tests of a group run on one of them, one after another.

    Journeys are two groups, each with one server and one browser. The tests of every other file are one, too: what a file prepares for all its
    tests is prepared once.
    """
    file = _file_of(item.path)
    return GROUPS.get(file, "browser" if item.get_closest_marker("browser") else file)


@cache
def _file_of(path: Path) -> str:
    """A test file as the groups name it."""
    return path.relative_to(Path(__file__).parent).with_suffix("").as_posix()


def pytest_itemcollected(item: pytest.Item) -> None:
    """The group is set here, because xdist reads the groups before any other plugin may change the list of tests."""
    item.add_marker(pytest.mark.xdist_group(group_of(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first; the tests of a group stay in their order, but for ``BEGINS``. In CI a journey that fails runs once more."""
    place = {group: number for number, group in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: (place.get(group_of(item), len(place)), _file_of(item.path) != BEGINS))
    if os.environ.get("CI"):
        for item in items:
            if item.get_closest_marker("browser"):  # a real browser and a real server on two busy cores; nothing else is tried twice
                item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter) -> None:
    """How many test functions ran, with how many cases, and which journeys failed before they passed: each of them has a fault to be found."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed at first: {report.nodeid}", sep="_")
        terminalreporter.write_line(report.longreprtext)
    cases = {report.nodeid for reports in terminalreporter.stats.values() for report in reports if isinstance(report, pytest.TestReport)}
    functions = {case.split("@")[0].split("[")[0] for case in cases}
    if cases:
        terminalreporter.write_line(f"{len(functions)} tests ({len(cases)} cases)")
