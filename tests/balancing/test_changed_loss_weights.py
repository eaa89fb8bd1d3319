"""A loss weight that changes while a run trains, or in a fork, is not taken for progress; and what earlier versions kept still opens."""

from __future__ import annotations

import json

import pytest
import torch
from torchjd import scalarization

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.training import checkpoints
from mtl_core.training.build import build
from mtl_core.training.live_changes import Changes
from mtl_core.training.parts import resolve

# Everything that a method remembers between steps: in which power of the loss weight it is, or why a change leaves it as it is.
IN_UNITS = {
    "dwa": {"sums": 1, "last": 1, "before_last": 1},
    "roulette": {"first": 1, "recent": 1, "long": 1},
    "gradnorm": {"first_losses": 1, "first_moment": 1, "second_moment": 2},
    "excess_mtl": {"first": 1, "squares": 2},
    "auto_lambda": {"last": 1, "own": 1, "first_moment": None, "second_moment": None},
    "moco": {"mean": 1},
    "modo": {"last": 1},
    "sdmgrad": {"last": 1},
    "pcd": {"squared_norms": 2},
}
COUNTS = {"counts", "seen", "missed", "age", "steps", "last_turn", "has_last", "has_mean"}
LEARNT = {
    "uncertainty": "s_t is learnt from the weighted loss; a change takes effect at once, and s_t follows in time",
    "imtl_l": "as uncertainty",
    "famo": "of logarithms' differences within one step",
    "gradnorm": "weights, learnt from norms that hold the loss weights",
    "excess_mtl": "weights, learnt from ratios",
    "auto_lambda": "weights, learnt from products that hold the loss weights",
    "db_mtl": "means of the logarithms' gradients, which a factor on a loss leaves alone",
    "gradvac": "cosines",
    "cr_mogm": "another method's weights, which follow the loss weights by themselves",
    "moco": "weights on the simplex",
    "modo": "weights on the simplex",
    "sdmgrad": "weights on the simplex",
}
WEIGHTS = torch.tensor([1.0, 10.0, 0.25])
SLOPES = torch.tensor([[1.0, 2.0, 0.5], [-2.0, 1.5, 0.1], [0.5, -0.3, 1.0]])
RAW = [2.0, 0.5, 1.0]


def constant_steps(toy, balancer, weights, count, epoch=2):
    """Steps with the same raw losses and gradients; the coefficients of the last one."""
    model = toy.TwoParts(3, 3)
    for number in range(count):
        model.zero_grad()
        losses = [loss * weight for loss, weight in zip(toy.separate_losses(model, SLOPES.tolist(), RAW), weights, strict=True)]
        _, coefficients = balancer.backward(losses, toy.everyone(3), model)
        balancer.after_step(lambda: (0.99 * torch.tensor(RAW) * weights, toy.everyone(3)))
        if number % epoch == epoch - 1:
            balancer.end_epoch()
    return coefficients


def remembered(balancer) -> dict[str, torch.Tensor]:
    state = dict(balancer.state_dict())
    memory = state.pop("_extra_state", {})
    own = memory.get("own")
    return state | {key: value for key, value in memory.items() if key != "own"} | ({"own": torch.stack(list(own.values()))} if own else {})


@pytest.mark.parametrize("name", list(BALANCERS))
def test_what_is_remembered_changes_its_units(name, toy):
    """As if the new weights had been there from the beginning; whoever remembers something says what becomes of it."""
    torch.manual_seed(0)
    balancer, ones = toy.make(name, 3), torch.ones(3)
    constant_steps(toy, balancer, ones, 5)
    before = {key: value.clone() for key, value in remembered(balancer).items()}
    balancer.use_loss_weights(WEIGHTS)
    after = remembered(balancer)
    powers = IN_UNITS.get(name, {})
    for key, value in before.items():
        if key in COUNTS:
            assert torch.equal(after[key], value)
        elif powers.get(key, 0) is not None:
            factors = WEIGHTS ** powers.get(key, 0)
            torch.testing.assert_close(after[key], value * factors.view(-1, *[1] * (value.ndim - 1)) if value.ndim else value)
        if key not in COUNTS and key not in powers:
            assert name in LEARNT, f"{name} remembers {key}: say in which units"
    balancer.use_loss_weights(ones)  # and back
    for key, value in remembered(balancer).items():
        torch.testing.assert_close(value, before[key])


