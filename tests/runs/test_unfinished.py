"""A process is killed while it makes a run: its folder is gone at the next start, and nothing else is."""

import signal

import pytest

from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.store import open_store
from mtl_core.runs.unfinished import sweep_unfinished

MAKE = """
import os, sys
from mtl_core.config import RunConfig
from mtl_core.runs import store as module
store = module.open_store()
config = RunConfig.from_dict({"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "epochs": 1})
die = lambda *_: os.kill(os.getpid(), 9)
"""
IN_ITS_FILES = MAKE + "store.create(config, fill=lambda folder: ((folder / 'half').write_text('x'), die()))"
BEFORE_THE_COMMIT = MAKE + "import sqlalchemy\nsqlalchemy.event.listen(store.database._writer, 'commit', die)\nstore.create(config)"
AFTER_THE_COMMIT = MAKE + "module.remove_mark = die\nstore.create(config)"
WAITING = MAKE + "store.create(config, fill=lambda folder: (print(folder.name, flush=True), sys.stdin.readline()))"


def killed(process):
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def opened_anew(store):
    """As another process opens it."""
    process_slot("swept stores").pop(str(store.home))
    return open_store(store.home)


def there(store):
    return sorted(path.name for path in (store.home / "runs").iterdir())


@pytest.mark.parametrize("code", [IN_ITS_FILES, BEFORE_THE_COMMIT], ids=["in its files", "before the commit"])
def test_what_a_killed_process_had_begun_to_make_is_removed_and_nothing_else(store, config, python, code):
    run = store.create(config())
    someone_elses = store.home / "runs" / "20260102-030405-abcd"
    someone_elses.mkdir()
    killed(python(code))
    assert len(there(store)) == 4  # a folder that is no run's, with its mark
    assert [each.id for each in opened_anew(store).runs()] == [run.id]
    assert there(store) == sorted([run.id, someone_elses.name])


def test_a_run_that_was_written_stays(store, python):
    killed(python(AFTER_THE_COMMIT))
    assert len(there(store)) == 2
    (run,) = opened_anew(store).runs()
    assert run.status == "queued"
    assert there(store) == [run.id]


def test_what_a_living_process_is_making_is_left_to_it(store, python):
    maker = python(WAITING)
    run_id = maker.stdout.readline().strip()
    opened_anew(store)
    assert run_id in there(store)
    assert len(there(store)) == 2
    _, trouble = maker.communicate("go on\n", timeout=60)
    assert (maker.returncode, trouble) == (0, "")
    assert there(store) == [run_id]
    assert store.get(run_id).status == "queued"


@pytest.mark.parametrize("mark", [".making-20260102-030405-abcd-1-1.000-another%2Fhost", ".making-something", ".making-"])
def test_marks_of_other_hosts_and_what_is_no_mark_are_left(store, mark):
    (store.home / "runs" / "20260102-030405-abcd").mkdir(parents=True)
    (store.home / "runs" / mark).touch()
    opened_anew(store)
    assert there(store) == sorted([mark, "20260102-030405-abcd"])


def test_sweeping_a_store_without_leftovers_writes_nothing(store, config, monkeypatch):
    store.create(config())
    monkeypatch.setattr(type(store.database), "write", lambda database: pytest.fail("nothing is to be written"))
    sweep_unfinished(store.home, store.database)
