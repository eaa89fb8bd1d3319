"""Plotly's script: where the server gives it, and of which version it is."""

import re

import pytest
from plotly.offline import get_plotlyjs_version
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit import config

from ui.drawing import plotly_script
from ui.drawing.plotly_script import SCRIPT, script_address, script_routes


@pytest.mark.parametrize("base", ["", "lab/vision"])
def test_a_browser_gets_the_script_and_may_keep_it(base):
    before = config.get_option("server.baseUrlPath")
    try:
        config.set_option("server.baseUrlPath", base)
        with TestClient(Starlette(routes=script_routes())) as client:
            answer = client.get(script_address())
            assert script_address().startswith(f"/{base}/plotly/" if base else "/plotly/")
    finally:
        config.set_option("server.baseUrlPath", before)
    assert (answer.status_code, answer.content) == (200, SCRIPT.read_bytes())
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, immutable, max-age=31536000"


def test_another_script_has_another_address(monkeypatch, tmp_path):
    before = script_address()
    other = tmp_path / "other.js"
    other.write_bytes(SCRIPT.read_bytes() + b"\n")
    monkeypatch.setattr(plotly_script, "SCRIPT", other)
    plotly_script._digest.cache_clear()
    try:
        assert script_address() != before
    finally:
        plotly_script._digest.cache_clear()


def test_the_script_is_of_the_version_that_the_package_writes_figures_for():
    """A new main version of the package may write what this script does not know: then it is replaced (CONTRIBUTING.md)."""
    of_script = re.search(r"plotly\.js \(cartesian - minified\) v(\d+)\.", SCRIPT.read_text(encoding="utf-8")[:200])
    assert of_script is not None
    assert of_script[1] == get_plotlyjs_version().partition(".")[0]
