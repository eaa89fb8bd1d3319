"""Ctrl-C while the command line, or the dashboard as a service, is still being imported."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize(
    ("program", "imported"),
    [
        ("run_module('mtl_core', run_name='__main__')", "click"),
        ("run_module('mtl_core', run_name='__main__')", "sqlalchemy"),
        ("run_module('mtl_core', run_name='__main__')", "mtl_core.cli.work_commands"),
        ("run_path('serve.py', run_name='__main__')", "streamlit.web"),
        ("run_path('serve.py', run_name='__main__')", "sqlalchemy"),
    ],
)
def test_ctrl_c_while_it_is_imported_ends_quietly(program, imported):
    code = f"""if True:
        import os, runpy, signal, sys
        class Interrupts:
            def find_spec(self, name, *_):
                if name == {imported!r}:
                    os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it
        sys.meta_path.insert(0, Interrupts())
        runpy.{program}"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: stopped\n")
