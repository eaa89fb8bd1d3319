"""The journey of one's own images: a zip with three broken files -> what is wrong with which -> import -> gallery -> train."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from mtl_core.data.imports import get_imported
from mtl_core.runs.store import open_store
from tests.browser.accessibility import check_accessibility
from tests.browser.one_tab import go

pytestmark = pytest.mark.browser

PATIENCE = 600_000  # milliseconds; a bound for slow machines, not a claim


def picture(random: np.random.Generator, bright: bool) -> bytes:
    low = 120 if bright else 0
    coarse = random.integers(low, low + 120, (4, 5, 3)).astype(np.uint8)  # so that no two neighbours look alike, as a video's frames do
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((50, 40), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def archive() -> bytes:
    """Two class folders of 30 images each, and three files that are no images, each in its own way."""
    random, buffer = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for place in range(60):
            bright = place % 2 == 0
            file.writestr(f"{'day' if bright else 'night'}/{place:02}.png", picture(random, bright))
        file.writestr("day/empty.png", b"")
        file.writestr("day/words.png", b"these are no pixels")
        whole = picture(random, False)
        file.writestr("night/cut.png", whole[: len(whole) // 2])
    return buffer.getvalue()


def test_a_zip_with_broken_files_is_looked_at_imported_and_trained_on(page, server, archive):
    go(page, f"{server.url}/data?new=1")
    expect(page.get_by_text("Up to 100 MB")).to_be_visible()
    page.locator("input[type=file]").set_input_files({"name": "My days.zip", "mimeType": "application/zip", "buffer": archive})
    page.get_by_role("button", name="Inspect zip").click()
    proportions = page.get_by_role("combobox", name="Other aspect ratios")
    proportions.fill("Padded")
    page.get_by_role("option", name="Padded with bars").click()
    expect(proportions).to_have_value("Padded with bars")
    page.get_by_role("button", name="Check the files").click()

    report = page.locator(".st-key-import_report")
    expect(report.get_by_text("60 of 63")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Prepared: 50 x 40, colour.")).to_be_visible()  # all have one size, so none is padded
    assert not (server.home / "imports" / "my_days").exists()  # nothing is made before the decision
    check_accessibility(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="All findings as CSV").click()
    findings = download.value.path().read_text()
    for name in ("day/empty.png", "day/words.png", "night/cut.png"):
        assert name in findings

    page.get_by_role("button", name="Import 60 images").click()
    page.wait_for_url("**/data?data=imported*", timeout=PATIENCE)
    made = get_imported("my_days", server.home)
    assert sum(made.split_sizes.values()) == 60
    assert (made.tasks[0].classes, made.spec().images.resize) == (("day", "night"), "pad")
    expect(page.get_by_alt_text("Image 1 of train", exact=True)).to_be_visible(timeout=PATIENCE)

    check_accessibility(page)
    page.get_by_role("button", name="Train on this").click()
    page.get_by_role("button", name="Train", exact=True).click(timeout=PATIENCE)
    page.wait_for_url("**/run?run=*", timeout=PATIENCE)
    expect(page.get_by_role("heading", name="On the test images")).to_have_count(1, timeout=PATIENCE)
    run = open_store(server.home).get(page.url.split("run=")[1].split("&")[0])
    assert str(run.status) == "finished"
    assert (run.config.data.name, run.config.data.options["set"]) == ("imported", "my_days")
