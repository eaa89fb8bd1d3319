"""Self-supervised tasks in a predicted split: each is shown a changed copy, and that copy and its target are kept."""

import json

import numpy as np
import pytest

from mtl_core.config import RunConfig
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.figures.layers import packed
from mtl_core.inference.split_predictions import BATCH, MOST_IMAGES, images_predicted, open_split, predict_split
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS
from tests.exports.test_onnx_presets import untrained

CHECKPOINT = "epoch_0001_step_00000003"
IMAGES = BATCH + 8  # two batches


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    digits = random.integers(0, 10, IMAGES)
    return MultiTaskDataset(random.integers(0, 256, (IMAGES, 3, 32, 32), dtype=np.uint8), {"digit": digits}, {"digit": np.arange(IMAGES) != 3})


@pytest.fixture(scope="module")
def predictor():
    config = RunConfig.from_dict(
        {"data": {"name": "digit_scenes"}, "tasks": {name: {} for name in ("digit", *SELF_SUPERVISED)}, "backbone": {"name": "small_cnn", "width": 8}}
    )
    tasks = {"digit": Task("digit", "classification", "digit", tuple("0123456789"))}
    for name in SELF_SUPERVISED:
        kind = TASK_KINDS.load(name)
        tasks[name] = kind.task_of(name, kind.Options())
    return untrained(config, tasks, (3, 32, 32))


@pytest.fixture(scope="module")
def found(predictor, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    predict_split(predictor, data, "val", CHECKPOINT, folder, lambda share, what: None)
    return open_split(folder, "val", CHECKPOINT, data, predictor.description.tasks)


def test_every_kind_has_a_prediction_a_target_and_what_it_was_shown(found):
    targets, labelled = found.truth()
    assert set(targets) == {"digit", *SELF_SUPERVISED}
    assert not labelled["digit"][3]
    for name in SELF_SUPERVISED:
        assert len(found.arrays(1)[name]) == len(targets[name]) == IMAGES
        assert labelled[name].all()
    layers, frame = json.loads(found.targets(35)), json.loads(found.frames(35)[1])[0]
    assert set(layers) == set(frame) == {"digit", *SELF_SUPERVISED}
    for name in SELF_SUPERVISED:
        assert layers[name]["seen"] == packed(found.seen(name, 35))
    assert "seen" not in layers["digit"]
    assert json.loads(found.targets(3))["digit"] is None


def test_the_turn_kept_is_the_turn_shown(found):
    turns = found.truth()[0]["rotation"]
    assert set(turns.tolist()) == {0, 1, 2, 3}
    for number in range(IMAGES):
        assert np.array_equal(found.seen("rotation", number), np.rot90(found.image(number), turns[number]))
    assert np.array_equal(found.seen("digit", 5), found.image(5))


def test_an_image_that_contrastive_names_is_counted_in_the_split(found):
    which = found.arrays(1)["contrastive"][:, 2]
    assert which[:BATCH].max() < BATCH
    assert which[BATCH:].min() >= BATCH
    assert which[BATCH:].max() < IMAGES


def test_a_single_image_is_not_compared(predictor):
    prediction = predictor.predict(np.zeros((50, 40, 3), np.uint8))[0]
    assert set(prediction.tasks) == {"digit", *SELF_SUPERVISED} - {"contrastive"}


def test_how_many_images_of_a_split_are_predicted():
    assert images_predicted(200, (64, 64), 6) == 200
    assert images_predicted(50_000, (64, 64), 6) == MOST_IMAGES
    assert images_predicted(50_000, (512, 512), 4) == 400_000_000 // (5 * 512 * 512 * 4)
