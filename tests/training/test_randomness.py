"""A run draws from generators of its own: nothing else in the process changes its numbers, and it changes nobody else's."""

import itertools
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import nn
from torchvision.models import resnet18
from torchvision.ops import StochasticDepth

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.config_sections import AugmentationConfig
from mtl_core.randomness import Generators, draws, unnoticed
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.training import UPDATES
from mtl_core.training.build import build
from mtl_core.training.parts import resolve

ONES = torch.ones(4, 6, 5, 5)
DRAWN = {
    "dropout": lambda: functional.dropout(ONES, 0.3),
    "dropout in bf16": lambda: functional.dropout(ONES.bfloat16(), 0.4),
    "dropout in place": lambda: functional.dropout(ONES.clone(), 0.4, inplace=True),
    "dropout1d": lambda: nn.Dropout1d(0.3)(ONES[0]),
    "dropout2d": lambda: nn.Dropout2d(0.3)(ONES),
    "dropout2d in bf16": lambda: nn.Dropout2d(0.3)(ONES.bfloat16()),
    "dropout3d": lambda: nn.Dropout3d(0.3)(ONES[..., None]),
    "alpha dropout": lambda: nn.AlphaDropout(0.3)(ONES),
    "stochastic depth": lambda: StochasticDepth(0.5, "row")(ONES),
    "rand": lambda: torch.rand(3, 2),
    "rand_like": lambda: torch.rand_like(ONES),
    "randn": lambda: torch.randn(3),
    "randint": lambda: torch.randint(9, (5,)),
    "randperm": lambda: torch.randperm(20),
    "multinomial": lambda: torch.multinomial(torch.ones(5), 2),
    "bernoulli": lambda: torch.bernoulli(ONES / 2),
    "dirichlet": lambda: torch.distributions.Dirichlet(torch.ones(4)).sample(),
    "normal": lambda: torch.distributions.Normal(torch.zeros(4), 1.0).sample(),
    "linear": lambda: nn.Linear(5, 6).weight.detach(),
    "conv": lambda: nn.Conv2d(3, 8, 3).weight.detach(),
    "orthogonal": lambda: nn.init.orthogonal_(torch.empty(6, 6)),
    "truncated": lambda: nn.init.trunc_normal_(torch.empty(30)),
    "gumbel": lambda: functional.gumbel_softmax(ONES, hard=True),
    "resnet18": lambda: torch.cat([tensor.flatten()[:50] for tensor in resnet18(weights=None).state_dict().values() if tensor.is_floating_point()]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_own_generators_give_what_the_global_one_gives_and_leave_it_alone(name):
    torch.manual_seed(3)
    expected, after = DRAWN[name](), torch.get_rng_state()
    torch.manual_seed(99)
    before, generators = torch.get_rng_state(), Generators(3)
    with generators.drawing():
        found = DRAWN[name]()
    assert torch.equal(found, expected)
    assert torch.equal(generators.state()["cpu"], after)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_context_is_the_threads_own():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    found = []
    with Generators(0).drawing():
        thread = threading.Thread(target=lambda: found.append(torch.rand(3)))
        thread.start()
        thread.join()
    assert torch.equal(found[0], expected)


def test_states_are_restored():
    generators = Generators(1)
    with generators.drawing():
        torch.rand(7)
        state = generators.state()
        expected = torch.rand(5)
        generators.restore(state)
        assert torch.equal(torch.rand(5), expected)
    before = torch.get_rng_state()
    with unnoticed():
        nn.Linear(3, 3)
    assert torch.equal(torch.get_rng_state(), before)


class Foreign(nn.Module):
    """A module of another package may draw in a way that nobody can see."""

    def forward(self, images):
        return images * torch.rand(())


def test_which_networks_draw():
    assert draws(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1)))
    assert draws(nn.Sequential(StochasticDepth(0.1, "row")))
    assert not draws(resnet18(weights=None))
    assert draws(nn.Sequential(Foreign()))
    quiet = Foreign()
    quiet.draws = False
    assert not draws(quiet)