@pytest.mark.parametrize("name", ["fixed", "mean", "uncertainty", "imtl_l", "dwa", "excess_mtl"])
def test_a_change_moves_no_coefficient(name, toy):
    """Constant raw losses and gradients: what multiplies the weighted losses is what it was, in the step after the change and after epochs."""
    changed, steady = toy.make(name, 3), toy.make(name, 3)
    before = constant_steps(toy, changed, torch.ones(3), 8)
    constant_steps(toy, steady, torch.ones(3), 8)
    changed.use_loss_weights(WEIGHTS)
    for count in (1, 7):
        after = constant_steps(toy, changed, WEIGHTS, count)
        torch.testing.assert_close(after, constant_steps(toy, steady, torch.ones(3), count), rtol=1e-4, atol=1e-6)
    assert name in ("excess_mtl",) or torch.equal(before, after)


@pytest.mark.parametrize("fitness", ["relative_loss", "inverse_rate", "labelled", "uniform"])
def test_a_change_moves_no_chance_of_roulette(fitness, toy):
    balancer = toy.make("roulette", 3, fitness=fitness)
    constant_steps(toy, balancer, torch.ones(3), 5)
    balancer.use_loss_weights(WEIGHTS)
    constant_steps(toy, balancer, WEIGHTS, 3)
    torch.testing.assert_close(balancer.chances(toy.everyone(3)), torch.full((3,), 1 / 3))


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_gradnorm_ends_where_it_ends_without_the_change(alpha, toy):
    """It balances the weighted gradients, so a weight moves it; to the same place as if the weight had been there from the start."""
    changed, fresh = (toy.make("gradnorm", 3, alpha=alpha) for _ in range(2))
    constant_steps(toy, changed, torch.ones(3), 50)
    changed.use_loss_weights(WEIGHTS)
    ends = [constant_steps(toy, balancer, WEIGHTS, 600) for balancer in (changed, fresh)]
    torch.testing.assert_close(*ends, rtol=0.1, atol=0.02)


def test_a_weight_of_zero_and_back_leaves_the_history(toy):
    balancer = toy.make("dwa", 3)
    constant_steps(toy, balancer, torch.ones(3), 4)
    kept = balancer.last.clone()
    balancer.use_loss_weights(torch.tensor([1.0, 0.0, 1.0]))
    assert torch.equal(balancer.last, kept)
    balancer.use_loss_weights(torch.tensor([1.0, 5.0, 1.0]))
    torch.testing.assert_close(balancer.last, kept * torch.tensor([1.0, 5.0, 1.0]))


CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [8]},
    "batch_size": 256,
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
}


@pytest.mark.parametrize("with_note", [True, False], ids=["now", "earlier version"])
@pytest.mark.parametrize("name", ["dwa", "roulette", "gradnorm"])
def test_a_fork_with_other_loss_weights_rescales_what_its_parent_remembered(name, with_note, tmp_path, shared_cache):
    """A resumed run goes on with the very same numbers, whatever was changed live; a fork with its own weights."""
    setup = build(resolve(RunConfig.from_dict({**CONFIG, "balancing": {"name": name}})), shared_cache)
    update = setup.update
    setup.network.model.train()
    for number, batch in zip((1, 2), setup.run.train_batches.epoch(0), strict=False):
        update(batch, number)
    setup.network.weigh([0.3, 1.0])
    change = {"step": 2, "key": "tasks.digit.loss_weight", "value": 0.3}
    setup.progress.position.move_to({"step": 2, "step_in_epoch": 2})
    checkpoints.publish(tmp_path, setup, best=False)
    if not with_note:
        _without(tmp_path, "loss_weights")
    before = remembered(setup.network.balancer)
    key = {"dwa": "sums", "roulette": "first", "gradnorm": "first_losses"}[name]
    fork = {"tasks": {"digit": {"loss_weight": 3.0}, "ink": {}}}
    for changes, factor in (({"changes": [change]}, 1.0), (fork, 10.0 if with_note else 1.0)):
        other = build(resolve(RunConfig.from_dict({**CONFIG, "balancing": {"name": name}, **changes})), shared_cache)
        checkpoints.restore(tmp_path, other)
        Changes(other.run.config, other.network, 2)
        torch.testing.assert_close(remembered(other.network.balancer)[key], before[key] * torch.tensor([factor, 1.0]))
        if factor == 1:
            assert torch.equal(remembered(other.network.balancer)[key], before[key])


def _without(folder, key):
    """The newest checkpoint as a version that knew no such key wrote it."""
    [path] = [each for each in (folder / "checkpoints").iterdir() if each.is_dir()]
    state = torch.load(path / "state.pt", weights_only=True)
    del state[key]
    torch.save(state, path / "state.pt")
    meta = json.loads((path / "meta.json").read_text())
    meta["sha256"]["state.pt"] = checkpoints.sha256(path / "state.pt")
    (path / "meta.json").write_text(json.dumps(meta))


