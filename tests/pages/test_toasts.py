"""Messages that come at once: few toasts, and none that the one mechanism does not count."""

import ast
from pathlib import Path

import pytest

from mtl_core.errors import ConfigError
from mtl_core.runs import actions
from mtl_core.runs.alerts.run_alerts import ALERT
from tests.pages.conftest import config

ROOT = Path(__file__).parents[2]
MOST = 3


def test_every_toast_is_counted():
    """By ``ui/status/toasts.py``."""
    found = {}
    for path in sorted((*(ROOT / "ui").rglob("*.py"), *(ROOT / "pages").rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "toast":
                found.setdefault(path.relative_to(ROOT).as_posix(), []).append(node.lineno)
    assert list(found) == ["ui/status/toasts.py"]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (2, ["run 0: removed from the queue", "run 1: removed from the queue"]),
        (12, ["12 runs: removed from the queue"]),
    ],
)
def test_runs_that_end_together_are_few_toasts(open_page, store, runs, said):
    made = [store.create(config(name=f"run {number}")) for number in range(runs)]
    app = open_page("compare")
    assert not app.toast
    for run in made:
        actions.stop(store, run.id)
    app.run()
    assert [toast.value.replace("\\", "") for toast in app.toast] == said
    app.run()
    assert not app.toast


def test_many_alerts_are_few_toasts(open_page, store, make_run):
    run = make_run()
    app = open_page("data")
    for number in range(12):
        store.note(run.id, ALERT, f"alert {number}")
    app.run()
    shown = [toast.value for toast in app.toast]
    assert len(shown) == MOST
    assert [alert in text for alert, text in zip(("alert 0", "alert 1", "10 more messages"), shown, strict=True)] == [True] * MOST


def test_an_export_that_is_refused_says_so_at_its_button(open_page, finished, monkeypatch):
    def refuse(*_):
        raise ConfigError("this export is refused")

    monkeypatch.setattr("ui.run.export_panel.start", refuse)
    app = open_page("run", run=finished.id)
    app.button(key=f"export.{finished.id}").click().run()
    for _ in range(5):
        app.button(key=f"export.make.{finished.id}").click().run()
    assert not app.toast
    assert [error.value for error in app.error] == ["this export is refused"]