DIGITS = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}, "slant": {}},
    "backbone": {"name": "mlp", "hidden": [8]},
    "epochs": 1,
    "batch_size": 64,
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "keep_checkpoints": 0,
}
EVERY_AUGMENTATION = {"shift": 2, "flip": True, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "crop": 0.2}
EVERY_AUGMENTATION |= {"rotation": 10, "scale": 0.1, "cutout": 0.2}
SCENES = {"data": {"name": "digit_scenes", "train_size": 16, "val_size": 4, "test_size": 4, "image_size": 32}, "batch_size": 8}
CASES = {
    **{f"balancing {name}": {"balancing": {"name": name}} for name in BALANCERS},
    **{f"backbone {name}": {"backbone": {"name": name}} for name in BACKBONES},
    **{f"update {name}": {"update": {"name": name}} for name in UPDATES},
    **{f"task {name}": {"tasks": {"digit": {}, name: {}}, "backbone": {"name": "small_cnn", "width": 8}} for name in SELF_SUPERVISED},
    "every augmentation": {
        **SCENES,
        "tasks": {"present": {}, "segments": {}, "boxes": {}},
        "backbone": {"name": "small_cnn", "width": 8},
        "augmentation": EVERY_AUGMENTATION,
    },
    "measured precision and layout": {"backbone": {"name": "small_cnn", "width": 8}, "precision": "auto", "layout": "auto"},
    "mixup": {"tasks": {"digit": {}}, "augmentation": {"mixup": 0.4}},
    "lenet with dropout": {"backbone": {"name": "lenet", "dropout": 0.5}},
}

TWICE = ("balancing pcgrad", "balancing random", "balancing roulette", "balancing graddrop", "lenet with dropout", "mixup")


def state_of_the_process() -> tuple:
    return torch.get_rng_state().tolist(), [np.asarray(part).tolist() for part in np.random.get_state()[1:]]


def some_steps(config: RunConfig, cache, others_draw: int, steps: int) -> dict[str, torch.Tensor]:
    """The weights after some steps and an epoch's end. No step may move a global generator; others do, between the steps."""
    before = state_of_the_process()
    setup = build(resolve(config), cache)
    step = setup.update
    setup.network.model.train()
    for number, batch in enumerate(itertools.islice(setup.run.train_batches.epoch(0), steps), start=1):
        with setup.drawing():
            step(batch, number)
        assert state_of_the_process() == before, "a global generator was drawn from"
        torch.rand(others_draw)
        before = state_of_the_process()
    with setup.drawing():
        setup.network.balancer.end_epoch()
    assert state_of_the_process() == before
    return setup.network.model.state_dict()


@pytest.mark.parametrize("case", CASES)
def test_training_moves_no_generator_of_the_process_and_none_moves_it(case, shared_cache):
    values = {**DIGITS, **CASES[case]}
    if case == "task colourisation":
        values |= {**SCENES, "tasks": {"count": {}, "colourisation": {}}}  # digits have no colours
    if case == "task jigsaw":
        values |= {**SCENES, "tasks": {"count": {}, "jigsaw": {}}}  # digits are too small
    backbone = BACKBONES.load(values["backbone"]["name"])
    if "lenet" in case or backbone.problem(backbone.Options(), (1, 8, 8)):
        values |= {**SCENES, "tasks": {"count": {}, "present": {}}}  # digits are too small
    if case.startswith("backbone"):
        values |= {"batch_size": 4, "optimizer": {"name": "sgd"}}  # the largest of them take seconds for more
    found = []
    for seed in (1, 2) if case in TWICE else (1,):
        torch.manual_seed(seed)
        np.random.seed(seed)
        found.append(some_steps(RunConfig.from_dict(values), shared_cache, seed, steps=1 if case.startswith("backbone") else 2))
    for other in found[1:]:
        assert all(torch.equal(tensor, found[0][name]) for name, tensor in other.items())


def test_every_augmentation_is_among_the_cases():
    assert set(EVERY_AUGMENTATION) | {"mixup"} == set(AugmentationConfig.model_fields)


def test_a_method_from_elsewhere_is_taken_to_draw():
    from mtl_core.balancing.fixed import Fixed

    assert not Fixed.may_draw()
    elsewhere = type("Elsewhere", (Fixed,), {"__module__": "somebody.else"})
    assert elsewhere.may_draw()
    assert not type("Says", (Fixed,), {"__module__": "somebody.else", "draws": False}).may_draw()


def test_the_order_of_the_tasks_is_part_of_the_config(shared_cache):
    """Heads draw their initial values in the tasks' order: docs/reproduce.md says so. The shared network, drawn first, is the same."""
    values = {**DIGITS, "backbone": {"name": "small_cnn", "width": 8}}
    turned = {**values, "tasks": dict(reversed(values["tasks"].items()))}
    one, other = (build(resolve(RunConfig.from_dict(each)), shared_cache).network.model for each in (values, turned))
    shared = dict(other.backbone.named_parameters())
    assert all(torch.equal(tensor, shared[name]) for name, tensor in one.backbone.named_parameters())
    [first, *_] = values["tasks"]
    pairs = zip(one.task_parameters(first), other.task_parameters(first), strict=True)
    assert not all(torch.equal(mine, theirs) for mine, theirs in pairs)
