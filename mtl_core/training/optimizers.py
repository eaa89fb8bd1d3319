"""Optimizers and the learning rate: the run's optimizer, and optimizers of single tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mtl_core.config import RunConfig
from mtl_core.config_sections import OptimizerConfig, ScheduleConfig
from mtl_core.sharing.frozen_parts import rate_factors
from mtl_core.sharing.model import MultiTaskModel

LOWEST_LR = 0.01  # lowest value of the cosine schedule, as a share of lr


def optimizer_of(config: RunConfig, model: MultiTaskModel, balancer: nn.Module) -> RunOptimizer:
    """The run's optimizer. A task's own optimizer updates the parameters that only this task uses."""
    own = {name: task.optimizer for name, task in config.tasks.items() if task.optimizer is not None}
    factors = rate_factors(model, config.backbone)
    if not own:
        return make_optimizer(config.optimizer, list(model.parameters()), list(balancer.parameters()), factors=factors)
    heads = {name: model.task_parameters(name) for name in own}
    taken = {id(parameter) for parameters in heads.values() for parameter in parameters}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in taken]
    learnt = list(balancer.parameters())
    parts = [make_optimizer(config.optimizer, rest, learnt, factors=factors)] if rest or learnt else []
    parts += [make_optimizer(optimizer, heads[name], own_lr=optimizer.lr, factors=factors) for name, optimizer in own.items()]
    return JoinedOptimizer(parts)


def build_optimizer(config: OptimizerConfig, model: nn.Module, balancer: nn.Module) -> torch.optim.Optimizer:
    """One optimizer for the parameters of the network and of the balancer."""
    return make_optimizer(config, list(model.parameters()), list(balancer.parameters()))


def make_optimizer(
    config: OptimizerConfig,
    parameters: Sequence[Tensor],
    undecayed: Sequence[Tensor] = (),
    own_lr: float | None = None,
    factors: Mapping[int, float] | None = None,
) -> torch.optim.Optimizer:
    """An optimizer with weight decay on matrices and kernels only.

    Args:
        undecayed: further parameters, without weight decay.
        own_lr: the learning rate is independent of the run's and follows only the schedule.
        factors: id of a parameter -> factor on its learning rate, see ``rate_factors``.
    """
    factors = factors or {}
    slowed = sorted({factors[id(p)] for p in parameters if factors.get(id(p), 1.0) != 1})
    whole = [p for p in parameters if factors.get(id(p), 1.0) == 1]
    groups: list[dict[str, Any]] = _groups(config, whole, undecayed)
    for factor in slowed:
        own = [p for p in parameters if factors.get(id(p), 1.0) == factor]
        groups += [group | {"lr_factor": factor} for group in _groups(config, own)]
    groups = [group if own_lr is None else group | {"own_lr": own_lr} for group in groups if group["params"]]
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    optimizer_class = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.name]
    return optimizer_class(groups, lr=config.lr, fused=groups[0]["params"][0].device.type in ("cpu", "cuda"))


def _groups(config: OptimizerConfig, parameters: Sequence[Tensor], undecayed: Sequence[Tensor] = ()) -> list[dict[str, Any]]:
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [*(p for p in parameters if p.ndim <= 1), *undecayed], "weight_decay": 0.0},
    ]


class JoinedOptimizer:
    """Several optimizers as one. Parameters are numbered consecutively, part after part, as in one optimizer."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]):
        self.parts = list(parts)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all parts, in order; the parts' own dicts, not copies."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        state: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        for start, part in zip(self._starts(), self.parts, strict=True):
            own = part.state_dict()
            state |= {start + number: value for number, value in own["state"].items()}
            groups += [{**group, "params": [start + number for number in group["params"]]} for group in own["param_groups"]]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        groups = list(state_dict["param_groups"])
        for start, part in zip(self._starts(), self.parts, strict=True):
            own = [groups.pop(0) for _ in part.param_groups]
            numbers = {number for group in own for number in group["params"]}
            state = {number - start: value for number, value in state_dict["state"].items() if number in numbers}
            part.load_state_dict(
                {"state": state, "param_groups": [{**group, "params": [number - start for number in group["params"]]} for group in own]}
            )

    def _starts(self) -> list[int]:
        counts = [sum(len(group["params"]) for group in part.param_groups) for part in self.parts]
        return [sum(counts[:place]) for place in range(len(counts))]


RunOptimizer = torch.optim.Optimizer | JoinedOptimizer


def algorithms(optimizer: RunOptimizer) -> list[str]:
    """The update rule of each parameter, in the optimizer's order. A state fits only the rule that wrote it."""
    parts = optimizer.parts if isinstance(optimizer, JoinedOptimizer) else [optimizer]
    return [type(part).__name__ for part in parts for group in part.param_groups for _ in group["params"]]


def schedule_of(config: ScheduleConfig, steps_total: int) -> Callable[[int], float]:
    """Number of steps done -> factor on the learning rate: linear warm-up, then constant or half a cosine down to ``LOWEST_LR``."""
    warmup = round(config.warmup_fraction * steps_total)

    def factor(steps_done: int) -> float:
        if steps_done < warmup:
            return (steps_done + 1) / (warmup + 1)
        if config.name == "constant":
            return 1.0
        progress = (steps_done - warmup) / max(1, steps_total - warmup)
        return LOWEST_LR + (1 - LOWEST_LR) * (1 + math.cos(math.pi * min(1.0, progress))) / 2

    return factor


@dataclass
class LearningRate:
    """The learning rate of every step: ``highest`` times the schedule's factor. Has no other state.

    Attributes:
        factor: the schedule, number of steps done -> factor.
        highest: the base learning rate; may change while a run trains, see ``mtl_core.training.live_changes``.
    """

    factor: Callable[[int], float]
    highest: float

    def at(self, number: int) -> float:
        """The learning rate of step ``number`` (1 is the first)."""
        return self.highest * self.factor(number - 1)

    def use(self, optimizer: RunOptimizer, number: int) -> None:
        """Set an optimizer's learning rate for step ``number``. The schedule also scales groups with a learning rate or factor of their own."""
        factor = self.factor(number - 1)
        for group in optimizer.param_groups:
            group["lr"] = group.get("own_lr", self.highest) * factor * group.get("lr_factor", 1.0)
