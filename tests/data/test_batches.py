import warnings

import numpy as np
import pytest
import torch

from mtl_core.config_sections import AugmentationConfig, PartConfig
from mtl_core.data import open_source
from mtl_core.data.batches import Batches, _Rows
from mtl_core.data.prepare import prepare

ALL = AugmentationConfig(shift=3, flip=True, brightness=0.2, contrast=0.2)
TARGETS = ["present", "boxes", "segments", "depth", "count", "count_class"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    source = open_source(PartConfig(name="digit_scenes", train_size=22, val_size=3, test_size=3, image_size=32))
    return prepare(source, tmp_path_factory.mktemp("data"))


def batches(prepared, split="train", **options):
    options = {"batch_size": 8, "targets": TARGETS} | options
    return Batches(prepared.split(split), statistics=prepared.statistics, **options)


def order(batches, epoch):
    return [row for batch in batches.epoch(epoch) for row in batch.index.tolist()]


def assert_same(first, second):
    assert torch.equal(first.index, second.index)
    assert torch.equal(first.images, second.images)
    assert first.targets.keys() == second.targets.keys()
    for name in first.targets:
        assert torch.equal(first.targets[name], second.targets[name])
        assert torch.equal(first.labelled[name], second.labelled[name])


def test_rows_come_normalised_with_their_targets_and_types(prepared):
    [_, batch, _] = batches(prepared).epoch(0)
    assert batch.index.tolist() == list(range(8, 16))
    pixels = prepared.train.images[8:16] / 255
    mean, std = (np.array(prepared.statistics[name])[:, None, None] for name in ("mean", "std"))
    assert batch.images.dtype == torch.float32
    assert np.allclose(batch.images, (pixels - mean) / std, atol=1e-5)
    assert list(batch.targets) == list(batch.labelled) == TARGETS
    for name in TARGETS:
        assert np.array_equal(batch.targets[name].numpy(), prepared.train.targets[name][8:16])
        assert batch.targets[name].numpy().dtype == prepared.train.targets[name].dtype
        assert batch.labelled[name].dtype == torch.bool


def test_an_epoch_has_every_row_once_unless_the_last_batch_is_dropped(prepared):
    whole, full = batches(prepared, shuffle=True), batches(prepared, shuffle=True, drop_last=True)
    assert (len(whole), len(full)) == (3, 2)
    assert sorted(order(whole, 0)) == list(range(22))
    assert order(full, 0) == order(whole, 0)[:16]


def test_a_split_smaller_than_a_batch_is_not_dropped(prepared):
    small = batches(prepared, "val", drop_last=True)
    assert len(small) == 1
    assert order(small, 0) == [0, 1, 2]


def test_the_order_depends_on_seed_and_epoch_only(prepared):
    first, again, other = (batches(prepared, shuffle=True, seed=seed) for seed in (1, 1, 2))
    order(first, 0)
    assert order(first, 3) == order(again, 3)
    assert len({tuple(order(first, epoch)) for epoch in range(4)}) == 4
    assert order(other, 3) != order(first, 3)


def test_an_epoch_begun_in_the_middle_goes_on_identically(prepared):
    whole = list(batches(prepared, shuffle=True, seed=5, augmentation=ALL).epoch(2))
    resumed = list(batches(prepared, shuffle=True, seed=5, augmentation=ALL).epoch(2, start=1))
    assert len(resumed) == 2
    for expected, found in zip(whole[1:], resumed, strict=True):
        assert_same(expected, found)


def test_changes_differ_between_steps_and_epochs(prepared):
    shifted = batches(prepared, augmentation=AugmentationConfig(shift=3))
    plain = batches(prepared)

    def offsets(epoch):
        """Per image, the one shift that explains the moved segments."""
        found = []
        for moved, still in zip(shifted.epoch(epoch), plain.epoch(epoch), strict=True):
            for after, before in zip(moved.targets["segments"], still.targets["segments"], strict=True):
                inner = after[3:-3, 3:-3]
                fits = [(x, y) for x in range(-3, 4) for y in range(-3, 4) if torch.equal(inner, before[3 - y : 29 - y, 3 - x : 29 - x])]
                assert fits
                found.append(fits[0])
        return found

    first = offsets(0)
    assert first != offsets(1)
    assert first[:8] != first[8:16]
    assert len(set(first)) > 8


def test_boxes_and_image_follow_the_same_shift(prepared):
    moved = next(iter(batches(prepared, augmentation=AugmentationConfig(shift=2, flip=True)).epoch(0)))
    changed = 0
    for boxes, before, depth in zip(moved.targets["boxes"], prepared.train.targets["boxes"], moved.targets["depth"], strict=False):
        changed += not np.array_equal(boxes.numpy(), before)
        inside = torch.zeros(32, 32, dtype=torch.bool)
        for x1, y1, x2, y2, digit in boxes.int().tolist():
            if digit >= 0:
                inside[y1:y2, x1:x2] = True
        rows, columns = torch.nonzero((depth < 2.9) & ~inside, as_tuple=True)  # only repeated border may lie outside the clipped boxes
        assert ((rows < 2) | (rows > 29) | (columns < 2) | (columns > 29)).all()
    assert changed > 4


def test_image_level_targets_are_left_alone(prepared):
    moved = next(iter(batches(prepared, augmentation=ALL).epoch(0)))
    for name in ("present", "count", "count_class"):
        assert np.array_equal(moved.targets[name], prepared.train.targets[name][:8])


def test_brightness_moves_no_pixel_and_stays_in_range(prepared):
    options = {"augmentation": AugmentationConfig(brightness=1.0, contrast=1.0)}
    batch, plain = (next(iter(batches(prepared, **kind).epoch(0))) for kind in (options, {}))
    mean, std = (torch.tensor(prepared.statistics[name])[:, None, None] for name in ("mean", "std"))
    shares = batch.images * std + mean
    assert shares.min() > -1e-5
    assert shares.max() < 1 + 1e-5
    assert not torch.equal(batch.images, plain.images)
    assert torch.equal(batch.targets["segments"], plain.targets["segments"])


def test_channels_last_changes_the_memory_order_only(prepared):
    first, second = (next(iter(batches(prepared, channels_last=order, augmentation=ALL).epoch(0))) for order in (False, True))
    assert second.images.is_contiguous(memory_format=torch.channels_last)
    assert not first.images.is_contiguous(memory_format=torch.channels_last)
    assert_same(first, second)


def test_reading_a_read_only_cache_warns_of_nothing(prepared):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(batches(prepared, augmentation=ALL).epoch(0))


def test_a_constant_channel_does_not_divide_by_zero(prepared):
    statistics = {**prepared.statistics, "std": [0.0, 0.1, 0.1]}
    batch = next(iter(Batches(prepared.train, [], statistics, 4).epoch(0)))
    assert torch.isfinite(batch.images).all()
    assert batch.targets == {}


def test_arrays_kept_on_the_device_give_the_same_rows(prepared):
    arrays = {"images": prepared.train.images, **prepared.train.targets, "flag": prepared.train.labelled["boxes"]}
    kept, read = (_Rows(arrays, torch.device("cpu"), resident).take(np.array([7, 0, 21])) for resident in (True, False))
    assert kept.keys() == read.keys() == arrays.keys()
    for name in arrays:
        assert torch.equal(kept[name], read[name])
        assert np.array_equal(read[name].numpy(), arrays[name][[7, 0, 21]])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("resident_bytes", [0, 1 << 30])
def test_a_gpu_gives_what_the_cpu_gives(prepared, monkeypatch, resident_bytes):
    monkeypatch.setattr("mtl_core.data.batches.DEVICE_RESIDENT_BYTES", resident_bytes)
    options = {"shuffle": True, "seed": 5, "augmentation": ALL, "channels_last": True}
    for expected, found in zip(batches(prepared, **options).epoch(1), batches(prepared, device="cuda", **options).epoch(1), strict=True):
        assert found.images.device.type == "cuda"
        assert torch.equal(expected.index, found.index)
        assert torch.allclose(expected.images, found.images.cpu(), atol=1e-5)
        for name in TARGETS:
            assert torch.equal(expected.targets[name], found.targets[name].cpu())
