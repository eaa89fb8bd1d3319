"""Run: one run, while it trains and after it has ended."""

from mtl_core.language import tr
from ui.run.run_page import show_run
from ui.shell.error_boundary import run_inside_app
from ui.shell.run_picker import asked_run, no_runs
from ui.shell.state import run_store
from ui.status.status_bar import polling_strip


def main() -> None:
    if not run_store().count():
        polling_strip()
        no_runs(tr("The curves and predictions of a run appear here."))
        return
    run_id = asked_run(run_store())
    if run_id is None:
        polling_strip()
        return
    show_run(run_id)


run_inside_app()
main()
