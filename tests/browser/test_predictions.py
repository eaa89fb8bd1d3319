"""Looking at what was learnt: sort by worst, open, slide through epochs, switch layers, a second run beside it, an image of one's own.

And from the evaluation's matrix to its images, a split predicted on demand, and exports down to the files on the user's disk.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from functools import partial

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from mtl_core.config import RunConfig
from mtl_core.runs.evaluations import evaluations
from mtl_core.runs.store import open_store
from tests.browser.accessibility import check_accessibility
from tests.browser.one_tab import go
from tests.browser.persistence import act_until, wait_until

pytestmark = pytest.mark.browser

HIGHEST = 250  # pixels of a page of 1280 x 900 within which the pictures begin
DRAWN = ".viewer[data-drawn]"
CELL = ".viewer .row[data-task='{}'] canvas[aria-label^='{}']"


@pytest.fixture(scope="module")
def runs(train, every_kind, dashboard):
    """Two short runs on the same data: (home, first id, second id)."""
    second = train(every_kind.config.model_copy(update={"name": "the second", "seed": 7, "epochs": 1}))
    return dashboard.home, every_kind.id, second.id


@pytest.fixture(scope="module")
def digits(train, dashboard):
    """The smallest real run: (store, run) after two epochs on scikit-learn's digits."""
    config = {
        "name": "digits",
        "data": {"name": "digits"},
        "tasks": {"digit": {}, "slant": {}},
        "backbone": {"name": "mlp", "hidden": [16]},
        "epochs": 2,
        "probe_samples": 4,
    }
    return open_store(dashboard.home), train(RunConfig.from_dict(config))


def pixels(page: Page, task: str, what: str) -> str:
    """A canvas' picture as text, so that two of them can be told apart."""
    return page.eval_on_selector(CELL.format(task, what), "canvas => canvas.toDataURL()")


def at_epoch(page: Page, epoch: int) -> None:
    page.wait_for_selector(f".viewer[data-epoch='{epoch}'][data-drawn$='/{epoch}']")


def test_from_the_worst_image_through_epochs_and_layers_to_a_second_run(page, server, runs):
    _, first, second = runs
    go(page, f"{server.url}/predictions?run={first}")
    page.wait_for_selector(".gallery .item")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.locator(".gallery .picture").first.bounding_box()["y"] <= HIGHEST
    check_accessibility(page)
    worst = page.locator(".gallery .item").first
    number = worst.get_attribute("data-number")
    worst.click()
    page.wait_for_selector(f"{DRAWN}[data-sample='{number}'][data-ready]")
    assert f"sample={number}" in page.url
    at_epoch(page, 2)

    check_accessibility(page)
    late = pixels(page, "depth", "Predicted")
    page.locator(".viewer").focus()
    page.keyboard.press("ArrowLeft")
    at_epoch(page, 1)
    assert pixels(page, "depth", "Predicted") != late
    page.wait_for_url("**epoch=1**")  # told to the server once the slider rests

    page.keyboard.press("h")
    page.wait_for_selector(".viewer[data-hidden='true']")
    same = "([a, b]) => document.querySelector(a).toDataURL() === document.querySelector(b).toDataURL()"
    page.wait_for_function(same, arg=[CELL.format("segments", "Predicted"), CELL.format("depth", "Predicted")])  # all are the plain image
    page.keyboard.press("H")
    page.wait_for_selector(".viewer[data-hidden='false']")
    page.keyboard.press("4")
    page.wait_for_selector(".viewer[data-off='segments']")
    page.keyboard.press("4")
    page.wait_for_selector(".viewer[data-off='']")
    expect(page.locator(CELL.format("segments", "Target"))).to_be_visible()

    # Known candidates in place of the short run's: two that overlap by 0.8, of one class, and one of another.
    known = [[0, 0, 20, 20, 3, 0.9], [0, 0, 20, 16, 3, 0.6], [0, 0, 20, 20, 5, 0.4]]
    drawn = page.locator(CELL.format("boxes", "Predicted"))

    def choose(confidence: float, overlap: float) -> None:  # the page may bring its own boxes again until it rests
        page.evaluate("known => { document.querySelector('.viewer').viewer.shown[0].boxes = { boxes: known, raw: true }; }", known)
        page.get_by_label("Confidence from").fill(str(confidence))
        page.get_by_label("Overlap up to (NMS)").fill(str(overlap))

    for confidence, overlap, count in ((0.05, 1, 3), (0.05, 0.75, 2), (0.5, 1, 2), (0.5, 0.75, 1), (0.95, 1, 0)):
        act_until(page, partial(choose, confidence, overlap), lambda count=count: drawn.get_attribute("data-boxes") == str(count))

    go(page, f"{server.url}/predictions?run={first}&sample={number}&beside={second}")
    page.wait_for_selector(f"{DRAWN}[data-ready]")
    expect(page.locator(CELL.format("depth", "Predicted: B the second"))).to_have_count(1)
    assert page.locator(".viewer canvas").first.bounding_box()["y"] <= HIGHEST
    page.locator(CELL.format("depth", "Target")).hover(position={"x": 30, "y": 30})
    tip = page.locator(".viewer .tip")
    expect(tip).to_contain_text("x ")
    told = tip.inner_text()
    before = page.locator(".viewer").get_attribute("data-sample")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(f".viewer[data-ready]:not([data-sample='{before}'])")
    expect(tip).not_to_have_text(told)  # what lies under the resting pointer is the new image's
    expect(tip).to_contain_text("x ")


