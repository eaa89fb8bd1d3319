"""The cost of a prediction: worked by hand for a small network."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mtl_core.inference.inference_cost import Cost, InferenceCost, measure_cost
from mtl_core.sharing.model import Group


class Model(nn.Module):
    """Two tasks on a convolution: 1 -> 4 channels of 3 x 3 on 8 x 8 pixels, then a matrix for each task."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.heads = nn.ModuleDict({"a": Flat(10), "b": Flat(1)})

    def groups(self):
        heads = [Group(f"head of {name}", head.parameters(), [name]) for name, head in self.heads.items()]
        return [Group("trunk", self.trunk.parameters(), ["a", "b"]), *heads]

    def features(self, images, tasks):
        kept = self.trunk(images)
        return {task: [kept] for task in tasks}

    def forward(self, images):
        features = self.features(images, ["a", "b"])
        return {name: head(features[name]) for name, head in self.heads.items()}


class Flat(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.linear = nn.Linear(256, outputs)

    def forward(self, features):
        return self.linear(features[0].flatten(1))


@pytest.fixture
def predictor():
    return SimpleNamespace(model=Model().eval(), device="cpu", image_shape=(1, 8, 8), kinds={"a": None, "b": None})


CONVOLUTION, PIXELS = 64 * 4 * 9, 64  # multiply-adds of one image


def test_every_number_is_that_of_the_definition(predictor):
    said = []
    cost = measure_cost(predictor, 2, rounds=3, progress=lambda share, text: said.append(share))
    assert cost.shared.parameters == 36 + 2570 + 257
    assert (cost.alone["a"].parameters, cost.alone["b"].parameters) == (36 + 2570, 36 + 257)
    assert cost.shared.multiply_adds == CONVOLUTION + 2560 + 256
    assert (cost.alone["a"].multiply_adds, cost.alone["b"].multiply_adds) == (CONVOLUTION + 2560, CONVOLUTION + 256)
    images, features = 4 * 2 * PIXELS, 4 * 2 * 4 * PIXELS
    assert cost.alone["b"].memory == 4 * 293 + images + features + 4 * 2
    assert cost.alone["a"].memory == 4 * 2606 + images + features + 4 * 2 * 10
    assert cost.shared.memory == 4 * 2863 + images + features + 4 * 2 * 11
    assert min(cost.shared.milliseconds, cost.alone["a"].milliseconds, cost.alone["b"].milliseconds) > 0
    assert (cost.batch_size, cost.rounds, cost.device) == (2, 3, "cpu")
    assert len(said) == 3 * 4
    assert said == sorted(said)


def test_what_was_made_and_is_gone_does_not_count(predictor):
    class Chain(nn.Module):
        def forward(self, features):
            values = features[0]
            for _ in range(5):
                values = values + 1
            return values.sum()

    before = measure_cost(predictor, 1, rounds=1).alone["b"].memory - 4 * 293
    predictor.model.heads["b"] = Chain()
    images, features = 4 * PIXELS, 4 * 4 * PIXELS
    assert before == images + features + 4
    assert measure_cost(predictor, 1, rounds=1).alone["b"].memory == 4 * 36 + images + 3 * features  # the features, and two links of the chain


def test_networks_of_their_own_are_summed():
    alone = {"a": Cost(10, 5.0, 1.0, 140), "b": Cost(20, 7.0, 2.0, 100)}
    found = InferenceCost(Cost(22, 8.0, 1.5, 200), alone, 1, 7, "cpu", "a processor", 2)
    assert found.together() == Cost(30, 12.0, 3.0, 4 * 30 + 100)
    assert found.to_dict()["together"]["memory"] == 220
    assert found.to_dict()["alone"]["b"]["parameters"] == 20


@pytest.mark.parametrize("images", [0, 257])
def test_a_batch_that_is_none_is_refused(predictor, images):
    with pytest.raises(ValueError, match="1 to 256"):
        measure_cost(predictor, images)


def test_an_error_of_the_progress_ends_it(predictor):
    def cancelled(share, text):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        measure_cost(predictor, 1, progress=cancelled)
    assert torch.is_grad_enabled()
