"""From the evaluation's matrix to its images, a split predicted on demand, and exports down to the files on the user's disk."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from mtl_core.config import RunConfig
from mtl_core.runs.evaluations import evaluations
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import open_store
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

VIEWER = ".viewer[data-drawn][data-ready]"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The smallest real run: (store, run) after two epochs on scikit-learn's digits."""
    store = open_store(tmp_path_factory.mktemp("take_away") / "home")
    tasks = {"digit": {}, "slant": {}}
    config = {
        "name": "digits",
        "data": {"name": "digits"},
        "tasks": tasks,
        "backbone": {"name": "mlp", "hidden": [16]},
        "epochs": 2,
        "probe_samples": 4,
    }
    done = execute(store, store.create(RunConfig.from_dict(config)).id)
    assert done.status == "finished", done.failure
    return store, done


@pytest.fixture(scope="module")
def server(run, tmp_path_factory):
    running = Server(run[0].home, tmp_path_factory.mktemp("take_away_server") / "server.log")
    yield running
    running.close()


def click_cell(page: Page, row: int, column: int) -> None:
    """Where Plotly draws it."""
    chart = page.get_by_role("img", name="Confusion matrix")
    chart.locator(".heatmaplayer image").wait_for(state="attached")
    place = chart.evaluate(
        """(box, [row, column]) => { const { xaxis, yaxis, _size } = box._fullLayout;
        return { x: _size.l + xaxis.d2p(column), y: _size.t + yaxis.d2p(row) }; }""",
        [row, column],
    )
    chart.hover(position=place)
    chart.click(position=place)


def test_a_cell_of_the_matrix_opens_its_images_and_one_of_them_opens_large(page, server, run):
    store, about = run
    page.goto(f"{server.url}/run?run={about.id}&view=evaluation")
    page.get_by_role("button", name="Evaluate on val", exact=True).click()
    page.locator(".st-key-evaluation_digit").wait_for()
    (found,) = evaluations(store.folder(about.id))
    cells = found.cells("digit", found.arrays("digit"))
    matrix = cells.matrix()
    row = column = int(np.diag(matrix).argmax())  # never the cell that is open at first: that one holds mistakes
    click_cell(page, row, column)
    opened = page.get_by_text(f"{row} → {column}: {matrix[row, column]} images")
    expect(opened).to_be_visible()
    page.wait_for_url(f"**cell=digit.{row}.{column}**")
    page.reload()  # the address keeps it
    expect(opened).to_be_visible()

    image = int(cells.images(row, column)[0][0])
    page.get_by_role("link", name=f"image {image} ·").first.click()
    page.get_by_role("button", name="Predict the val split").click()
    page.wait_for_selector(f"{VIEWER}[data-sample='{image}']")
    assert f"images=val&sample={image}" in page.url
    expect(page.locator(".viewer .row[data-task='digit'] .number")).to_have_text(str(row))
    expect(page.locator(".viewer canvas[aria-label='Input']")).to_be_visible()


def test_play_goes_through_the_epochs_and_zoom_is_kept_in_step(page, server, run):
    page.goto(f"{server.url}/predictions?run={run[1].id}&sample=1&epoch=0")
    page.wait_for_selector(f"{VIEWER}[data-epoch='0']")
    page.get_by_role("button", name="Play").click()
    page.wait_for_selector(".viewer[data-epoch='2']")
    expect(page.get_by_role("button", name="Play")).to_be_visible()  # it stops at the end
    page.wait_for_url("**epoch=2**")
    canvas = page.locator(".viewer canvas[aria-label='Input']")
    canvas.hover(position={"x": 30, "y": 20})
    expect(page.locator(".viewer .tip")).to_contain_text("x 0, y 0 · red")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_selector(".viewer[data-zoom='1.250']")
    canvas.dblclick()
    page.wait_for_selector(".viewer[data-zoom='1.000']")


def exported(page: Page, title: str) -> str:
    """Choose a format, have it made, download it; the file's path."""
    page.get_by_role("combobox", name="Export").click()
    page.get_by_role("option", name=title).click()
    expect(page.get_by_role("combobox", name="Export")).to_have_attribute("aria-expanded", "false")
    page.get_by_role("button", name="Make it").click()
    made = page.get_by_test_id("stDownloadButton").get_by_role("button", name=title)
    made.wait_for()
    with page.expect_download() as download:
        made.click()
    return str(download.value.path())


def test_a_file_and_everything_in_one_zip_reach_the_users_disk(page, server, run):
    store, about = run
    page.goto(f"{server.url}/run?run={about.id}")
    with open(exported(page, "Metrics, JSON"), encoding="utf-8") as file:
        told = json.load(file)
    assert told["run"] == about.id or about.id in json.dumps(told)
    with zipfile.ZipFile(exported(page, "Everything, one zip")) as file:
        assert file.testzip() is None
        names = file.namelist()
    for ending in (".onnx", "model.safetensors", ".csv", "report.html", ".yaml", ".svg"):
        assert any(name.endswith(ending) for name in names), (ending, names)
