"""How far the sending and the fetching of an imported set are, who else is told, and what is wrong with a set, in words."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from imported_sets import arrays_of, config_on, import_as, on, pictures, set_files
from object_stores import log_of, machines, objects_of, one_place

from mtl_core.data import open_source
from mtl_core.data.imports import delete, imported
from mtl_core.data.prepare import prepare
from mtl_core.errors import DataError, StoreError
from mtl_core.runs.executor import execute
from mtl_core.runs.objects import fetched_sets
from mtl_core.runs.objects.bucket import Bucket
from mtl_core.runs.objects.set_transfer import Transfer, at_tenths, megabytes, sent_words
from mtl_core.runs.objects.unsent_marks import marked
from mtl_core.runs.sets.set_states import before_training, set_problems
from mtl_core.runs.status import RunStatus

ROOT = Path(__file__).parents[3]
FILES = 4 + 10  # as in test_shared_set_faults.py


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path / "mine")


class Told(list):
    """A progress that keeps what it is told."""

    def __call__(self, share, what):
        self.append((share, what))

    def __bool__(self):
        return True


def test_a_transfer_counts_bytes_and_whole_files():
    told = Told()
    transfer = Transfer({"a": 3_000_000, "b": 1_000_000, "empty": 0}, told, sent_words).begin()
    for file, count in (("a", 2_000_000), ("a", 1_000_000), ("a", 3_000_000), ("empty", 0), ("b", 9_000_000)):
        transfer.moved(file, count)
    assert [share for share, _ in told] == [0.0, 0.5, 0.25, 0.75, 0.75, 1.0]  # a second attempt of a file begins again
    assert told[1][1] == "2.0 of 4.0 MB, 0 of 3 files sent to the object store"
    assert told[4][1] == "3.0 of 4.0 MB, 2 of 3 files sent to the object store"
    assert told[5][1] == "4.0 of 4.0 MB, 3 of 3 files sent to the object store"


@pytest.mark.parametrize(("size", "said"), [(0, "0.0"), (1234, "0.001"), (99_999, "0.100"), (100_000, "0.1"), (12_345_678_901, "12,345.7")])
def test_megabytes_of_small_files_are_not_nothing(size, said):
    assert megabytes(size) == said


def test_only_a_long_transfer_says_each_tenth():
    for is_long, expected in ((True, ["15", "30", "99"]), (False, [])):
        said = []
        tell = at_tenths(said.append, is_long)
        for share in (0, 5, 15, 19, 30, 39, 29, 99, 100):
            tell(share / 100, str(share))
        assert said == expected


def test_sending_and_fetching_say_how_far_they_are(two, folder, monkeypatch):
    here, there = two
    sent = Told()
    made = import_as(here, folder, progress=sent)
    size = sum(map(len, [*set_files(here).values(), *arrays_of(here).values()]))
    sent = [(share, what) for share, what in sent if what.endswith("sent to the object store")]
    assert sent[0] == (0.0, f"0.0 of {megabytes(size)} MB, 0 of {FILES} files sent to the object store")
    assert sent[-1] == (1.0, f"{megabytes(size)} of {megabytes(size)} MB, {FILES} of {FILES} files sent to the object store")
    assert [share for share, _ in sent] == sorted(share for share, _ in sent)
    fetched = Told()
    on(there, monkeypatch, lambda: prepare(open_source(config_on(made.name).data), there.home / "data", fetched))
    size = sum(map(len, arrays_of(here).values()))
    assert fetched[0] == (0.0, f"0.0 of {megabytes(size)} MB, 0 of 10 files fetched from the object store")
    assert (1.0, f"{megabytes(size)} of {megabytes(size)} MB, 10 of 10 files fetched from the object store") in fetched
    assert here.artifacts.sets.moving == there.artifacts.sets.moving == {}


@pytest.mark.parametrize("url", ["memory", pytest.param("s3", marks=pytest.mark.objects)], indirect=True)
def test_who_is_told_may_end_a_transfer_and_the_object_store_is_not_blamed(url, tmp_path):
    """Not with a folder: the system copies its files, and says nothing meanwhile."""

    class EndedError(Exception):
        """None of ours."""

    def end(count):
        raise EndedError

    bucket, file = Bucket(url), tmp_path / "file"
    file.write_bytes(b"x" * 100)
    sent, fetched = [], []
    bucket.write("owner/file", file, sent.append)
    bucket.read("owner/file", tmp_path / "back", fetched.append)
    assert (max(sent), max(fetched)) == (100, 100)
    with pytest.raises(EndedError):
        bucket.write("owner/other", file, end)
    with pytest.raises(EndedError):
        bucket.read("owner/file", tmp_path / "back", end)


@one_place
def test_an_import_can_leave_the_sending_to_others(two, folder):
    here, _ = two
    import_as(here, folder, sends=False)
    assert (objects_of(here), here.artifacts.sets.is_sent("days")) == ([], False)
    assert marked(here.home / "imports", lambda owner: True)
    here.artifacts.background_sync.round()
    assert here.artifacts.sets.is_sent("days")
    assert len(objects_of(here)) == FILES


@one_place
def test_a_set_that_is_being_sent_is_not_sent_twice_and_a_run_on_it_is_refused_in_words(two, folder):
    here, _ = two
    made = import_as(here, folder, sends=False)
    here.artifacts.sets.moving["days"] = (0.25, "1.0 of 4.0 MB, 3 of 14 files sent to the object store")
    with here.artifacts._locked(made.folder):  # as the thread that sends it does
        assert here.artifacts.sets.send_waiting() == []
        with pytest.raises(StoreError, match=r"'days' is being sent: 1.0 of 4.0 MB, 3 of 14 files sent to the object store\. Queue the run"):
            here.create(config_on("days"))
        with pytest.raises(StoreError, match=r"'days' is on its way: 1.0 of 4.0 MB, 3 of 14 files sent to the object store\. Delete it when"):
            delete("days", here.home)
        here.artifacts.sets.moving.clear()
        with pytest.raises(StoreError, match=r"is being sent: another program of this machine does that\. Queue the run"):
            here.create(config_on("days"))
    assert (here.count(), objects_of(here)) == (0, [])
    here.create(config_on("days"))
    assert here.artifacts.sets.is_sent("days")


@one_place
def test_two_senders_at_once_send_a_set_once(tmp_path, url, folder):
    here, _ = machines(tmp_path, url)
    import_as(here, folder, sends=False)
    done = []
    threads = [threading.Thread(target=lambda: done.append(here.artifacts.sets.send("days"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [True] * 4
    assert len(objects_of(here)) == FILES


@one_place
def test_a_run_that_fetches_its_set_says_so_in_its_log(two, folder, monkeypatch, engine):
    here, there = two
    import_as(here, folder)
    first, second = (here.create(config_on("days")) for _ in range(2))
    size = megabytes(sum(map(len, arrays_of(here).values())))
    monkeypatch.setattr(fetched_sets, "LONG", 0)
    assert before_training(here, first) == ""
    assert before_training(there, first) == f"its data set 'days' is fetched from the object store first: {size} MB"
    assert on(there, monkeypatch, lambda: execute(there, first.id)).status == RunStatus.FINISHED
    lines = log_of(here, first.id)
    begun, ended = (
        lines.index(f"fetching the data set 'days' from the object store: {size} MB"),
        lines.index("the data set 'days' is on this machine now"),
    )
    assert all(line.endswith(" files fetched from the object store") for line in lines[begun + 1 : ended])
    assert ended > begun + 1
    assert before_training(there, second) == ""
    on(there, monkeypatch, lambda: execute(there, second.id))
    assert not [line for line in log_of(here, second.id) if "fetch" in line]


@one_place
def test_a_queued_run_whose_set_is_gone_or_another_one_says_that_it_will_fail(two, folder, tmp_path):
    here, _ = two
    import_as(here, folder)
    run = here.create(config_on("days"))
    delete("days", here.home)
    assert before_training(here, run).startswith("it will fail: unknown imported data set 'days'")
    import_as(here, pictures(tmp_path / "others", seed=1))
    assert before_training(here, run).startswith("it will fail: the data set 'days' is not the one that this run was made for")


@one_place
def test_what_is_wrong_with_a_set_is_told_until_it_is_mended(two, folder, tmp_path, monkeypatch):
    here, there = two
    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.data.imports.import_library._shared", {})
        import_as(there, pictures(tmp_path / "others", seed=1))
    import_as(here, folder)
    there.artifacts.sets.mark_all()
    there.artifacts.background_sync.round()
    [problem] = set_problems(there)
    assert problem.startswith("another machine has sent other data as the data set 'days'")
    there.artifacts.background_sync.round()
    assert set_problems(there) == [problem]  # told once, however often it is tried
    assert set_problems(here) == []
    delete("days", there.home)
    there.artifacts.background_sync.round()
    assert set_problems(there) == []


@one_place
def test_an_object_store_that_is_away_is_told_once(two, folder):
    here, _ = two
    here.bucket.is_away = True
    import_as(here, folder)
    assert "no route to host" in here.artifacts.sets.problems["days"]
    assert set_problems(here) == []  # the status bar has ``artifacts.problem``
    here.bucket.is_away = False
    here.artifacts.background_sync.round()
    assert here.artifacts.sets.problems == {}


def test_without_an_object_store_a_lost_cache_is_told(store, folder, monkeypatch):
    monkeypatch.setenv("MTL_HOME", str(store.home))
    import_as(store, folder)
    run = store.create(config_on("days"))
    assert (before_training(store, run), set_problems(store)) == ("", [])
    for path in (store.home / "data").rglob("meta.json"):
        path.unlink()
    assert before_training(store, run) == "the images of its data set 'days' are prepared again first"


@one_place
def test_an_import_whose_sending_is_ended_by_who_is_told_stays(two, folder):
    """Such as a page's job that is cancelled."""
    here, _ = two

    def cancelled(share, what):
        if what.endswith("sent to the object store") and share > 0.3:
            raise DataError("cancelled")

    import_as(here, folder, progress=cancelled)
    assert here.artifacts.sets.problems == {"days": "cancelled"}
    assert not here.artifacts.sets.is_sent("days")
    told = Told()
    assert here.artifacts.sets.send_waiting(is_asked=True, progress=told) == [("days", "")]
    assert told[-1][0] == 1.0
    assert len(objects_of(here)) == FILES


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from object_stores import FaultyBucket, machines

def killed(bucket, name, source, moved):
    bucket._call(lambda files, place: files.pipe_file(place, b"half"), name)
    os.kill(os.getpid(), signal.SIGKILL)

here, _ = machines(Path(sys.argv[3]), sys.argv[4])
FaultyBucket.write = killed
here.artifacts.sets.send("days")
"""


def test_a_killed_process_that_was_sending_is_followed_by_another(tmp_path):
    """Really killed, in the middle of an object, in a folder whose name has a space and letters of another script."""
    place, url = tmp_path / "我的 家", f"file://{tmp_path / 'their objects'}"
    place.mkdir()
    here, there = machines(place, url)
    import_as(here, pictures(tmp_path / "my 照片"), sends=False)
    command = [sys.executable, "-c", KILLED, str(ROOT), str(ROOT / "tests" / "runs"), str(place), url]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert objects_of(here)
    assert imported(there.home) == []
    assert here.artifacts.sets.send_waiting() == [("days", "")]
    assert len(objects_of(here)) == FILES
    assert [one.name for one in imported(there.home)] == ["days"]
    assert set_files(there) == set_files(here)
