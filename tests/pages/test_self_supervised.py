"""The Train form's self-supervised group, and how such a task's pictures are drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mtl_core.errors import DataError
from mtl_core.tasks import SELF_SUPERVISED


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    def refuse(*_):
        raise DataError("no pictures in this test")

    monkeypatch.setattr("ui.train.sample_preview.prepare", refuse)


def test_self_supervised_tasks_are_offered_beside_the_data_sets_own(open_page):
    app = open_page(unfolded=["made"])
    assert {f"task.{name}" for name in SELF_SUPERVISED} <= {box.key for box in app.checkbox}
    assert not any(app.checkbox(key=f"task.{name}").value for name in SELF_SUPERVISED)
    app.checkbox(key="task.rotation").check().run()
    assert app.session_state["settings"]["tasks"]["rotation"] == {"loss_weight": 1.0}
    app.toggle(key="set.tasks.rotation.all_turns").set_value(True).run()
    assert app.session_state["settings"]["tasks"]["rotation"]["all_turns"] is True
    assert not app.button(key="train").disabled


def test_what_does_not_fit_the_data_is_said(open_page):
    app = open_page()
    app.text_area(key="yaml_text").input("data: {name: digits}\ntasks: {digit: {}, colourisation: {}}\nbackbone: {name: small_cnn}\n")
    next(button for button in app.button if button.label == "Use these settings").click().run()
    assert any("grey" in error.value for error in app.error)
    assert app.button(key="train").disabled


def test_a_sheet_has_a_row_for_what_the_task_sees(tmp_path, monkeypatch):
    from PIL import Image

    from ui.drawing import contact_sheets

    monkeypatch.setattr(contact_sheets, "ink", lambda: "#000000")
    (tmp_path / "probes").mkdir()
    images = np.zeros((2, 8, 8, 3), np.uint8)
    seen = np.full((2, 8, 8, 3), 200, np.uint8)
    arrays = {"images": images, "index": np.arange(2), "input/rotation": seen, "target/rotation": np.array([1, 2]), "labelled/rotation": [True, True]}
    np.savez(tmp_path / "probes" / "targets.npz", **arrays)
    np.savez(tmp_path / "probes" / "epoch_0001.npz", rotation=np.full((2, 4), 0.25, np.float32))
    info = {"kind": "rotation", "classes": ["0°", "90°", "180°", "270°"], "target": "made/rotation"}
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheets.probe_sheet(tmp_path, 1, "rotation", info, columns=2, width=160, text_height=10))))
    assert (sheet[..., :3] == 200).all(-1).sum() >= 3 * 2 * 80 * 80  # input, target and prediction, two images, drawn 10 times as large
