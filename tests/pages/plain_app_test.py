"""AppTest without what it does beside the run of a page."""

from __future__ import annotations

from typing import Any

from streamlit.runtime.scriptrunner.script_cache import ScriptCache

RUNNER = "streamlit.testing.v1.local_script_runner"
COMPILED = ScriptCache()  # no test changes a page's file


def spare(monkeypatch: Any) -> None:
    """Let AppTest neither search the metadata of all installed packages for components, which takes a quarter of a second at each run of a page,
    nor ask a thousand times a second whether the page has ended, which takes the processor from it, nor compile the page's files anew."""
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
    monkeypatch.setattr(f"{RUNNER}.require_widgets_deltas", _wait)
    for module in (RUNNER, "streamlit.testing.v1.app_test"):
        monkeypatch.setattr(f"{module}.ScriptCache", lambda: COMPILED)


def _wait(runner: Any, timeout: float) -> None:
    runner._script_thread.join(timeout)
    if not runner.script_stopped():
        runner.request_stop()
        raise RuntimeError(f"the page has not ended after {timeout} s")
