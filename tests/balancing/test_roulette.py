"""Roulette: its chances worked out by hand, and that only what is drawn is trained."""

from __future__ import annotations

import torch


def roulette_after(toy, losses_of_steps, **options):
    """Roulette that has seen these losses, and its model."""
    model, balancer = toy.TwoParts(len(losses_of_steps[0])), toy.make("roulette", len(losses_of_steps[0]), **options)
    for losses in losses_of_steps:
        balancer._remember(torch.tensor(losses), toy.everyone(len(losses)))
    return model, balancer


def test_roulette_worked_chances(toy):
    """First losses 2 and 4; then 1 and 4: the short mean moves by a tenth, the long one by a hundredth."""
    for fitness, expected in (("relative_loss", [1.9 / 2, 1.0]), ("inverse_rate", [1.9 / 1.99, 1.0]), ("uniform", [1, 1]), ("labelled", [2, 2])):
        _, balancer = roulette_after(toy, [[2.0, 4.0], [1.0, 4.0]], fitness=fitness)
        torch.testing.assert_close(balancer.chances(toy.everyone(2)), torch.tensor(expected) / sum(expected))
        assert balancer.chances(torch.tensor([False, True])).tolist() == [0.0, 1.0]


def test_roulette_draws_as_often_as_the_chances_say(toy):
    torch.manual_seed(0)
    _, balancer = roulette_after(toy, [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], fitness="labelled")
    balancer.seen = torch.tensor([1.0, 2.0, 5.0])
    drawn = torch.cat([balancer._draw(toy.everyone(3), 1) for _ in range(4000)])
    torch.testing.assert_close(drawn.bincount() / 4000, torch.tensor([1, 2, 5]) / 8, atol=0.03, rtol=0)  # 4 standard deviations


def test_roulette_takes_turns_and_leaves_the_others_alone(toy):
    model, balancer = toy.TwoParts(3), toy.make("roulette", 3, fitness="round_robin")
    slopes = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    seen = []
    for present in ([True] * 3, [True] * 3, [True, True, False], [True] * 3):
        for parameter in model.parameters():
            parameter.grad = None
        _, coefficients = balancer.backward(toy.separate_losses(model, slopes), torch.tensor(present), model)
        seen.append(coefficients.nonzero()[:, 0].tolist())
        assert [own.grad is not None for own in model.own] == [row in seen[-1] for row in range(3)]
        torch.testing.assert_close(model.trunk.grad, coefficients @ torch.tensor(slopes))
    assert seen == [[0], [1], [0], [2]]  # the third step's task had no targets: the next one's turn came, and its own after that


def test_roulette_draws_several_without_replacement(toy):
    torch.manual_seed(0)
    model, balancer = toy.TwoParts(3), toy.make("roulette", 3, tasks_per_step=2)
    for _ in range(20):
        _, coefficients = balancer.backward(list(toy.linear_losses(model, [[1.0, 0.0]] * 3)), toy.everyone(3), model)
        assert sorted(coefficients.tolist()) == [0.0, 1.0, 1.0]
