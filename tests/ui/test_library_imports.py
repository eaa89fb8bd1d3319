"""What the server imports while it starts, so that the first page does not wait for it."""

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


def test_the_libraries_are_there_before_a_page_and_the_page_of_a_study_needs_no_larger_ones():
    """``scipy.stats`` takes half a second to import, and torch seconds."""
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert said.stdout == "['special'] False\n", said.stderr