def test_layers_stand_where_the_stored_targets_say(page, server, runs):
    """The browser's own drawing against the stored mask, pixel by pixel."""
    from mtl_core.figures.overlays import class_colours
    from mtl_core.runs.artifacts import read_probe_targets

    home, first, _ = runs
    store = open_store(home)
    probes = read_probe_targets(store.folder(first))
    classes = store.get(first).info["tasks"]["segments"]["classes"]
    go(page, f"{server.url}/predictions?run={first}&sample=1")
    page.wait_for_selector(f"{DRAWN}[data-ready]")
    page.get_by_label("Opacity").fill("1")
    at = """([cell, w, h]) => { const canvas = document.querySelector(cell), found = [];
        const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
            const place = 4 * (Math.floor((y + 0.5) * canvas.height / h) * canvas.width + Math.floor((x + 0.5) * canvas.width / w));
            found.push(all[place], all[place + 1], all[place + 2]); }
        return found; }"""
    height, width = probes.images.shape[1:3]

    def seen():
        return np.array(page.evaluate(at, [CELL.format("segments", "Target"), width, height])).reshape(height, width, 3)

    mask, image = probes.targets["segments"][1], probes.images[1]
    colours = class_colours(classes)
    named = (mask != 255) & (np.array([name != "background" for name in classes] + [False] * (256 - len(classes)))[mask])
    expected = np.where(named[..., None], colours[np.where(named, mask, 0)], image)
    assert named.any()
    assert wait_until(page, lambda: np.abs(seen() - expected).max() <= 2, patience=30_000), np.abs(seen() - expected).max()


def picture(mode: str = "RGB", size: tuple[int, int] = (90, 50), kind: str = "JPEG", **more) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 90 if mode == "L" else (90, 40, 120, 10)[: len(mode)]).save(buffer, kind, **more)
    return buffer.getvalue()


def bomb() -> bytes:
    """A small PNG file whose header says 20,000 x 20,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_an_image_of_ones_own_and_bad_ones_in_words(page, server, runs):
    go(page, f"{server.url}/predictions?run={runs[1]}&view=own")
    page.get_by_text("Ctrl+V pastes a copied image.").wait_for()
    upload = page.locator("input[type=file]")
    rotated = Image.Exif()
    rotated[0x0112] = 6
    for name, content, said in (
        ("broken.png", picture(kind="PNG")[:60], "broken.png"),
        ("huge.png", bomb(), "pixels"),
        ("cmyk.jpg", picture("CMYK"), "cmyk.jpg: 90 x 50 pixels"),
        ("phone.jpg", picture(exif=rotated), "phone.jpg: 50 x 90 pixels"),
    ):
        upload.set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": content})
        expect(page.get_by_text(said).last).to_be_visible()
        if "90" in said:
            page.wait_for_selector(DRAWN)
            expect(page.get_by_text("One backbone per head")).to_be_visible()
        else:
            expect(page.get_by_role("alert")).to_contain_text(name)

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async () => { const canvas = new OffscreenCanvas(30, 20); canvas.getContext("2d").fillRect(5, 5, 9, 9);
        await navigator.clipboard.write([new ClipboardItem({ "image/png": await canvas.convertToBlob() })]); }"""
    )
    act_until(page, lambda: page.keyboard.press("Control+V"), page.get_by_text("The pasted image: 30 x 20 pixels").is_visible)
    check_accessibility(page)


def test_what_the_network_says_of_a_drawing_is_in_view_with_it(page, server, digits):
    _, run = digits
    page.set_viewport_size({"width": 1280, "height": 900})
    go(page, f"{server.url}/predictions?run={run.id}&view=own")
    page.get_by_role("button", name="Draw", exact=True).or_(page.get_by_role("radio", name="Draw", exact=True)).click()
    pad = page.get_by_role("application", name="Pad to draw on")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 90, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 190, box["y"] + 60)
    page.mouse.move(box["x"] + 120, box["y"] + 230)
    page.mouse.up()
    answers = page.locator(".viewer .answer")
    expect(answers).to_have_count(len(run.config.tasks))
    page.wait_for_selector(DRAWN)
    for answer in answers.all():
        expect(answer).to_be_in_viewport(ratio=1)
    expect(pad).to_be_in_viewport(ratio=1)


