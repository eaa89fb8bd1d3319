"""A machine that dies while it sends, or whose run another one has claimed: no checkpoint is lost and none is read by halves."""

import pytest
from object_stores import Killed, checkpoint, end, log_of, objects_of, one_place

from mtl_core.errors import RunTakenError
from mtl_core.runs.claims import claim
from mtl_core.runs.objects.unsent_marks import UnsentMark, marked_runs
from mtl_core.runs.resume_and_fork import resume
from mtl_core.training.checkpoint_files import check_files, read_index


def test_a_kill_before_the_pointers_leaves_the_checkpoint_before(two, held):
    """Objects are written whole, then the pointers change: another machine never sees a part."""
    here, there = two
    run_id, token = held
    first = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    before = objects_of(here)
    for sent in range(5):  # model, state, meta, index: some of the second checkpoint's objects are there
        if sent == 0:
            second = checkpoint(here.folder(run_id), 2)
        here.bucket.dies_after = sent
        if sent < 4:
            with pytest.raises(Killed):
                here.artifacts.keep(run_id, token)
        with there.artifacts.training(run_id, "another", here.get(run_id).config):
            assert read_index(there.place(run_id))["last"] == first
            check_files(there.place(run_id), first)
        UnsentMark.of(there.artifacts.runs, run_id).drop()
    here.bucket.dies_after = None
    end(here, run_id, "interrupted")
    assert marked_runs(here.artifacts.runs) == [run_id]
    assert here.artifacts.send_waiting() == [(run_id, "")]
    assert marked_runs(here.artifacts.runs) == []
    there.artifacts.bring(run_id, lambda path: True)
    assert read_index(there.place(run_id))["last"] == second
    check_files(there.place(run_id), second)
    assert len(objects_of(here)) == len(before) + 3  # what the attempts left is gone


@one_place
def test_a_kill_after_the_pointers_loses_nothing(two, held, monkeypatch):
    here, there = two
    run_id, token = held
    name = checkpoint(here.folder(run_id), 1)

    def killed(self, *arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.runs.objects.folder_sending.FolderSending.note", killed)
        with pytest.raises(Killed):
            here.artifacts.keep(run_id, token)
    before = objects_of(here)
    end(here, run_id)
    assert here.artifacts.send_waiting() == [(run_id, "")]
    there.artifacts.bring(run_id, lambda path: True)
    check_files(there.place(run_id), name)
    assert set(objects_of(here)) - set(before) <= {path for path in objects_of(here) if "index.json" in path or "log.txt" in path}


@one_place
def test_a_trainer_whose_run_was_claimed_anew_changes_nothing(two, held):
    here, there = two
    run_id, token = held
    first = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    end(here, run_id, "interrupted")
    resume(there, run_id)
    claim(there, run_id, "cpu")
    checkpoint(here.place(run_id), 2)
    before = objects_of(here)
    with pytest.raises(RunTakenError):
        here.artifacts.keep(run_id, token)
    there.artifacts.bring(run_id, lambda path: True)
    assert read_index(there.place(run_id))["last"] == first
    here.artifacts.send_waiting()
    assert set(before) <= set(objects_of(here))


@one_place
def test_checkpoints_that_were_overtaken_are_kept_under_another_name(two, held):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    here.bucket.is_away = True
    lonely = checkpoint(here.place(run_id), 2, b" alone")
    here.artifacts.keep(run_id, token, at_end=True)
    end(here, run_id, "interrupted")
    resume(there, run_id)
    token = claim(there, run_id, "cpu")
    with there.artifacts.training(run_id, token, there.get(run_id).config):
        newest = checkpoint(there.place(run_id), 3)
        there.artifacts.keep(run_id, token, at_end=True)
    end(there, run_id)
    here.bucket.is_away = False
    assert "no longer held here" in dict(here.artifacts.send_waiting())[run_id]
    here.artifacts.bring(run_id, lambda path: True)
    kept = here.place(run_id) / "checkpoints"
    assert (kept / f"{lonely}.unsent" / "state.pt").read_bytes() == b"state.pt of epoch 2 alone"
    assert read_index(here.place(run_id))["last"] == newest
    check_files(here.place(run_id), newest)
    assert any(f"{lonely}.unsent" in text for text in log_of(here, run_id))
    here.artifacts.keep(run_id)
    assert not any(lonely in name for name in objects_of(here))
