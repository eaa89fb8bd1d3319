"""PyTorch, torchvision and the trainer are imported by one thread, whatever needs them meanwhile."""

import sys
from pathlib import Path

import pytest
from evidence import brief

from mtl_core.runs import claims
from mtl_core.runs.background import engine_import, program_end
from mtl_core.runs.executor import execute
from mtl_core.runs.process_singletons import process_slot

# The threads that import a module of the engine, until the engine is there. A queued run, a job and a device that is to be resolved need it at once.
SCRIPT = """
import sys, threading
sys.path.append(sys.argv[1])
importing, started = set(), threading.Event()

def note(event, arguments):
    if event == "import" and arguments[0].partition(".")[0] in ("torch", "torchvision"):
        started.set()
        importing.add(threading.current_thread().name)

from evidence import brief
from mtl_core.runs import executor, jobs
from mtl_core.runs.background.background_jobs import BackgroundJobs
from mtl_core.runs.store import open_store

store = open_store()
run = store.create(brief(epochs=1, device="auto"))

def ask_torchvision(progress, cancelled):
    from torchvision import ops
    return ops.__name__

sys.addaudithook(note)
jobs.warm_up()
started.wait()
jobs.start_worker(store)
job = BackgroundJobs("engine", needs_engine=True).start("a", ask_torchvision)
resolving = threading.Thread(target=executor.resolve_device, args=("auto",))
resolving.start()
jobs.process_slot("warm")["thread"].join()
print(sorted(importing))
resolving.join()
job["thread"].join()
print(job["result"], job["error"])
while not (ended := store.get(run.id)).status.is_ended():
    threading.Event().wait(0.02)
print(ended.status.value, ended.failure)
"""


def test_the_engine_is_imported_by_one_thread(python):
    """If several import it, one of them may get a module of torchvision that is half initialised, and its run fails."""
    process = python(SCRIPT, str(Path(__file__).parent))
    said, errors = process.communicate(timeout=120)
    assert said.splitlines() == ["['mtl-warm-up']", "torchvision.ops ", "finished None"], errors


@pytest.mark.parametrize("ends", [True, False])
def test_a_run_whose_import_is_cut_by_the_programs_end_is_interrupted(store, monkeypatch, ends):
    """Python refuses parts of an import while a program ends."""

    def refuse(name):
        raise RuntimeError("can't register atexit after shutdown")

    monkeypatch.setattr(engine_import, "import_module", refuse)
    monkeypatch.delitem(sys.modules, engine_import.TRAINER, raising=False)
    run = store.create(brief())
    token = claims.claim(store, run.id, "cpu")
    monkeypatch.setitem(process_slot("training"), "closing", False)  # put back afterwards
    if ends:
        program_end.begin_closing()
        with pytest.raises(SystemExit):
            execute(store, run.id, token=token)
    else:
        execute(store, run.id, token=token)
    ended = store.get(run.id)
    assert (ended.status, ended.failure is None) == (("interrupted", True) if ends else ("failed", False))