def test_earlier_states_of_dwa_and_famo_go_on(toy):
    """They were TorchJD's; so TorchJD goes on beside."""
    values = [torch.tensor(each) for each in ([2.0, 1.0, 4.0], [1.0, 0.9, 3.5], [0.5, 0.8, 3.4], [0.4, 0.8, 3.0])]
    dwa, famo = scalarization.DWA(), scalarization.FAMO(3)
    for value in values[:3]:
        dwa(value)
        dwa.step()
        famo(value)
        famo.update(0.9 * value * torch.tensor([1.0, 0.9, 1.1]))
    dwa(values[3])
    states = {
        "dwa": {"last_seen": values[3], "_extra_state": {"sum": dwa._loss_sum, "batches": dwa._n_batches, "averages": dwa._previous_averages}},
        "famo": {
            **{f"scalarizer.{key}": value for key, value in famo.state_dict().items() if not key.startswith("_extra")},
            "_extra_state": {"optimizer": famo._optimizer.state_dict()},
        },
    }
    for name, theirs in (("dwa", dwa), ("famo", famo)):
        ours, model = toy.make(name, 3), toy.TwoParts(3)
        ours.load_state_dict(states[name])
        if name == "dwa":
            theirs.step()
            ours.end_epoch()
        for value in values[:2]:
            leaf = value.clone().requires_grad_()
            theirs(leaf).backward()
            _, coefficients = ours.backward(toy.separate_losses(model, [[1.0, 0.0]] * 3, value.tolist()), toy.everyone(3), model)
            torch.testing.assert_close(coefficients, leaf.grad)
            if name == "famo":
                theirs.update(0.8 * value * torch.tensor([1.0, 0.9, 1.2]))
                ours.after_step(lambda value=value: (0.8 * value * torch.tensor([1.0, 0.9, 1.2]), toy.everyone(3)))


def test_earlier_states_of_the_others_go_on(toy):
    learnt = torch.tensor([0.1, -0.2, 0.3])
    for name, old in (("uncertainty", "scalarizer.log_var"), ("imtl_l", "scalarizer.log_scale")):
        balancer = toy.make(name, 3)
        balancer.load_state_dict({old: learnt, "_extra_state": {}})
        assert [number.item() for number in balancer.parameters()] == learnt.tolist()
    for name, lost, old in (
        ("roulette", ("missed", "last_turn"), {"turn": torch.tensor(2)}),
        ("excess_mtl", ("age",), {}),
        ("pcd", ("steps",), None),
    ):
        balancer, again = toy.make(name, 3), toy.make(name, 3)
        constant_steps(toy, balancer, torch.ones(3), 5)
        state = {key: value for key, value in balancer.state_dict().items() if key not in lost}
        again.load_state_dict(state | ({"steps": torch.tensor(5)} if old is None else old))
        for key in lost:
            kept = again.state_dict()[key]
            if key == "last_turn":
                assert kept.argsort().tolist() == [2, 0, 1]
            else:
                assert torch.equal(kept, balancer.state_dict()[key])


def test_the_optimizers_memory_of_a_learnt_scale_is_found_in_an_earlier_vector(tmp_path, shared_cache):
    setup = build(resolve(RunConfig.from_dict({**CONFIG, "balancing": {"name": "uncertainty"}})), shared_cache)
    names = checkpoints._parameter_names(setup.network)
    own = [number for number, name in enumerate(names) if name.startswith("balancer.")]
    old_names = [name for name in names if not name.startswith("balancer.")] + ["balancer.scalarizer.log_var"]
    moments = {"step": torch.tensor(3.0), "exp_avg": torch.tensor([0.1, 0.2]), "exp_avg_sq": torch.tensor([0.3, 0.4])}
    state = {"optimizer": {"state": {len(old_names) - 1: moments}}, "optimizer_names": old_names, "optimizer_rules": ["AdamW"] * len(old_names)}
    for goes_on in (True, False):
        setup.network.optimizer.load_state_dict({"state": {}, "param_groups": setup.network.optimizer.state_dict()["param_groups"]})
        checkpoints._put_back_optimizer(state, setup.network, goes_on)
        kept = setup.network.optimizer.state_dict()["state"]
        found = [kept[number]["exp_avg"].item() for number in own if number in kept]
        assert found == pytest.approx([0.1, 0.2] if goes_on else [])
