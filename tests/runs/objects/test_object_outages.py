"""The object store cannot be reached: training goes on, pages show what is here, and what waits is sent later."""

import pytest
from object_stores import checkpoint, end, log_of, objects_of, one_place

from mtl_core.errors import UnreachableObjectsError
from mtl_core.runs.executor import execute
from mtl_core.runs.objects.unsent_marks import marked_runs
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.status import RunStatus
from mtl_core.training.checkpoint_files import check_files


@one_place
def test_without_the_object_store_nothing_is_lost_and_the_log_says_so(two, held):
    here, there = two
    run_id, token = held
    here.bucket.is_away = True
    name = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    here.artifacts.keep(run_id, token)
    said = [text for text in log_of(here, run_id) if "no route to host" in text]
    assert len(said) == 1
    assert said[0].startswith("what this run makes is kept on ")
    assert "no route to host" in here.artifacts.problem
    check_files(here.place(run_id), name)
    end(here, run_id)
    assert [problem.partition(": ")[2] for _, problem in here.artifacts.send_waiting()] == ["no route to host"]
    there.folder(run_id)
    assert not (there.place(run_id) / "checkpoints").exists()
    here.bucket.is_away = False
    assert here.artifacts.send_waiting() == [(run_id, "")]
    assert here.artifacts.problem == ""
    assert log_of(here, run_id)[-1].endswith("is in the object store now: 5 files")  # with log.txt
    there.artifacts.bring(run_id, lambda path: True)
    check_files(there.place(run_id), name)


@one_place
def test_without_the_object_store_a_page_shows_what_is_here_and_a_new_run_is_refused(two, held, config):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    there.folder(run_id)
    before = there.files(run_id)
    here_again = checkpoint(here.folder(run_id), 2)
    here.artifacts.keep(run_id, token)
    there.bucket.is_away = True
    assert there.files(there.folder(run_id).name) == before
    assert "no route to host" in there.artifacts.problem
    with pytest.raises(UnreachableObjectsError, match="no route to host"):
        there.artifacts.bring(run_id, lambda path: here_again in path)
    count = there.count()
    with pytest.raises(UnreachableObjectsError, match="no route to host"):
        there.create(config())
    assert there.count() == count
    assert [path.name for path in there.artifacts.runs.glob("2*")] == [run_id]


@one_place
def test_a_run_that_cannot_be_fetched_is_interrupted_not_begun_anew(two, held, engine):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token, at_end=True)
    end(here, run_id, "interrupted")
    resume(there, run_id)
    there.bucket.is_away = True
    run = execute(there, run_id)
    assert (run.status, run.step) == (RunStatus.INTERRUPTED, 0)
    assert any(text.startswith("interrupted: the object store") for text in log_of(there, run_id))


@one_place
def test_training_goes_on_while_the_object_store_is_away(two, held, engine, config):
    here, _ = two
    run_id = here.create(config("waits for nothing")).id
    here.bucket.is_away = True
    run = execute(here, run_id)
    assert (run.status, run.step) == (RunStatus.FINISHED, 4)
    assert len([text for text in log_of(here, run_id) if "is kept on" in text]) == 1
    assert marked_runs(here.artifacts.runs) == [run_id]
    here.bucket.is_away = False
    here.artifacts.background_sync.round()
    assert marked_runs(here.artifacts.runs) == []
    assert any(name.startswith(f"{run_id}/log.txt/") for name in objects_of(here))


@one_place
def test_a_place_that_does_not_exist_is_told(two, config, monkeypatch):
    """S3 answers 404 for a bucket that does not exist, as for an object."""
    here, _ = two

    class NoBucket:
        def pipe_file(self, *arguments):
            raise FileNotFoundError("Not Found")

        put_file = pipe_file

    monkeypatch.setattr(here.bucket, "_files", lambda: (NoBucket(), "bucket"))
    with pytest.raises(UnreachableObjectsError, match="there is no such place"):
        here.create(config())
