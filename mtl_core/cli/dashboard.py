"""``ui`` and ``serve``: open the dashboard, from a checkout or from an installed package. Streamlit runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from mtl_core.errors import NotPossibleError

INSTALLED = "mtl_dashboard"  # the folder beside mtl_core that an installation has the pages in, see pyproject.toml

_PASSED_ON = {"ignore_unknown_options": True}
_OPTIONS = click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS of 'streamlit run']...")


def app_folder() -> Path:
    """The folder with app.py, pages and ui: the checkout, or what an installation brought along.

    Raises:
        NotPossibleError: mtl_core is here without the pages.
    """
    beside = Path(__file__).resolve().parents[2]
    for folder in (beside, beside / INSTALLED):
        if (folder / "app.py").is_file() and (folder / "ui" / "shell" / "app_frame.py").is_file():
            return folder
    raise NotPossibleError(
        f"the dashboard's pages are not installed: neither '{beside}' nor '{beside / INSTALLED}' has app.py. Install the package again"
    )


@click.command(context_settings=_PASSED_ON)
@_OPTIONS
def ui(options: tuple[str, ...]) -> int:
    """Open the dashboard in the browser. Takes the options of 'streamlit run', such as --server.port 8600 --server.headless true.

    Runs are kept in MTL_HOME (default ./runs). Ctrl-C ends the server; runs that train save their state first.
    """
    return _run(["-P", "-m", "streamlit", "run", str(app_folder() / "app.py"), *options])


@click.command(context_settings=_PASSED_ON)
@_OPTIONS
def serve(options: tuple[str, ...]) -> int:
    """Open the dashboard as a service: it works on the queue from its start, not only once a page was opened. Options as for 'ui'."""
    return _run([str(app_folder() / "serve.py"), *options])


def _run(arguments: list[str]) -> int:
    """Become the server, so that signals reach it directly; where a process cannot be replaced, wait for it."""
    if find_spec("streamlit") is None:
        raise NotPossibleError("the package streamlit is not installed. Install it with: pip install streamlit")
    command = [sys.executable, *arguments]
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(sys.executable, command)
    return subprocess.run(command, check=False).returncode