def click_cell(page: Page, row: int, column: int) -> None:
    """Where Plotly draws it."""
    chart = page.get_by_role("figure", name="Confusion matrix")
    chart.locator(".heatmaplayer image").wait_for(state="attached")
    place = chart.evaluate(
        """(box, [row, column]) => { const { xaxis, yaxis, _size } = box._fullLayout;
        return { x: _size.l + xaxis.d2p(column), y: _size.t + yaxis.d2p(row) }; }""",
        [row, column],
    )
    chart.hover(position=place)
    chart.click(position=place)  # waits until the chart stands still


def test_a_cell_of_the_matrix_opens_its_images_and_one_of_them_opens_large(page, server, digits):
    store, run = digits
    go(page, f"{server.url}/run?run={run.id}&view=evaluation")
    page.get_by_role("button", name=re.compile("^Evaluate on val( again)?$")).click()
    page.locator(".st-key-evaluation_digit").wait_for()
    found = evaluations(store.folder(run.id))[0]
    cells = found.cells("digit", found.arrays("digit"))
    matrix = cells.matrix()
    row = column = int(np.diag(matrix).argmax())  # never the cell that is open at first: that one holds mistakes
    opened = page.get_by_text(f"{row} → {column}: {matrix[row, column]} images")
    act_until(page, partial(click_cell, page, row, column), opened.is_visible)
    page.wait_for_url(f"**cell=digit.{row}.{column}**")
    check_accessibility(page)
    page.reload()  # the address keeps it
    expect(opened).to_be_visible()

    image = int(cells.images(row, column)[0][0])
    page.get_by_role("link", name=f"image {image} ·").first.click()
    predict, drawn = page.get_by_role("button", name="Predict the val split"), page.locator(f"{DRAWN}[data-ready][data-sample='{image}']")
    predict.or_(drawn).first.wait_for()
    if predict.count():  # not at a second try
        predict.click()
    drawn.wait_for()
    assert f"images=val&sample={image}" in page.url
    expect(page.locator(".viewer .row[data-task='digit'] .number")).to_have_text(str(row))
    expect(page.locator(".viewer canvas[aria-label='Input']")).to_be_visible()


def test_play_goes_through_the_epochs_and_zoom_is_kept_in_step(page, server, digits):
    go(page, f"{server.url}/predictions?run={digits[1].id}&sample=1&epoch=0")
    page.wait_for_selector(f"{DRAWN}[data-ready][data-epoch='0']")
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
    page.locator(".viewer").focus()
    for key in ("Left", "Left", "Up", "Up"):
        page.keyboard.press(f"Shift+Arrow{key}")
    page.wait_for_selector(".viewer[data-corner='0.00,0.00']")
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_selector(f".viewer[data-corner='{8 * 0.125 / 1.25:.2f},0.00']")  # an eighth of what is seen, of 8 pixels
    canvas.dblclick()
    page.wait_for_selector(".viewer[data-zoom='1.000']")


def exported(page: Page, title: str, about: str) -> str:
    """Choose a format, have it made, download it; the file's path. ``about``: what the page says of the format once it is chosen."""
    box = page.get_by_role("combobox", name="Format")
    box.fill(title)
    page.get_by_role("option", name=title, exact=True).click()
    expect(page.get_by_text(about)).to_be_visible()
    made = page.get_by_test_id("stDownloadButton").get_by_role("button", name=title)
    if not made.count():  # not at a second try
        page.get_by_role("button", name="Create file").click()
        made.wait_for()
    with page.expect_download() as download:
        made.click()
    return str(download.value.path())


def test_a_file_and_several_in_one_zip_reach_the_users_disk(page, server, digits):
    """What else everything in one zip holds: ``tests/exports/test_exports.py``."""
    run = digits[1]
    go(page, f"{server.url}/run?run={run.id}")
    page.get_by_role("button", name="Export").click()
    with open(exported(page, "Metrics, JSON", "best and last of each metric"), encoding="utf-8") as file:
        told = json.load(file)
    assert told["run"] == run.id
    with zipfile.ZipFile(exported(page, "Predictions, CSV", "A file per task")) as file:
        assert file.testzip() is None
        assert sorted(file.namelist()) == [f"{run.id}-{task}-predictions.csv" for task in ("digit", "slant")]
