"""Real data sets, looked at, reported on and imported through the Data page as a user does; the numbers are those of their READMEs.

With findings, with questions, in parts that are given or drawn, in colour and in grey. ``tests/data/imports/test_real_data.py`` looks at every set.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

import pytest

from mtl_core.data.imports import get_imported
from tests.pages.conftest import wait_for_work

pytestmark = pytest.mark.data
PATIENCE = 120  # seconds; a bound for slow machines


@dataclass
class Shown:
    """What the page must show of a data set.

    Attributes:
        parts: images of train, val and test; None where it is drawn by share.
        labelled: task -> images of train, val and test together that have it. ``classes``: task -> what its row says.
        findings: sorts in the table of findings, with how many there are; ``files``: some that must be named.
        notes: parts of sentences of the first look.
    """

    images: int
    parts: tuple[int | None, int | None, int | None]
    size: str
    labelled: dict[str, int]
    classes: dict[str, str] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


SETS = {
    "coco_mini": Shown(
        60,
        (None, 27, None),
        "64 x 64, colour",
        {"boxes": 60, "present": 60, "segments": 53},
        {},
        {"crowd": 3, "no objects": 1, "category gaps": 2},
        files=("000000000508.jpg",),
    ),
    "icl_livingroom_rgbd": Shown(
        71,
        (None, None, None),
        "64 x 64, colour",
        {"depth": 71, "median_depth_m": 71, "p10_depth_m": 71, "valid_fraction": 71},
        {"depth": "0.691 to 3.381 m"},
        {"no measurement": 35},
        notes=("as frames of a video do",),
    ),
    "fashion_mnist_900": Shown(900, (None, None, 200), "28 x 28, grey", {"class": 900}, {"class": "0 90, 1 90, 2 90, 3 90"}),
    "mnist": Shown(
        300,
        (None, None, 100),
        "28 x 28, grey",
        dict.fromkeys(("class", "digit", "ink", "slant_deg", "box", "writer_group"), 300),
        {"writer_group": "student 200, census_employee 100"},
    ),
}


def settle(app):
    """Run the page until its work in the background is done."""
    app.run()
    deadline = time.monotonic() + PATIENCE
    while any(button.label.startswith("Cancel") for button in app.button):
        assert time.monotonic() < deadline
        wait_for_work()
        app.run()
    assert not app.exception, app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def facts(app) -> dict[str, str]:
    """The numbers at the report's top, by their names, as they stand there."""

    shown = next(element.proto.body for element in app.get("html") if "usable images" in element.proto.body)
    return dict(re.findall(r'<div class="fact-name">(.*?)</div>(.*?)</div>', shown))


def table(app, column: str):
    """The table on screen that has this column."""
    return next((frame.value for frame in app.dataframe if column in frame.value.columns), None)


@pytest.mark.parametrize("name", SETS)
def test_a_real_data_set_goes_through_the_page(name, real_data, some_of_mnist, monkeypatch, open_page, store, texts):
    wanted = SETS[name]
    folder = some_of_mnist(200, 100) if name == "mnist" else real_data / name
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(folder.parent))
    app = settle(open_page("data", new="1"))
    app.text_input(key="import.path").set_value(str(folder)).run()
    app.button(key="import.look_there").click()
    settle(app)
    assert f"**{wanted.images:,} images**" in texts(app)
    for note in wanted.notes:
        assert note in texts(app).replace("\\", "")

    if any(button.key == "import.suggested" for button in app.button):
        assert app.button(key="import.check").disabled
        app.button(key="import.suggested").click().run()
    app.button(key="import.check").click()
    settle(app)
    shown = facts(app)
    assert (shown["usable images"], shown["images that cannot be used"]) == (f"{wanted.images:,} of {wanted.images:,}", "0")
    parts = [int(shown[part].replace(",", "")) for part in ("train", "val", "test")]
    assert sum(parts) == wanted.images
    assert [part for part, given in zip(parts, wanted.parts, strict=True) if given] == [given for given in wanted.parts if given]
    tasks = table(app, "classes or range").set_index("task")
    labelled = tasks[[f"labelled in {part}" for part in ("train", "val", "test")]].sum(axis=1)
    assert wanted.labelled.items() <= labelled.to_dict().items()
    for task, classes in wanted.classes.items():
        assert tasks.loc[task, "classes or range"].startswith(classes)
    found = table(app, "type")
    for sort, count in wanted.findings.items():
        assert list(found["type"]).count(f"{sort} ({count:,})") == count
    for file in wanted.files:
        assert found["file"].str.endswith(file).sum() == 1
    assert "No image is in two splits" in texts(app)

    app.text_input(key="import.name").set_value("mine").run()
    app.button(key="import.go").click()
    settle(app)
    app = settle(app)
    row = table(app, "Data set").set_index("Data set").loc["mine"]
    assert [row[part] for part in ("train", "val", "test")] == parts
    assert row["Image size"] == wanted.size
    assert row["Tasks"] == ", ".join(tasks.index)
    made = get_imported("mine", store.home)
    assert list(made.split_sizes.values()) == parts
