"""All backbones for a config: sizes by their formulas, what does not fit, and the time of a step."""

from __future__ import annotations

import json

import pytest

from mtl_core.__main__ import main
from mtl_core.backbones import BACKBONES
from mtl_core.backbones.small_cnn import SmallCNN, SmallCNNOptions
from mtl_core.config import RunConfig
from mtl_core.training.before_training import backbone_table
from mtl_core.training.before_training.backbone_table import backbone_rows, sizes

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "rotation": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "batch_size": 40,
    "device": "cpu",
}
FEW = ("small_cnn", "mlp", "lenet", "resnet18")


@pytest.fixture
def few(monkeypatch):
    """Some backbones, one of which needs larger images than the digits of 8 x 8 pixels."""
    monkeypatch.setattr(BACKBONES, "_table", {name: BACKBONES.table[name] for name in FEW})


def test_sizes_are_those_of_the_formulas():
    """3x3 convolutions, 9 * inputs * outputs numbers and as many multiply-adds at each place; batch normalisation has two numbers a channel."""
    parameters, operations = sizes(SmallCNN, SmallCNNOptions(width=8, stages=2), (3, 16, 16))
    assert parameters == 9 * (3 * 8 + 8 * 8) + 4 * 8 + 9 * (8 * 16 + 16 * 16) + 4 * 16
    assert operations == 9 * (3 * 8 + 8 * 8) * 64 + 9 * (8 * 16 + 16 * 16) * 16


@pytest.mark.usefixtures("few")
def test_every_backbone_has_a_row_with_its_size_its_weights_and_why_it_does_not_fit():
    rows = {row.name: row for row in backbone_rows(RunConfig.from_dict(CONFIG), timed=False)}
    assert list(rows) == list(FEW)
    assert (rows["small_cnn"].parameters, rows["small_cnn"].problem) == (9 * (8 + 64) + 32 + 9 * (128 + 256) + 64, "")
    assert (rows["lenet"].parameters, rows["lenet"].multiply_adds) == (None, None)
    assert "at least 16x16 pixels, found 8x8" in rows["lenet"].problem
    assert "BSD-3-Clause" in rows["resnet18"].licence
    assert "Set small_images to false" in rows["resnet18"].weights_need
    assert [row.licence for row in rows.values() if row.name != "resnet18"] == [""] * 3
    assert {row.seconds_per_step for row in rows.values()} == {None}


@pytest.mark.usefixtures("few")
def test_a_large_step_is_timed_with_fewer_images_and_multiplied(monkeypatch):
    seen = []
    monkeypatch.setattr(backbone_table, "_step", lambda model, images, parts, device: seen.append(len(images)) or 0.25)
    monkeypatch.setattr(backbone_table, "MOST_MULTIPLY_ADDS", 1e7)
    rows = {row.name: row for row in backbone_rows(RunConfig.from_dict(CONFIG), timed=True)}
    assert (rows["mlp"].timed_images, rows["mlp"].seconds_per_step) == (40, 0.25)
    assert (rows["resnet18"].timed_images, rows["resnet18"].seconds_per_step) == (2, 0.25 * 20)
    assert (rows["lenet"].timed_images, rows["lenet"].seconds_per_step) == (0, None)
    assert seen[0] > rows["small_cnn"].timed_images  # rotation adds a view of each image


@pytest.mark.usefixtures("few")
def test_the_command_says_it_in_words_and_as_json(tmp_path, capsys, home, monkeypatch):
    monkeypatch.setattr(BACKBONES, "_table", {name: BACKBONES.table[name] for name in ("small_cnn", "lenet")})
    path = tmp_path / "config.yaml"
    path.write_text(RunConfig.from_dict(CONFIG).to_yaml())
    assert main(["backbones", str(path), "--time", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["batch_size"] == 40
    assert {row["name"]: row["timed_images"] for row in said["backbones"]} == {"small_cnn": 40, "lenet": 0}
    assert said["backbones"][0]["seconds_per_step"] > 0
    assert main(["backbones", str(path)]) == 0
    told = capsys.readouterr().out
    assert all(part in told for part in ("multiply-adds", "small_cnn", "at least 16x16 pixels"))
    assert main(["backbones"]) == 2
