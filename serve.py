"""The dashboard as a service: it starts queued runs at once, not only when a page is opened.

``python serve.py`` takes the options of ``streamlit run``.
"""

from __future__ import annotations

import sys

STOPPED = 130  # exit code after Ctrl-C
try:
    from pathlib import Path

    from streamlit.web import cli

    from mtl_core import settings
    from mtl_core.errors import MTLError
    from mtl_core.runs import jobs
    from mtl_core.runs.store import open_store
    from mtl_core.studies.weight_search import follow_queue
except KeyboardInterrupt:  # the imports take more than half a second
    print("error: stopped", file=sys.stderr)
    sys.exit(STOPPED)

APP = Path(__file__).with_name("app.py")


def main() -> None:
    """Train the queued runs and serve the pages until a signal ends both."""
    try:
        settings.check()
        settings.use_threads()
        follow_queue()
        jobs.start_worker(open_store())
    except MTLError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    jobs.warm_up()
    cli.main(["run", str(APP), *sys.argv[1:]], prog_name="streamlit")


if __name__ == "__main__":
    main()
