"""An evaluation behind the pages: a process that says how it goes, and why it gave nothing."""

import json

import pytest

from mtl_core.errors import NotPossibleError
from mtl_core.runs.background import evaluation_job
from mtl_core.runs.background.evaluation_job import JobNote
from mtl_core.runs.process_identity import this_process


def test_a_note_is_read_back_and_a_second_one_refused(store, config):
    run = store.create(config())
    folder = store.folder(run.id)
    assert evaluation_job.state(folder) is None
    note = JobNote(folder, ["val"])
    note.written = 0.0
    note.progress(0.5, "val")
    assert evaluation_job.state(folder)["share"] == 0.5
    with pytest.raises(NotPossibleError, match="being evaluated already"):
        evaluation_job.start(store, run.id, ["val"])
    note.write(state="done")
    assert evaluation_job.state(folder)["state"] == "done"


def test_a_process_that_is_gone_is_never_shown_as_running(store, config):
    folder = store.folder(store.create(config()).id)
    JobNote(folder, ["val"]).write(pid=2**22 - 3)
    assert evaluation_job.state(folder)["state"] == "gone"
    (folder / "evaluations" / "job.json").write_text("{")
    assert evaluation_job.state(folder) is None


def test_the_process_says_why_it_gave_nothing(store, config):
    run = store.create(config())
    evaluation_job.start(store, run.id, ["val"])
    assert evaluation_job.state(store.folder(run.id))["state"] == "running"
    process = evaluation_job.process_slot("evaluations")[json.loads((store.folder(run.id) / "evaluations" / "job.json").read_text())["pid"]]
    assert process.wait(60) == 2
    note = evaluation_job.state(store.folder(run.id))
    assert (note["state"], note["error"]) == ("failed", f"run {run.id} has no checkpoint: one is saved after each epoch")
    assert this_process().pid != note["pid"]
