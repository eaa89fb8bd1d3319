"""Tasks that are absent from many batches: nothing of them is trained meanwhile, and coming rarely neither raises nor lowers what they count."""

from __future__ import annotations

import pytest
import torch

from mtl_core.balancing import BALANCERS

CLASSES = {name: BALANCERS.load(name) for name in BALANCERS}
VARIANTS = [(name, {}) for name, balancer in CLASSES.items() if not balancer.uneven and name not in ("cr_mogm", "sdmgrad")]
VARIANTS += [("cr_mogm", {"alpha": 0.0}), ("sdmgrad", {"weights_lr": 1.0})]
VARIANTS += [("roulette", {"fitness": fitness}) for fitness in ("inverse_rate", "uniform")] + [("excess_mtl", {"step_size": 1.0})]
VARIANTS += [("gradnorm", {"alpha": 0.0}), ("db_mtl", {"beta": 0.0}), ("famo", {"weights_decay": 0.0})]
LOOSE = {"random": 0.15, "graddrop": 0.15, "pcd": 0.05}  # relative tolerance: a mean over so many draws, or running means of 1000 steps
STEPS, STEPS_OF_DRAWS, STEPS_WITHOUT_STATE = 80, 600, 24
RARE, PRIMARY = 4, {"pcd": 1}  # the third task is in every fourth batch; PCD's first task is not like the others


def mean_coefficients(toy, name, options, factor, steps=None) -> torch.Tensor:
    """Means (T,) over the later steps in which all of three tasks were present, all alike: equal losses that fall by ``factor`` a step."""
    torch.manual_seed(1)
    model, balancer = toy.TwoParts(3, 3), toy.make(name, 3, **options)
    optimizer = torch.optim.SGD(balancer.parameters(), lr=0.5) if list(balancer.parameters()) else None
    seen, steps = [], steps or ((STEPS_OF_DRAWS if name in LOOSE else STEPS) if balancer.state_dict() else STEPS_WITHOUT_STATE)
    for step in range(steps):
        here = [True, True, step % RARE == 0]
        value = 2.0 * factor**step
        losses = toy.separate_losses(model, torch.eye(3) * value, [value] * 3)
        losses = [loss if is_here else torch.zeros(()) for loss, is_here in zip(losses, here, strict=True)]
        model.zero_grad()
        balancer.zero_grad()
        _, coefficients = balancer.backward(losses, torch.tensor(here), model)
        if optimizer is not None:
            optimizer.step()
        after = torch.tensor([value * factor * is_here for is_here in here])
        balancer.after_step(lambda after=after, here=here: (after, torch.tensor(here)))
        if step % 20 == 19:
            balancer.end_epoch()
        if all(here) and step >= steps // 3:
            seen.append(balancer.chances(torch.tensor(here)) if name == "roulette" else coefficients)
    return torch.stack(seen).mean(dim=0)


FALLING = 0.998  # a step
CASES = [(name, options, factor) for name, options in VARIANTS for factor in ((FALLING,) if name in LOOSE else (1.0, FALLING))]


@pytest.mark.parametrize(
    ("name", "options", "factor"), CASES, ids=[f"{name}-{'-'.join(map(str, [*options.values(), by]))}" for name, options, by in CASES]
)
def test_tasks_that_are_alike_keep_equal_coefficients(name, options, factor, toy):
    """Losses that are constant and losses that fall. What draws needs many steps, and loses nothing where the losses fall, too."""
    means = mean_coefficients(toy, name, options, factor)[PRIMARY.get(name, 0) :]
    assert means.max() - means.min() <= LOOSE.get(name, 0.02) * means.mean(), means


def test_one_after_another_waits_for_who_is_absent(toy):
    """Round robin: the rare task has its turn whenever it comes, and the others share the rest evenly."""
    model, balancer = toy.TwoParts(3, 3), toy.make("roulette", 3, fitness="round_robin")
    turns = torch.zeros(3)
    for step in range(120):
        present = torch.tensor([True, True, step % RARE == RARE - 1])
        _, coefficients = balancer.backward(list(toy.linear_losses(model, torch.eye(3).tolist())), present, model)
        turns += coefficients
    assert turns.tolist() == [45, 45, 30]


@pytest.mark.parametrize("name", ["uncertainty", "imtl_l"])
def test_what_is_learnt_late_is_learnt_all_the_same(name, toy):
    """These say that a rare task's scale comes later; once there, it is the same."""
    assert CLASSES[name].uneven
    means = mean_coefficients(toy, name, {}, 1.0, steps=120)
    assert means.max() - means.min() <= 0.01 * means.mean()
