"""Methods on the plane are the ones that train networks: every registered one walks, and hand-made gradients give worked updates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_core.balancing import BALANCERS, SHOWN_FIRST
from mtl_core.errors import ConfigError
from mtl_core.plane import LANDSCAPES
from mtl_core.plane.cagrad_toy import CAGradToy, ToyOptions
from mtl_core.plane.landscape import Landscape
from mtl_core.plane.two_bowls import BowlOptions, TwoBowls
from mtl_core.plane.walk import Walk, updates_by_hand

every_method = pytest.mark.parametrize("method", list(BALANCERS))
GRADIENTS = np.array([[2.0, 1.0], [-1.0, 1.0]])


def update(name: str, gradients=GRADIENTS, **options) -> np.ndarray:
    return updates_by_hand(gradients, {name: options})[name][0]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@every_method
@pytest.mark.parametrize("name", list(LANDSCAPES))
def test_every_method_walks_on_every_landscape(method, name):
    landscape = LANDSCAPES.load(name)()
    state = torch.random.get_rng_state()
    first, again = (Walk(landscape, method, landscape.starts[0]) for _ in range(2))
    first.advance(6)
    again.advance(2)
    again.advance(4)
    assert not first.stopped
    assert len(first.points) == len(first.losses) == 7
    assert len(first.coefficients) == 6
    assert first.points == again.points  # in one go or in two, the same steps
    assert first.points[-1] != first.points[0]
    assert np.isfinite(first.losses).all()
    assert torch.equal(torch.random.get_rng_state(), state)  # its random numbers are its own


@pytest.mark.parametrize("method", [name for name in BALANCERS if BALANCERS.load(name).pareto_stationary and not BALANCERS.load(name).only_with])
def test_who_promises_it_comes_to_the_front(method):
    """Plain gradient descent on round bowls: every Pareto-stationary method ends where the gradients point against each other."""
    landscape = TwoBowls(BowlOptions(distance=6))
    walk = Walk(landscape, method, (0.5, 2.0), optimizer="sgd", step=0.5)
    walk.advance(60)
    assert abs(walk.points[-1][1]) < 0.1
    assert -3.1 < walk.points[-1][0] < 3.1


def test_the_sum_by_hand():
    """One step of gradient descent: (x, y) - step (g1 + g2)."""
    landscape = TwoBowls(BowlOptions(distance=6))
    walk = Walk(landscape, "fixed", (1.0, 2.0), optimizer="sgd", step=0.5)
    walk.advance(1)
    assert walk.points[1] == pytest.approx((1.0 - 0.5 * (0.8 - 0.4), 2.0 - 0.5 * (0.4 + 0.4)))
    assert walk.losses[0] == pytest.approx((2.0, 0.8))
    assert walk.coefficients[0] == pytest.approx((1.0, 1.0))


def test_updates_by_hand():
    assert update("fixed") == pytest.approx([1.0, 2.0])
    assert update("mgda") == pytest.approx([0.0, 1.0], abs=1e-5)  # the shortest convex combination: 1/3 and 2/3
    assert update("pcgrad") == pytest.approx([2 - 0.5 - 1 + 0.4, 1 + 0.5 + 1 + 0.2], abs=1e-5)  # each less its part along the other
    assert update("graddrop").shape == (2,)


@pytest.mark.parametrize("scale", [0.1, 1.0])
@pytest.mark.parametrize("start", [*CAGradToy.starts, (4.99, 3.97), (-5.43, -2.58), (5.99, 0.52), (6.24, 0.37)])
def test_on_the_toy_nash_and_imtl_point_along_the_sum_of_the_unit_gradients(start, scale):
    """At the papers' starts, and where the sum, PCGrad and CAGrad are known to be left: one step of the walk, against plain autograd."""
    toy = CAGradToy(ToyOptions(first_scale=scale))
    point = torch.tensor(start, requires_grad=True)
    gradients = np.stack([torch.autograd.grad(loss, point, retain_graph=True)[0].numpy() for loss in toy.losses(point)]).astype(float)
    wanted = (gradients / np.linalg.norm(gradients, axis=1, keepdims=True)).sum(axis=0)
    for name in ("nash_mtl", "imtl_g"):
        walk = Walk(toy, name, start)
        walk.advance(1)
        combined = walk.model.point.grad.numpy()
        assert cosine(combined, wanted) == pytest.approx(1, abs=1e-5), name
        assert combined == pytest.approx(walk.coefficients[0] @ gradients, rel=1e-4, abs=1e-6 * np.abs(combined).max()), name


def test_two_tasks_nash_and_imtl_agree_in_direction():
    """With two tasks both point along g1 / |g1| + g2 / |g2|."""
    random = np.random.default_rng(0)
    for _ in range(10):
        gradients = random.normal(size=(2, 2)) * [[3.0], [0.5]]
        wanted = (gradients / np.linalg.norm(gradients, axis=1, keepdims=True)).sum(axis=0)
        for name in ("nash_mtl", "imtl_g"):
            assert cosine(update(name, gradients), wanted) == pytest.approx(1, abs=1e-3), name


@pytest.mark.parametrize("method", [name for name in BALANCERS if BALANCERS.load(name).promises("no_conflict", BALANCERS.load(name).Options())])
def test_who_promises_no_conflict_keeps_it(method):
    random = np.random.default_rng(1)
    for count in (2, 3):
        for _ in range(8):
            gradients = random.normal(size=(count, 2))
            gradients[gradients[:, 1] < 0] *= -1  # all above the x axis, so that there is a direction in which no loss rises
            combined = update(method, gradients)
            assert (gradients @ combined >= -1e-3 * np.linalg.norm(combined)).all()


def test_what_cannot_be_is_said_in_words():
    landscape = TwoBowls()
    with pytest.raises(ConfigError, match="nonsense"):
        Walk(landscape, "nonsense", (0, 0))
    with pytest.raises(ConfigError, match="speed"):
        Walk(landscape, "mgda", (0, 0), {"speed": 3})
    with pytest.raises(ConfigError, match="no features"):
        Walk(landscape, "mgda", (0, 0), {"gradients": "features"})
    assert set(SHOWN_FIRST) <= set(BALANCERS)


def test_a_walk_that_leaves_the_numbers_stops():
    class Cliff(Landscape):
        title, summary, bounds, starts, step = "Cliff", "Not finite.", (-1.0, 1.0, -1.0, 1.0), ((0.0, 0.0),), 1.0

        def losses(self, points):
            return torch.stack([points.sum(-1).exp(), (-points).sum(-1)], dim=-1)

        def lowest(self):
            return 0.0, -1e9

    walk = Walk(Cliff(), "fixed", (200.0, 0.0), optimizer="sgd")
    walk.advance(5)
    assert walk.stopped == "the update is not finite"
    assert len(walk.points) == 1
    far = Walk(TwoBowls(), "fixed", (9.0, 9.0), optimizer="sgd", step=10.0)
    far.advance(500)
    assert far.stopped == "it has left the plane"
    assert len(far.points) < 500
