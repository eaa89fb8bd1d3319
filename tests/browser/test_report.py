"""The report in Chromium without a network: no errors, nothing asked for, every picture there, and paper."""

import pytest

from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.writing import export
from mtl_core.runs.store import open_store

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(dashboard, every_kind, tmp_path_factory):
    """The report of a run with a task of every kind."""
    (path,), _ = export(ExportSource(open_store(dashboard.home), every_kind), ["report"], tmp_path_factory.mktemp("report"))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_offline(chromium, path, scheme):
    context = chromium.new_context(offline=True, color_scheme=scheme, viewport={"width": 1280, "height": 900})
    tab, said, asked = context.new_page(), [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    assert tab.locator("img").evaluate_all("images => images.every(image => image.complete && image.naturalWidth > 0)")
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 22, 28)"}[scheme]
    tab.emulate_media(media="print")  # paper is white whatever the screen is
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.pdf(format="A4").startswith(b"%PDF")
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    context.close()
