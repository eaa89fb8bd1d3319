"""How far an exported network may be from the one that it was made of: worked values, and graphs that are wrong."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from mtl_core.exports import graph as graphs
from mtl_core.exports.graph import MOST, ROUNDINGS, TOLERANCE, Graph, allowed_difference, example, largest_difference


def difference(wanted, found):
    return largest_difference([torch.tensor(wanted, dtype=torch.float64)], [np.array(found, dtype=np.float64)])


def test_worked_values():
    assert difference([[0.5, 0.2]], [[0.5, 0.21]]) == pytest.approx(0.01)  # below 1 the difference itself
    assert difference([200.0], [201.0]) == pytest.approx(1 / 200)  # of a number its own size
    # The scale of (0, 30, 40) is sqrt(2500 / 3) = 28.87; the last value is larger.
    assert difference([[0.0, 30.0, 40.0]], [[0.01, 30.0, 40.0]]) == pytest.approx(0.01 / math.sqrt(2500 / 3))
    assert difference([[0.0, 30.0, 40.0]], [[0.0, 30.0, 40.01]]) == pytest.approx(0.01 / 40)
    # Each image has a scale of its own.
    assert difference([[0.0, 0.0], [300.0, 400.0]], [[0.01, 0.0], [300.0, 400.0]]) == pytest.approx(0.01)


def test_shapes_and_values_that_are_not_finite():
    assert difference([[1.0, 2.0]], [1.0, 2.0]) == math.inf
    assert difference([[1.0, np.nan]], [[1.0, 2.0]]) == math.inf
    assert difference([[1.0, np.nan]], [[1.0, np.nan]]) == 0
    assert difference([[]], [[]]) == 0


class Kind:
    """What a head gives, as a probability."""

    def finished(self, output):
        return {"": output.sigmoid()}


class Net(nn.Module):
    """Adds a large number, and takes it away again: what is left has the rounding error of the large one."""

    def __init__(self, size):
        super().__init__()
        self.size = size
        self.bias = nn.Parameter(torch.tensor([0.1, 0.2, 0.3, 0.4]))

    def forward(self, images):
        large = self.size * images.mean((1, 2, 3))[:, None]
        return {"task": (large + self.bias) - large}


def graph_of(size):
    normalisation = torch.full((1, 3, 1, 1), 1e-3), torch.full((1, 3, 1, 1), 0.1)
    predictor = SimpleNamespace(model=Net(size), kinds={"task": Kind()}, normalisation=normalisation, image_shape=(3, 8, 8))
    return Graph(predictor).eval()


def images_and_outputs(graph):
    images = example(graph, (3, 8, 8), 3)
    with torch.no_grad():
        return images, graph(images)


def test_an_exact_network_is_allowed_the_tolerance():
    graph = graph_of(1.0)
    assert allowed_difference(graph, *images_and_outputs(graph)) == TOLERANCE


def test_a_network_that_rounds_is_allowed_its_own_rounding_and_never_much():
    graph = graph_of(1e5)
    images, wanted = images_and_outputs(graph)
    exact = graph.double()(images)[0].detach()
    rounding = float((exact - wanted[0].double()).abs().max())
    assert rounding > TOLERANCE / ROUNDINGS
    graph.float()
    assert allowed_difference(graph, images, wanted) == pytest.approx(min(ROUNDINGS * rounding, MOST), rel=1e-6)
    worse = graph_of(1e9)
    assert allowed_difference(worse, *images_and_outputs(worse)) == MOST
    assert graph.network[0].bias.dtype == torch.float32  # the network itself stays as it is


def test_a_wrong_graph_is_beyond_what_is_allowed():
    graph = graph_of(1.0)
    images, wanted = images_and_outputs(graph)
    most = allowed_difference(graph, images, wanted)
    assert most <= MOST
    with torch.no_grad():
        graph.network[0].bias[2] += 0.1  # one bias of one output
        wrong = [values.numpy() for values in graph(images)]
    assert largest_difference(wanted, wrong) > most


def test_a_module_that_works_in_32_bits_only_is_allowed_the_tolerance(monkeypatch):
    graph = graph_of(1e5)
    images, wanted = images_and_outputs(graph)

    def refuse(self, images):
        raise RuntimeError("expected Float")

    monkeypatch.setattr(graphs.Graph, "forward", refuse)
    assert allowed_difference(graph, images, wanted) == TOLERANCE
