"""The modules of all pages are imported by one thread, however many viewers open pages at once."""

import subprocess
import sys
from pathlib import Path

from ui.shell.page_imports import FRAME, modules_of_pages

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys, threading
from ui.shell.library_imports import LIBRARIES, import_libraries
from ui.shell.page_imports import import_pages, modules_of_pages

importing, seen = {}, []

def note(event, arguments):
    if event == "import":
        importing.setdefault(threading.current_thread().name, set()).add(arguments[0])

together = threading.Barrier(4)

def view():
    together.wait()
    import_pages()
    seen.append((set(modules_of_pages()) | set(LIBRARIES) <= set(sys.modules), "torch" in sys.modules))

sys.setswitchinterval(1e-5)
sys.addaudithook(note)
import_libraries()
views = [threading.Thread(target=view, name=f"view {number}") for number in range(4)]
[thread.start() for thread in views]
[thread.join() for thread in views]
print(seen)
print(len([name for name in importing if name.startswith("view")]))
"""


def test_the_pages_are_imported_by_one_thread():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [str([(True, False)] * 4), "1"], done.stderr


def test_every_import_at_the_top_of_a_page_is_known():
    known = set(modules_of_pages())
    assert {FRAME, "mtl_core.config", "ui.run.run_page", "ui.train.train_form"} <= known
