"""What every self-supervised task promises, and what each one does to the pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_core.backbones import BACKBONES
from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.data.dataset import Task
from mtl_core.errors import ConfigError
from mtl_core.sharing.hard import HardSharing
from mtl_core.sharing.model import SharingOptions
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS
from mtl_core.tasks.pretext.colour_space import colour_bins, lab_to_rgb, nearest_bin, rgb_to_lab
from mtl_core.tasks.pretext.jigsaw import orders
from mtl_core.tasks.pretext.self_supervised import drawn_views, with_views
from mtl_core.training import check
from tests.tasks.given_features import backbone_of, features_of

SHAPE = (3, 32, 32)
STATISTICS = {"image_shape": SHAPE, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "targets": {"t": {"class_counts": [1, 1]}}}


def made(name, shape=SHAPE, **options):
    kind_class = SELF_SUPERVISED.load(name)
    chosen = kind_class.Options(**options)
    return kind_class(kind_class.task_of(name, chosen), chosen, {**STATISTICS, "image_shape": shape})


def images(count=6, shape=SHAPE, seed=0):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def pairs():
    return [
        (task, backbone)
        for task in SELF_SUPERVISED
        for backbone in BACKBONES
        if BACKBONES.load(backbone).gives_map or not SELF_SUPERVISED.load(task).needs_map
    ]


@pytest.mark.parametrize(("name", "backbone_name"), pairs())
def test_the_loss_reaches_every_parameter_and_the_metrics_are_those_declared(name, backbone_name):
    torch.manual_seed(0)
    kind = made(name)
    head = kind.build_head(backbone_of(backbone_name, "meta").features)
    view = kind.view(images(), generator())
    seen = images() if view.images is None else view.images
    assert seen.shape[1:] == SHAPE
    assert len(seen) % 6 == 0
    assert len(view.target) == len(seen)
    output = head(features_of(backbone_name, len(seen)))
    loss = kind.loss(output, view.target)
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    loss.backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    measurement = kind.measurement()
    assert all(np.isnan(value) for value in measurement.compute().values())
    measurement.update(output.detach(), view.target)
    values = measurement.compute()
    assert set(values) == {metric.name for metric in kind.metrics}
    assert values[kind.selection_metric] <= 1
    assert next(metric for metric in kind.metrics if metric.name == kind.selection_metric).higher_is_better


@pytest.mark.parametrize("name", list(SELF_SUPERVISED))
def test_the_same_generator_gives_the_same_view_and_another_one_another(name):
    kind = made(name)
    first, second = kind.view(images(), generator()), kind.view(images(), generator())
    assert torch.equal(first.target.nan_to_num(), second.target.nan_to_num())
    assert torch.equal(first.images, second.images)
    if name != "colourisation":  # nothing about it is random
        assert not torch.equal(first.images, kind.view(images(), generator(2)).images)


@pytest.mark.parametrize("name", list(SELF_SUPERVISED))
def test_input_target_and_prediction_are_drawn_in_register(name):
    torch.manual_seed(0)
    kind, backbone = made(name), backbone_of("small_cnn")
    batch = Batch(images(4), {}, {}, torch.arange(4))
    (seen, target) = drawn_views({name: kind}, batch)[name]
    with torch.no_grad():
        joint = with_views(batch, {name: kind}, seed=0, epoch=0, step=0)
        output = kind.build_head(backbone.features).eval()(backbone(joint.images))
    prediction = kind.decode(kind.first_views(output, 4))
    assert seen.shape == (4, 32, 32, 3)
    assert seen.dtype == np.uint8
    assert len(target) == len(prediction) == 4
    for drawing in (kind.draw_target(seen[0], target[0], kind.task, 2), kind.draw_prediction(seen[0], prediction[0], kind.task, 2)):
        assert drawing.image.shape == (64, 64, 3)
        assert drawing.image.dtype == np.uint8


def test_an_image_turned_back_is_the_image():
    kind = made("rotation")
    view = kind.view(images(40), generator())
    assert set(view.target.tolist()) == {0, 1, 2, 3}
    for original, turned, turns in zip(images(40), view.images, view.target.tolist(), strict=True):
        assert torch.equal(torch.rot90(turned, -turns, (1, 2)), original)


def test_all_turns_are_one_after_the_other():
    view = made("rotation", all_turns=True).view(images(3), generator())
    assert view.target.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert torch.equal(view.images[:3], images(3))


def test_a_wide_image_is_turned_within_its_middle_square():
    view = made("rotation", (3, 16, 24)).view(images(20, (3, 16, 24)), generator())
    assert (view.images[:, :, :, :4] == 0).all()
    assert (view.images[:, :, :, -4:] == 0).all()
    kept = view.target == 0
    assert torch.equal(view.images[kept][..., 4:20], images(20, (3, 16, 24))[kept][..., 4:20])


@pytest.mark.parametrize("grid", [2, 3])
def test_the_pieces_laid_back_are_the_image(grid):
    kind = made("jigsaw", (3, 30, 30), grid=grid, gap=0)
    original = images(8, (3, 30, 30))
    view, side = kind.view(original, generator()), 30 // grid
    for image, shuffled, number in zip(original, view.images, view.target.tolist(), strict=True):
        for cell, piece in enumerate(orders(grid, 24)[number]):
            laid = shuffled[:, cell // grid * side :, cell % grid * side :][:, :side, :side]
            cut = image[:, piece // grid * side :, piece % grid * side :][:, :side, :side]
            assert torch.equal(laid, cut)


def test_pieces_are_smaller_than_their_cells_by_the_gap():
    view = made("jigsaw", gap=3).view(images() + 10, generator())
    covered = (view.images != 0).all(1)
    for row in (slice(0, 16), slice(16, 32)):
        for column in (slice(0, 16), slice(16, 32)):
            assert (covered[:, row, column].sum((1, 2)) == 13 * 13).all()


def test_orders_differ_as_much_as_they_can():
    four = orders(2, 24)
    assert len({tuple(order) for order in four.tolist()}) == 24
    assert (orders(2, 4)[1:] != orders(2, 4)[0]).all()  # the second differs everywhere from the first, and so on
    nine = orders(3, 20)
    distances = [(one != other).sum() for index, one in enumerate(nine) for other in nine[:index]]
    assert min(distances) >= 7
    assert (np.sort(nine, axis=1) == np.arange(9)).all()


def test_hidden_pixels_alone_count_in_the_reconstruction():
    kind = made("reconstruction", mask_ratio=0.25, patch=8)
    view = kind.view(images(), generator())
    hidden = torch.isfinite(view.target).all(1)
    assert (hidden.sum((1, 2)) == 4 * 64).all()  # a quarter of 16 patches
    assert (view.images.permute(0, 2, 3, 1)[hidden] == 0).all()
    assert torch.equal(view.images.permute(0, 2, 3, 1)[~hidden], images().permute(0, 2, 3, 1)[~hidden])
    guess = images() + 1
    guess.permute(0, 2, 3, 1)[~hidden] = 1e6
    assert float(kind.loss(guess, view.target)) == pytest.approx(1.0, rel=1e-5)


def test_noise_has_the_spread_asked_for_and_a_plain_autoencoder_needs_no_view():
    kind = made("reconstruction", mask_ratio=0, noise=0.1)
    view = kind.view(images(60), generator())
    spread = ((view.images - images(60)) * kind.std).std((0, 2, 3))
    torch.testing.assert_close(spread, torch.full((3,), 0.1), rtol=0.02, atol=0)
    assert torch.equal(view.target, images(60))
    assert made("reconstruction", mask_ratio=0).view(images(), generator()).images is None


def test_reconstruction_metrics_on_worked_numbers():
    kind = made("reconstruction")
    measurement, target = kind.measurement(), torch.ones(1, 3, 32, 32)
    target[..., 16:] = -1  # R2 is about the mean, here 0
    measurement.update(0.5 * target, target)
    values = measurement.compute()
    assert values["r2"] == pytest.approx(0.75)
    assert values["psnr"] == pytest.approx(-10 * np.log10(0.25 * np.mean(np.square(STATISTICS["std"]))), rel=1e-5)


def test_colours_there_and_back_and_known_ones():
    rgb = torch.rand(2, 3, 8, 8, generator=generator())
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(rgb)), rgb, atol=1e-4, rtol=0)
    known = {(1.0, 1.0, 1.0): (100, 0, 0), (1.0, 0.0, 0.0): (53.24, 80.09, 67.20), (0.0, 0.0, 1.0): (32.30, 79.19, -107.86)}
    for colour, lab in known.items():
        found = rgb_to_lab(torch.tensor(colour).view(3, 1, 1))[:, 0, 0]
        torch.testing.assert_close(found, torch.tensor(lab, dtype=torch.float32), atol=0.05, rtol=0)


def test_the_nearest_bin_is_the_nearest():
    bins = colour_bins(20)
    ab = torch.rand(1, 2, 9, 9, generator=generator()) * 120 - 60
    far = torch.cdist(ab[0].flatten(1).T, bins)
    chosen = far[torch.arange(81), nearest_bin(ab, 20).flatten()]
    assert ((chosen - far.min(1).values) < 20).all()
    inside = nearest_bin(bins.T[None, :, :, None], 20).flatten()
    assert torch.equal(inside, torch.arange(len(bins)))


def test_colourisation_sees_no_colour_and_rare_colours_count_for_more():
    kind = made("colourisation")
    view = kind.view(images(), generator())
    grey = kind.in_range(view.images)
    torch.testing.assert_close(grey[:, 0], grey[:, 2], atol=1e-5, rtol=0)
    pixels = np.full((10, 3, 8, 8), 128, np.uint8)
    pixels[0, 0] = 255
    kind.measure(pixels)
    common, rare = (int(nearest_bin(rgb_to_lab(torch.tensor(c).view(1, 3, 1, 1))[:, 1:], 20)) for c in ((0.5, 0.5, 0.5), (1.0, 0.5, 0.5)))
    assert kind.class_weights[rare] > 5 * kind.class_weights[common]
    assert 0.9 * float(kind.class_weights[common]) + 0.1 * float(kind.class_weights[rare]) == pytest.approx(1.0, rel=1e-5)


def test_the_contrastive_loss_on_worked_numbers():
    kind = made("contrastive", temperature=0.5)
    output = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    target = torch.tensor([0, 1, 0, 1])
    expected = -np.log(np.exp(2) / (np.exp(2) + 2))  # its partner at cosine 1, the two of the other image at 0
    assert float(kind.loss(output, target)) == pytest.approx(expected, rel=1e-6)
    measurement = kind.measurement()
    measurement.update(output, target)
    assert measurement.compute() == {"found": 1.0, "alignment": 1.0}
    assert kind.decode(output).tolist() == [[1, 0, 1], [1, 0, 0]]


class Seen(Backbone):
    """A backbone that gives the pixels themselves."""

    gives_map = False

    def __init__(self):
        super().__init__()
        self.features = (FeatureInfo(3 * 32 * 32, None),)
        self.layer = torch.nn.Identity()

    def forward(self, pixels):
        return [pixels.flatten(1)]


def test_each_head_reads_its_own_rows():
    supervised = TASK_KINDS.load("classification")
    kinds = {
        "t": supervised(Task("t", "classification", "t", ("a", "b")), supervised.Options(), STATISTICS),
        "rotation": made("rotation"),
        "contrastive": made("contrastive"),
        "reconstruction": made("reconstruction", mask_ratio=0),
    }
    batch = Batch(images(), {"t": torch.zeros(6, dtype=torch.int64)}, {"t": torch.ones(6, dtype=torch.bool)}, torch.arange(6))
    joint = with_views(batch, kinds, seed=3, epoch=1, step=2)
    assert joint.parts == {"t": slice(0, 6), "reconstruction": slice(0, 6), "rotation": slice(6, 12), "contrastive": slice(12, 24)}
    assert torch.equal(joint.images[:6], batch.images)
    model = HardSharing(Seen, kinds, SharingOptions()).eval()
    outputs = model(joint.images, joint.parts)
    assert torch.equal(outputs["t"], model.heads["t"]([joint.images[:6].flatten(1)]))
    assert torch.equal(outputs["rotation"], model.heads["rotation"]([joint.images[6:12].flatten(1)]))
    alone = with_views(batch, {"rotation": kinds["rotation"]}, seed=3, epoch=1, step=2)
    assert alone.parts == {}
    assert torch.equal(alone.images, joint.images[6:12])  # what else is trained does not change what a task sees
    assert with_views(batch, {"t": kinds["t"]}, 3, 1, 2) is batch


def problems_of(data, tasks, backbone="small_cnn", **changes):
    values = {"data": data, "tasks": tasks, "backbone": {"name": backbone}, "device": "cpu", **changes}
    return " ".join(str(problem) for problem in check.problems(RunConfig.from_dict(values)))


def test_what_does_not_fit_is_said():
    digits = {"name": "digits"}
    assert "grey" in problems_of(digits, {"colourisation": {}})
    assert "pixels" in problems_of(digits, {"jigsaw": {"grid": 3}}, backbone="mlp")
    assert "one vector per image" in problems_of({"name": "digit_scenes"}, {"colourisation": {}}, backbone="mlp")
    assert "at least 2" in problems_of(digits, {"contrastive": {}}, backbone="mlp", batch_size=1)
    assert "patches of 16" in problems_of(digits, {"reconstruction": {"patch": 16}}, backbone="mlp")
    assert problems_of(digits, {"rotation": {}, "reconstruction": {}, "contrastive": {}, "digit": {}}, backbone="mlp") == ""


@pytest.mark.parametrize(
    ("side", "options", "says"),
    [
        (10, {}, ""),
        (8, {}, "at least 10 x 10 pixels, found 8 x 8. Take larger images or a gap of at most 0"),
        (6, {}, "at least 10 x 10 pixels, found 6 x 6. Take larger images"),
        (12, {"grid": 3}, "at least 15 x 15 pixels, found 12 x 12. Take larger images, a gap of at most 0 or a grid of 2"),
        (8, {"grid": 3}, "at least 15 x 15 pixels, found 8 x 8. Take larger images or a grid of 2 with a gap of at most 0"),
    ],
)
def test_pieces_too_small_are_told_only_what_helps(side, options, says):
    jigsaw = SELF_SUPERVISED.load("jigsaw")
    assert jigsaw.misfit(jigsaw.Options(**options), (3, side, side)).rpartition("need images of ")[2] == says


def test_an_unknown_task_is_told_what_there_is():
    with pytest.raises(ConfigError, match=r"did you mean 'rotation'.*reconstruction"):
        check.parameter_counts(RunConfig.from_dict({"data": {"name": "digits"}, "tasks": {"rotatoin": {}}, "backbone": {"name": "mlp"}}))


@pytest.mark.parametrize("name", list(SELF_SUPERVISED))
def test_each_says_what_it_does(name):
    kind_class = SELF_SUPERVISED.load(name)
    assert kind_class.__doc__
    assert kind_class.title.lower() == name
    assert kind_class.summary
    assert all(field.description for field in kind_class.Options.model_fields.values())
