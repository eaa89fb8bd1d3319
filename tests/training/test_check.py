"""Problems are found and said before anything starts."""

from __future__ import annotations

import pytest
import torch

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.presets import load_presets
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training.check import parameter_counts, problems

DIGITS = {"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "device": "cpu"}
SCENES = {"data": {"name": "digit_scenes"}, "tasks": {"segments": {}, "count": {}}, "backbone": {"name": "small_cnn"}, "device": "cpu"}


def found(values, **changes) -> dict[str, str]:
    return {problem.field: problem.message for problem in problems(RunConfig.from_dict({**values, **changes}))}


def test_what_can_run_has_no_problems():
    assert found(DIGITS) == {}
    assert found(SCENES) == {}


NEED_FILES = ("mnist", "multi_mnist", "oxford_pets")


@pytest.mark.parametrize("preset", [preset for preset in load_presets() if preset.config.data.name not in NEED_FILES], ids=lambda preset: preset.name)
def test_presets_that_need_no_files_can_run(preset):
    assert problems(preset.config) == []


def test_a_source_is_asked_once_what_is_wrong_with_it(monkeypatch):
    """It may have to look at many files, and the form asks at every change."""
    from mtl_core.data.sources.digits import Digits

    asked = []
    monkeypatch.setattr(Digits, "problems", lambda self: asked.append(self) or [])
    assert found(DIGITS) == {}
    assert len(asked) == 1


def test_segmentation_on_an_mlp_is_refused_in_words():
    message = found(SCENES, backbone={"name": "mlp"})["tasks.segments"]
    assert "one vector per image" in message
    assert "small_cnn" in message


def test_unknown_task_says_what_the_data_offers():
    message = found(DIGITS, tasks={"digits": {}})["tasks.digits"]
    assert "did you mean 'digit'" in message
    assert "ink" in message


@pytest.mark.parametrize(
    ("part", "field"), [("backbone", "backbone.name"), ("balancing", "balancing.name"), ("sharing", "sharing.name"), ("data", "data.name")]
)
def test_unknown_parts_are_named(part, field):
    assert "unknown" in found(DIGITS, **{part: {"name": "nothing_like_it"}})[field]


def test_unknown_and_impossible_options_are_named():
    assert "backbone.widht" in found(SCENES, backbone={"name": "small_cnn", "widht": 8})
    assert "backbone.width" in found(SCENES, backbone={"name": "small_cnn", "width": 1})
    assert "tasks.segments.chanels" in found(SCENES, tasks={"segments": {"chanels": 3}})
    assert "balancing.temperature" in found(DIGITS, balancing={"name": "dwa", "temperature": -1})


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_asked_for_and_absent():
    message = found(DIGITS, device="cuda")["device"]
    assert "cuda" in message
    assert "auto" in message


def test_a_missing_mnist_folder_says_where_to_put_which_files(tmp_path):
    message = found(DIGITS, data={"name": "mnist", "root": str(tmp_path / "nowhere"), "download": False})["data.root"]
    assert str(tmp_path / "nowhere") in message
    assert "train-images" in message


def test_a_mistyped_mnist_folder_is_refused_and_not_made(tmp_path):
    """Even where a download is allowed: nobody wants MNIST in a folder with a slip in its name."""
    folder = tmp_path / "mnits"
    assert str(folder) in found(DIGITS, data={"name": "mnist", "root": str(folder)})["data.root"]
    assert not folder.exists()


@pytest.mark.parametrize(("change", "spoiled"), [("flip", "digit, slant"), ("brightness", "ink")])
def test_augmentations_that_make_a_target_wrong_are_refused(change, spoiled):
    values = {**DIGITS, "tasks": {"digit": {}, "ink": {}, "slant": {}}, "augmentation": {change: 1}}
    assert spoiled in found(values)[f"augmentation.{change}"]


def test_a_shift_out_of_the_image_is_refused():
    assert "at most 2" in found(DIGITS, augmentation={"shift": 3})["augmentation.shift"]


def test_a_batch_larger_than_the_data():
    assert "1258" in found(DIGITS, batch_size=2000)["batch_size"]


def test_images_too_small_for_a_batch_of_one():
    message = found(DIGITS, backbone={"name": "small_cnn", "stages": 5}, batch_size=1)["backbone"]
    assert "batch" in message


def test_parameter_counts_of_the_articles_network():
    """784-64-32 shared, 32-10 the head, with biases."""
    counts = parameter_counts(RunConfig.from_dict({**DIGITS, "data": {"name": "mnist"}, "backbone": {"name": "mlp", "hidden": [64, 32]}}))
    assert counts == {"shared": 784 * 64 + 64 + 64 * 32 + 32, "tasks": {"digit": 32 * 10 + 10}}


def test_checking_does_not_move_the_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    problems(RunConfig.from_dict(SCENES))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("table", [BACKBONES, SHARING_SCHEMES, BALANCERS])
def test_every_part_says_what_it_is(table):
    for name in table:
        part = table.load(name)
        assert part.__doc__
        assert part.title
        assert part.summary
        assert all(field.description for field in part.Options.model_fields.values())
