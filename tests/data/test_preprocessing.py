"""Preprocessing: worked values, and images, masks, depth and boxes that stay in register at any size."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from mtl_core.config_sections import DataConfig, PartConfig, PreprocessingConfig
from mtl_core.data import open_source, open_unprocessed
from mtl_core.data.batches import Batches
from mtl_core.data.dataset import MultiTaskDataset
from mtl_core.data.prepare import prepare
from mtl_core.data.preprocessing import DENOISERS, open_denoiser
from mtl_core.data.preprocessing.one_sample import preprocessed_sample, variants
from mtl_core.data.preprocessing.recolour import recoloured
from mtl_core.data.preprocessing.resize import place, resized_boxes, resized_image, resized_map
from mtl_core.data.preprocessing.standardise import standardised
from mtl_core.data.preprocessing.steps import preprocessing
from mtl_core.errors import ConfigError

NOT_NONE = [name for name in DENOISERS if name != "none"]


def denoised(name, image, **options):
    return open_denoiser(PartConfig(name=name, **options))(image)


@pytest.mark.parametrize("name", list(DENOISERS))
@pytest.mark.parametrize("channels", [1, 3])
def test_every_denoiser_keeps_shape_and_type_and_a_flat_image(name, channels):
    flat = np.full((channels, 12, 17), 90, np.uint8)
    result = denoised(name, flat)
    assert result.dtype == np.uint8
    assert np.array_equal(result, flat)
    assert name == "none" or DENOISERS.load(name).source


@pytest.mark.parametrize("name", NOT_NONE)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_denoiser_brings_a_noisy_image_nearer_to_the_true_one(name, channels):
    true = np.full((channels, 32, 48), 60.0)
    true[:, 10:24, 8:40] = 180
    noisy = (true + np.random.default_rng(0).normal(0, 12, true.shape)).clip(0, 255).astype(np.uint8)
    strength = {"non_local_means": {"strength": 15}, "bilateral": {"strength": 60}}.get(name, {})
    before, after = (np.abs(image - true).mean() for image in (noisy.astype(float), denoised(name, noisy, **strength).astype(float)))
    assert after < 0.8 * before


@pytest.mark.parametrize(("name", "weak", "strong"), [
    ("median", {"size": 3}, {"size": 7}),
    ("gaussian", {"sigma": 0.6}, {"sigma": 2.0}),
    ("non_local_means", {"strength": 5}, {"strength": 25}),
    ("bilateral", {"strength": 10}, {"strength": 80}),
])  # fmt: skip
def test_more_strength_removes_more(name, weak, strong):
    noisy = (np.random.default_rng(1).normal(128, 12, (1, 40, 40))).clip(0, 255).astype(np.uint8)
    assert denoised(name, noisy, **strong).std() < denoised(name, noisy, **weak).std() < noisy.std()


def test_the_median_by_hand():
    image = np.full((1, 5, 5), 10, np.uint8)
    image[0, 2, 2] = 255
    assert (denoised("median", image) == 10).all()
    columns = np.tile(np.array([0, 0, 0, 200, 200, 200], np.uint8), (6, 1))[None]
    assert np.array_equal(denoised("median", columns), columns)  # an edge stays


def test_an_even_window_an_unknown_denoiser_and_a_stray_option_are_named():
    with pytest.raises(ConfigError, match="expected an odd number"):
        open_denoiser(PartConfig(name="median", size=4))
    with pytest.raises(ConfigError, match="did you mean 'median'"):
        open_source(DataConfig(name="digits", preprocessing={"denoise": {"name": "medain"}}))
    with pytest.raises(ConfigError, match=r"data\.preprocessing\.denoise\.sigma"):
        open_source(DataConfig(name="digits", preprocessing={"denoise": {"name": "none", "sigma": 1}}))


def test_grey_is_luma_and_colour_is_three_times_the_same():
    image = np.array([255, 0, 0, 255, 10, 20], np.uint8).reshape(3, 1, 2)  # (255, 0, 10) and (0, 255, 20)
    assert recoloured(image, "grey").tolist() == [[[round(0.299 * 255 + 1.14), round(0.587 * 255 + 2.28)]]]
    grey = np.array([[[7, 9]]], np.uint8)
    assert recoloured(grey, "colour").tolist() == [[[7, 9]]] * 3
    assert recoloured(grey, "grey") is grey
    assert recoloured(image, "as_is") is image


@pytest.mark.parametrize(
    ("how", "scaled", "offset", "box"),
    [
        ("stretch", (40, 40), (0, 0), [8, 16, 24, 32]),
        ("pad", (20, 40), (10, 0), [8, 18, 24, 26]),
        ("crop", (40, 80), (0, -20), [0, 16, 28, 32]),
    ],
)
def test_where_a_picture_goes_by_hand(how, scaled, offset, box):
    """A picture of 10 x 20 pixels in a frame of 40 x 40."""
    placement = place((10, 20), (40, 40), how)
    assert (placement.scaled, placement.offset) == (scaled, offset)
    boxes = np.array([[4, 4, 12, 8, 2], [0, 0, 0, 0, -1]], np.float32)
    assert resized_boxes(boxes, placement).tolist() == [[*box, 2], [0, 0, 0, 0, -1]]


def test_bars_count_for_nothing():
    placement = place((10, 20), (40, 40), "pad")
    masks = resized_map(np.ones((10, 20), np.uint8), placement)
    assert (masks[:10] == 255).all()
    assert (masks[30:] == 255).all()
    assert (masks[10:30] == 1).all()
    depth = resized_map(np.full((10, 20), 2.0, np.float32), placement)
    assert np.isnan(depth).sum() == 20 * 40
    image = resized_image(np.full((3, 10, 20), 77, np.uint8), placement)
    assert (image == 77).all()


def test_maps_are_never_mixed_and_a_box_cut_to_a_sliver_goes():
    masks = np.random.default_rng(0).choice([3, 200, 255], (13, 29)).astype(np.uint8)
    assert set(np.unique(resized_map(masks, place((13, 29), (40, 17), "stretch")))) <= {3, 200, 255}
    crop = place((10, 20), (10, 10), "crop")
    boxes = np.array([[0, 0, 6, 10, 1], [0, 0, 7, 10, 1]], np.float32)  # 1 of 6 columns is left, and 2 of 7
    assert resized_boxes(boxes, crop)[:, 4].tolist() == [-1, 1]


@pytest.mark.parametrize("how", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("old", [(30, 44), (44, 30), (90, 61), (16, 16)])
@pytest.mark.parametrize("new", [(32, 32), (24, 40), (40, 24)])
def test_image_mask_depth_and_box_stay_in_register(how, old, new):
    height, width = old
    x1, y1, x2, y2 = width // 2 - 5, height // 2 - 4, width // 2 + 4, height // 2 + 5
    image, mask, depth = np.full((3, *old), 20, np.uint8), np.zeros(old, np.uint8), np.full(old, 5.0, np.float32)
    image[:, y1:y2, x1:x2], mask[y1:y2, x1:x2], depth[y1:y2, x1:x2] = 220, 1, 2.0
    targets = {"mask": mask, "depth": depth, "boxes": np.array([[x1, y1, x2, y2, 4]], np.float32), "digit": np.int64(3)}
    kinds = {"mask": "segmentation", "depth": "depth", "boxes": "detection", "digit": "classification"}
    config = PreprocessingConfig(resize=how, height=new[0], width=new[1])
    moved, after = preprocessing(config)(image, targets, kinds)
    assert moved.shape == (3, *new)
    assert after["digit"] == 3
    assert (after["mask"][moved[0] > 200] == 1).all()
    assert np.isin(after["mask"][moved[0] < 30], (0, 255)).all()
    assert (after["depth"][after["mask"] == 1] == 2).all()
    assert np.isnan(after["depth"][after["mask"] == 255]).all()
    rows, columns = np.nonzero(after["mask"] == 1)
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(after["boxes"][0, :4] - found).max() <= 0.5 + 1e-4  # a pixel belongs to the mask if its middle does


def test_standardising_by_hand():
    statistics = {"mean": [0.2, 0.4], "std": [0.1, 0.3], "image_shape": [2, 1, 1], "targets": {}}
    assert standardised(statistics, "channels") is statistics
    assert standardised(statistics, "none") | {"image_shape": 0} == {"mean": [0, 0], "std": [1, 1], "image_shape": 0, "targets": {}}
    together = standardised(statistics, "together")
    assert together["mean"] == pytest.approx([0.3, 0.3])
    assert together["std"] == pytest.approx([(0.05 + 0.01) ** 0.5] * 2)


SCENES = {"train_size": 12, "val_size": 3, "test_size": 3, "image_size": 32}
STEPS = {"denoise": {"name": "median"}, "colour": "grey", "resize": "pad", "height": 24, "width": 40}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def test_prepared_data_are_preprocessed_and_their_statistics_too(cache):
    config = DataConfig(name="digit_scenes", preprocessing=STEPS, **SCENES)
    source = open_source(config)
    data, before = prepare(source, cache), prepare(open_unprocessed(config), cache)
    assert source.image_shape() == (1, 24, 40)
    assert data.train.images.shape == (12, 1, 24, 40)
    assert data.train.targets["segments"].shape == (12, 24, 40)
    assert data.statistics["mean"] == pytest.approx([data.train.images.mean() / 255])
    assert before.train.images.shape == (12, 3, 32, 32)
    for row in (0, 7):
        sample = preprocessed_sample(before, row, config.preprocessing)
        assert np.array_equal(sample.image, data.train.images[row])
        for name, values in sample.targets.items():
            assert np.array_equal(values, data.train.targets[name][row], equal_nan=values.dtype.kind == "f"), name


def test_preprocessing_holds_a_few_images_at_once(tmp_path):
    """Three times as many images take no more of Python's and numpy's memory: neither the split nor its result is ever held whole."""
    source = open_source(DataConfig(name="digit_scenes", preprocessing={"colour": "grey"}, **SCENES))
    peaks = []
    for count in (500, 1500):
        images = np.lib.format.open_memmap(tmp_path / f"{count}.npy", "w+", np.uint8, (count, 3, 32, 32))
        images[:] = np.arange(count)[:, None, None, None] % 256
        tracemalloc.start()
        layout, portions = source.portions_of(MultiTaskDataset(images, {}, {}), lambda share, what: None)
        levels = np.concatenate([portion["images"][:, 0, 5, 5].copy() for portion in portions])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert layout == {"images": ((count, 1, 32, 32), np.dtype(np.uint8))}
        assert np.array_equal(levels, np.arange(count) % 256)  # in their order, whatever thread made them
    assert peaks[1] < 1.1 * peaks[0]


def test_an_empty_split_has_the_shapes_of_the_others(cache):
    config = DataConfig(name="digit_scenes", preprocessing=STEPS, **SCENES)
    whole = prepare(open_unprocessed(config), cache).train
    none = MultiTaskDataset(
        whole.images[:0], {name: values[:0] for name, values in whole.targets.items()}, {k: v[:0] for k, v in whole.labelled.items()}
    )
    made, full = (open_source(config).preprocessed(split, lambda share, what: None) for split in (none, whole))
    assert made.images.shape == (0, *full.images.shape[1:])
    assert {name: values.shape[1:] for name, values in made.targets.items()} == {name: values.shape[1:] for name, values in full.targets.items()}


def test_settings_give_folders_and_standardising_does_not(cache):
    def folders(**steps):
        prepare(open_source(DataConfig(name="digit_scenes", preprocessing=steps, **SCENES)), cache)
        return {path.name for path in cache.iterdir()}

    first = folders(colour="grey")
    assert folders(colour="grey", standardise="none") == first
    assert folders(colour="grey", height=50) == first  # no size is asked for
    assert len(folders(colour="grey", denoise={"name": "gaussian"}) - first) == 1


def test_unstandardised_batches_are_between_0_and_1(cache):
    data = prepare(open_source(DataConfig(name="digit_scenes", **SCENES)), cache)
    data = replace(data, statistics=standardised(data.statistics, "none"))
    batch = next(iter(Batches(data.train, [], data.statistics, 4).epoch(0)))
    assert np.allclose(batch.images, data.train.images[:4] / 255, atol=1e-6)


def test_variants_of_a_sample_follow_their_augmentation(cache):
    from mtl_core.config_sections import AugmentationConfig

    data = prepare(open_source(DataConfig(name="digit_scenes", **SCENES)), cache)
    sample = preprocessed_sample(data, 2, PreprocessingConfig(colour="grey"))
    found = variants(sample, data.statistics["mean"], AugmentationConfig(shift=4, mixup=1.0), 3)
    assert len({each.image.tobytes() for each in found}) == 3
    assert all(each.image.shape == (1, 32, 32) and each.image.dtype == np.uint8 for each in found)
    assert len({each.targets["segments"].tobytes() for each in found}) == 3
