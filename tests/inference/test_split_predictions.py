"""Films, predictions of a split, saliency and timing, on a run with a task of every kind."""

import json

import numpy as np
import pytest
import torch

from mtl_core.data import open_source
from mtl_core.data.prepare import prepare
from mtl_core.errors import NotPossibleError, StoreError
from mtl_core.inference import prediction_jobs
from mtl_core.inference.loading import load
from mtl_core.inference.saliency import saliency
from mtl_core.inference.split_predictions import kept_splits, open_split, predict_split
from mtl_core.inference.timing import time_sharing
from mtl_core.runs.artifacts import read_probe_file, read_probes
from mtl_core.runs.prediction_timeline import MOST_CHARACTERS, Film, thinned
from mtl_core.training.checkpoint_files import find_checkpoint


@pytest.fixture(scope="module")
def predictor(trained):
    return load(trained.run.id, "best", home=trained.store.home)


@pytest.fixture
def tasks(predictor):
    return {name: kind.task for name, kind in predictor.kinds.items()}


@pytest.fixture
def val(trained):
    return prepare(open_source(trained.run.config.data), trained.store.cache).val


def test_candidates_hold_what_was_chosen_from_them(trained):
    folder = trained.store.folder(trained.run.id)
    arrays = read_probe_file(folder, 2)
    assert "candidates/boxes" in arrays
    assert "candidates/boxes" not in read_probes(folder, 2)
    for chosen, candidates in zip(arrays["boxes"], arrays["candidates/boxes"], strict=True):
        kept = {tuple(row) for row in chosen[chosen[:, 4] >= 0].tolist()}
        offered = [tuple(row) for row in candidates[candidates[:, 4] >= 0].tolist()]
        assert kept <= set(offered)
        assert [row[5] for row in offered] == sorted((row[5] for row in offered), reverse=True)


def test_suppressing_candidates_gives_the_predictions(trained, predictor):
    from torchvision.ops import batched_nms

    arrays = read_probe_file(trained.store.folder(trained.run.id), 2)
    limit = predictor.kinds["boxes"].options.nms_threshold
    for chosen, candidates in zip(arrays["boxes"], arrays["candidates/boxes"], strict=True):
        rows = torch.from_numpy(candidates[candidates[:, 4] >= 0])
        kept = batched_nms(rows[:, :4], rows[:, 5], rows[:, 4].long(), limit)[: len(chosen)]
        assert np.array_equal(rows[kept].numpy(), chosen[chosen[:, 4] >= 0])


def test_a_film_gives_every_epoch_of_one_image(trained, tasks):
    folder = trained.store.folder(trained.run.id)
    film = Film(folder, tasks)
    epochs, frames = film.frames(1)
    assert epochs == [0, 1, 2]
    counts = [frame["count"]["v"] for frame in json.loads(frames)]
    assert counts == pytest.approx([float(read_probes(folder, epoch)["count"][1]) for epoch in epochs], rel=1e-6)
    assert set(json.loads(film.targets(1))) == set(tasks)
    assert film.row(1) == film.probes.index[1]


def test_epochs_are_left_out_evenly_where_they_would_be_too_much():
    epochs = list(range(101))
    assert thinned(epochs, [1] * 101) == epochs
    few = thinned(epochs, [MOST_CHARACTERS // 20] * 101)
    assert (few[0], few[-1]) == (0, 100)
    assert 15 <= len(few) <= 20


def test_a_split_is_predicted_once_and_read_back(trained, predictor, tasks, val, tmp_path):
    name = find_checkpoint(trained.store.folder(trained.run.id), "best").name
    assert open_split(tmp_path, "val", name, val, tasks) is None
    shares = []
    predict_split(predictor, val, "val", name, tmp_path, lambda share, what: shares.append(share))
    assert shares[-1] == 1.0
    found = open_split(tmp_path, "val", name, val, tasks)
    assert (len(found), kept_splits(tmp_path)) == (len(val), [("val", found.epoch)])
    direct = predictor.decode(predictor.outputs(val.images.transpose(0, 2, 3, 1)))
    assert np.allclose(found.arrays(found.epoch)["depth"], direct["depth"], atol=1e-4)
    assert (found.image(3) == val.images[3].transpose(1, 2, 0)).all()
    assert set(json.loads(found.frames(3)[1])[0]) == set(tasks)
    predict_split(predictor, val, "val", name, tmp_path, lambda share, what: pytest.fail("it was predicted before"))


def test_predictions_of_other_data_are_refused(trained, predictor, tasks, val, tmp_path):
    name = find_checkpoint(trained.store.folder(trained.run.id), "best").name
    predict_split(predictor, val, "val", name, tmp_path, lambda share, what: None)
    train = prepare(open_source(trained.run.config.data), trained.store.cache).train
    with pytest.raises(StoreError, match="other data"):
        open_split(tmp_path, "val", name, train, tasks)


def test_what_ends_the_work_leaves_nothing_behind(predictor, val, tmp_path):
    def stop(share, what):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        predict_split(predictor, val, "val", "epoch_0001_step_00000003", tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


def test_background_work_tells_its_error_in_words():
    def fail(progress):
        raise NotPossibleError("there is no such thing")

    state = prediction_jobs.start("a test", fail)
    state["thread"].join(30)
    assert (state["done"], state["error"]) == (True, "there is no such thing")


def test_saliency_is_grad_cam_by_its_definition(predictor, val):
    frame = val.images[0].transpose(1, 2, 0)
    maps = saliency(predictor, frame)
    assert set(maps) == set(predictor.kinds)
    assert all(heat.shape == frame.shape[:2] and heat.min() >= 0 and heat.max() <= 1 + 1e-6 for heat in maps.values())
    # A pooled head's gradient is known by hand: mean part / places everywhere, maximum part at the maximum's place.
    with torch.no_grad():
        coarsest = predictor.model.backbone(predictor.normalised(frame[None]))[-1]
        output = predictor.model.heads["count"]([coarsest])
        linear = predictor.model.heads["count"].linear.weight[0] * output.sign().item()
        channels = coarsest.shape[1]
        alpha = (linear[:channels] + linear[channels:]) / coarsest[0, 0].numel()
        expected = torch.nn.functional.interpolate(
            (alpha.view(1, -1, 1, 1) * coarsest).sum(1, keepdim=True).clamp(min=0), size=frame.shape[:2], mode="bilinear", align_corners=False
        )[0, 0].numpy()
    assert np.allclose(maps["count"], expected / max(expected.max(), 1e-12), atol=1e-4)


def test_sharing_is_timed_on_the_same_image(predictor, val):
    times = time_sharing(predictor, val.images[0].transpose(1, 2, 0), rounds=1)
    assert times.rounds == 1
    assert times.shared_ms > 0
    assert times.apart_ms > 0
