import pytest
import torch

from mtl_core.backbones.lenet import LeNet, LeNetOptions
from mtl_core.config import RunConfig
from mtl_core.training.check import parameter_counts, problems


def test_it_has_the_papers_sizes():
    """Convolutions 1-10 and 10-20 of 5x5, then 320-50, with biases; each head is one layer, 50-10."""
    values = {"data": {"name": "multi_mnist"}, "tasks": {"left": {}, "right": {}}, "backbone": {"name": "lenet"}}
    assert parameter_counts(RunConfig.from_dict(values)) == {
        "shared": 10 * 25 + 10 + 20 * 10 * 25 + 20 + 320 * 50 + 50,
        "tasks": {"left": 510, "right": 510},
    }


def test_it_is_convolution_pooling_relu_twice_and_one_layer():
    torch.manual_seed(0)
    backbone = LeNet(LeNetOptions(), (1, 28, 28)).eval()
    first, second, linear = (backbone.layers[place] for place in (0, 3, 8))
    images, functional = torch.randn(3, 1, 28, 28), torch.nn.functional
    maps = functional.relu(functional.max_pool2d(functional.conv2d(images, first.weight, first.bias), 2))
    maps = functional.relu(functional.max_pool2d(functional.conv2d(maps, second.weight, second.bias), 2))
    expected = functional.relu(maps.flatten(1) @ linear.weight.T + linear.bias)
    torch.testing.assert_close(backbone(images), [expected])


def test_dropout_is_of_whole_channels_and_in_training_only():
    torch.manual_seed(0)
    backbone = LeNet(LeNetOptions(dropout=0.5), (1, 28, 28))
    maps = backbone.layers[:5](torch.randn(64, 1, 28, 28))
    gone = (maps == 0).flatten(2).all(2)
    assert torch.equal(gone, (maps == 0).flatten(2).any(2))
    assert 0.4 < gone.float().mean() < 0.6
    assert not (backbone.eval().layers[:5](torch.randn(8, 1, 28, 28)) == 0).any()


@pytest.mark.parametrize(("side", "fits"), [(16, True), (15, False)])
def test_images_too_small_are_named(side, fits):
    values = {"data": {"name": "digits", "image_size": side}, "tasks": {"digit": {}}, "backbone": {"name": "lenet"}, "device": "cpu"}
    said = {problem.field: problem.message for problem in problems(RunConfig.from_dict(values))}
    assert ("backbone" not in said) == fits
    assert fits or f"at least 16x16 pixels, found {side}x{side}" in said["backbone"]
