"""Words that people bring are shown as words on every page: no script of theirs runs, no style of theirs counts, no address of theirs is asked."""

import csv

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from mtl_core.config import RunConfig
from mtl_core.data.imports import import_dataset, propose
from mtl_core.runs import actions
from mtl_core.runs.store import open_store
from tests.browser.one_tab import go

pytestmark = pytest.mark.browser

SCRIPT = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
STYLE = "</style><style>body{display:none}"
PICTURE = "![x](http://127.0.0.1:9/x)"
FORMULA = "=cmd|' /C calc'!A0"
TURNED = "\u202etxt.exe\u2066"
LONG = "n" * 300
CLASSES = [SCRIPT, STYLE, PICTURE, FORMULA, TURNED, LONG, "__proto__", "constructor"]


@pytest.fixture(scope="module")
def hostile(server, train, tmp_path_factory):
    """A finished run on an imported set; its class names, file names, column titles, name, note and tags are hostile."""
    folder, random = tmp_path_factory.mktemp("brought"), np.random.default_rng(0)
    rows = []
    for place in range(48):
        name = f"{'<b onclick=1>' if place % 3 else PICTURE.replace('/', ':')}{place}.png"
        Image.fromarray(random.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(folder / name)
        rows.append([name, CLASSES[place % 8], CLASSES[place % 8] if place % 2 else CLASSES[3], place * 1.37])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", SCRIPT, STYLE, PICTURE], *rows])
    spec = propose(folder).spec
    spec = spec.model_copy(
        update={"titles": {task.name: title for task, title in zip(propose(folder).tasks, (PICTURE, STYLE, SCRIPT), strict=False)}}
    )
    tasks = {task.name: {} for task in import_dataset(folder, spec, "hostile", home=server.home).tasks}
    settings = {"data": {"name": "imported", "set": "hostile"}, "tasks": tasks, "backbone": {"name": "mlp", "hidden": [8]}}
    settings |= {"epochs": 1, "batch_size": 8, "precision": "fp32", "layout": "contiguous"}
    store, run = open_store(server.home), train(RunConfig.from_dict(settings)).id
    actions.rename(store, run, f"{STYLE}{PICTURE}")
    actions.set_note(store, run, "\n".join(CLASSES))
    actions.set_tags(store, run, ["<script>alert(1)</script>", "__proto__", "=cmd"])
    return run


@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("run?run={run}", ".live-plot"),
        ("predictions?run={run}", ".gallery .item"),
        ("run?run={run}&view=evaluation", "[data-testid=stButton]"),
        ("predictions?run={run}&sample=0", "canvas"),
        ("data?data=imported/hostile", "img"),
        ("compare?runs={run}", "[data-testid=stDataFrame]"),
        ("?clone={run}", "[data-testid=stBaseButton-primary]"),
    ],
)
def test_hostile_words_are_words(page, server, hostile, address, there):
    go(page, f"{server.url}/{address.format(run=hostile)}")
    expect(page.locator(there).first).to_be_visible()
    expect(page.get_by_role("heading", level=1).first).to_be_visible()
    expect(page.get_by_text("hostile").or_(page.get_by_text("display:none}")).locator("visible=true").first).to_be_visible()
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    assert page.evaluate("document.title") != "taken"
    assert page.evaluate("Object.keys(Object.prototype).length") == 0
    # An address among the words may be a link, which says where it leads and asks nothing by itself; a picture would be fetched.
    assert page.locator("img[src*='127.0.0.1:9'], img[onerror], b[onclick]").count() == 0
    assert page.get_by_text("This part of the page could not be drawn").count() == 0
