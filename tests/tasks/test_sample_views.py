"""One image as self-supervised tasks see it: input and target belong together, and are what training would make."""

import numpy as np
import pytest

from mtl_core.errors import ConfigError
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.tasks.pretext.sample_views import sample_views

MEAN, STD = [0.5, 0.4, 0.6], [0.25, 0.2, 0.3]


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (3, 24, 24), dtype=np.uint8)


def views(image, **options):
    return sample_views(image, MEAN[: len(image)], STD[: len(image)], {name: values or {} for name, values in options.items()})


def test_every_kind_has_an_input_and_a_target_that_can_be_drawn(image):
    made = views(image, **dict.fromkeys(SELF_SUPERVISED))
    assert set(made) == set(SELF_SUPERVISED)
    for view in made.values():
        assert view.image.shape == (24, 24, 3)
        assert view.image.dtype == np.uint8
        drawing = view.kind.draw_target(image.transpose(1, 2, 0), view.target, view.task, 2)
        assert drawing.image.shape == (48, 48, 3)


def test_a_turned_image_is_turned_as_its_target_says(image):
    turned = {int(view.target): view.image for seed in range(12) for view in sample_views(image, MEAN, STD, {"rotation": {}}, seed).values()}
    assert len(turned) > 1
    for turns, seen in turned.items():
        assert any(np.array_equal(seen, np.rot90(image.transpose(1, 2, 0), sign * turns)) for sign in (1, -1))


def test_hidden_patches_have_the_mean_colour_and_the_target_shows_them(image):
    view = views(image, reconstruction={"mask_ratio": 0.5, "patch": 6})["reconstruction"]
    plain = image.transpose(1, 2, 0)
    hidden = (view.image == np.round(255 * np.array(MEAN))).all(-1)
    assert hidden.mean() == pytest.approx(0.5, abs=0.01)
    assert np.array_equal(view.image[~hidden], plain[~hidden])
    assert np.array_equal(view.target[hidden], plain[hidden])


def test_what_cannot_be_learnt_from_grey_images_is_left_out(image):
    assert set(views(image[:1], colourisation={}, rotation={})) == {"rotation"}


def test_a_wrong_option_is_named(image):
    with pytest.raises(ConfigError, match="jigsaw"):
        views(image, jigsaw={"gird": 2})
