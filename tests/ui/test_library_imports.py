"""What the server imports while it starts, so that the first page and the first run do not wait for it."""

import subprocess
import sys

SCRIPT = """
import sys
from ui.shell.library_imports import LIBRARIES, import_libraries
assert not set(LIBRARIES) & set(sys.modules)
import_libraries().join()
assert set(LIBRARIES) <= set(sys.modules)
import mtl_core.studies.answer, mtl_core.studies.verdict, ui.studies.study_page
from mtl_core.analysis.student_interval import t_factor
t_factor(4)
print(sorted({name.partition(".")[2] for name in sys.modules if name.startswith("scipy.")} & {"special", "stats"}), "torch" in sys.modules)
"""
# Pages are drawn while PyTorch is being imported. Here its import lasts until all is seen.
TORCH = """
import sys, threading
from mtl_core.runs.background import engine_import
from ui.shell import library_imports, page_imports

asked, seen = threading.Event(), threading.Event()

def slow(name):
    if name == "torch":
        print(name, [each in sys.modules for each in library_imports.LIBRARIES])
    asked.set()
    seen.wait()

engine_import.import_module = slow
engine_import.freeze_after_imports = lambda: print("frozen")
library_imports.import_libraries()
torch = library_imports.import_torch_next()
asked.wait()
page_imports.import_pages_next().join()
print(set(page_imports.modules_of_pages()) <= set(sys.modules), torch.is_alive())
seen.set()
torch.join()
"""
# The second import of a module that failed half way raises another error.
FAILED = """
from mtl_core.runs.background import engine_import
from ui.shell import library_imports

def broken(name):
    raise ImportError("libcudart.so.12: cannot open shared object file")

engine_import.import_module = broken
library_imports.import_torch_next().join()
print("ended")
"""
# Two threads import PyTorch and the pages at once. A module that both need may be half initialised in one of them, if it is part of a circle.
COMMON = """
import os, sys
import streamlit.web.cli, ui.shell.server_access
from ui.shell.library_imports import import_libraries
from ui.shell.page_imports import import_pages
import_libraries().join()
before = set(sys.modules)
read, write = os.pipe()
if (child := os.fork()) == 0:
    import torch._dynamo
    os.write(write, " ".join(set(sys.modules) - before).encode())
    os._exit(0)
os.close(write)
import_pages()
of_torch = set(open(read).read().split())
os.waitpid(child, 0)
common = (set(sys.modules) - before) & of_torch
print("torch" in of_torch, sorted(name for name in common if name.partition(".")[0] not in sys.stdlib_module_names))
"""


def test_why_an_import_of_torch_has_failed_is_in_the_servers_log():
    done = subprocess.run([sys.executable, "-c", FAILED], capture_output=True, text=True, check=False)
    assert done.stdout == "ended\n"
    assert "the import of PyTorch failed" in done.stderr
    assert "ImportError: libcudart.so.12: cannot open shared object file" in done.stderr


def said_by(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.stdout


def test_the_libraries_are_there_before_a_page_and_the_page_of_a_study_needs_no_larger_ones():
    """``scipy.stats`` takes half a second to import, and torch seconds."""
    assert said_by(SCRIPT) == "['special'] False\n"


def test_torch_is_imported_after_the_libraries_and_no_page_waits_for_it():
    assert said_by(TORCH).splitlines() == ["torch [True, True, True]", "True True", "frozen"]


def test_torch_has_no_module_in_common_with_the_pages():
    """It takes three seconds: the imports themselves are what is looked at."""
    assert said_by(COMMON) == "True []\n"
