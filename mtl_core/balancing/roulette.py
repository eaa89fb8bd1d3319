"""Roulette: each step trains one task, or a few, drawn with a probability proportional to a fitness (the article's "roulette" strategy)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.randomness import drawing

RECENT, LONG = 0.1, 0.01  # share of the newest loss in the short and in the long running mean, for a step
SMALLEST = 1e-12


class RouletteOptions(BalancerOptions):
    """Options of roulette."""

    fitness: Literal["relative_loss", "inverse_rate", "labelled", "uniform", "round_robin"] = Field(
        "relative_loss",
        description="Fitness, to which a task's probability is proportional. relative_loss: loss over first loss, so the task that has learnt "
        "least is drawn most. inverse_rate: its recent loss over its long-term mean, so a task without progress is drawn most. labelled: how often "
        "it has targets. uniform: equal. round_robin: no random draw, one task after another; an absent task keeps its turn.",
    )
    tasks_per_step: int = Field(1, ge=1, le=64, description="Number of tasks that a step trains; all tasks if there are fewer.")


class Roulette(LossWeighting):
    """The sum of the losses of the tasks drawn, without replacement, among those present; nothing of the others is trained in that step.

    The running means decay at every step of the run, whether the task was present or not; otherwise those of a task that is often absent would lag
    behind. The draws come from torch's global generator, which a run replaces by its own; checkpoints hold it. State: first losses, two running
    means of the losses, each task's number of steps present and of steps missed since, and its last turn under round_robin.
    """

    title: ClassVar[str] = "Roulette"
    draws: ClassVar[bool] = True
    summary: ClassVar[str] = "Each step trains one task (or a few), drawn at random: the task that has learnt least is drawn most often."
    formula: ClassVar[str] = "S ~ k tasks drawn with p_t = f_t / sum_i f_i;   d = sum_(t in S) g_t;   f_t = L_t / L_t(first), or one of the others"
    needs: ClassVar[str] = (
        "The forward pass of every head, for the losses and the curves; the backward pass runs through the drawn tasks' heads only."
    )
    when_to_use: ClassVar[str] = (
        "To compare taking turns with sharing each step: with one task per step, tasks cannot conflict within a step, only from step to step."
    )
    deviations: ClassVar[str] = (
        "The article names roulette without a definition. Fitness-proportionate selection is the usual meaning; the fitness functions are ours. "
        "relative_loss and inverse_rate are ratios of a task's own losses, so they do not depend on its loss weight, nor on changes of it."
    )
    Options = RouletteOptions
    last_turn: Tensor
    options: RouletteOptions

    def __init__(self, options: RouletteOptions, task_count: int):
        super().__init__(options, task_count)
        for name in ("first", "recent", "long", "seen", "missed"):
            self.register_buffer(name, torch.zeros(task_count))
        self.register_buffer("last_turn", torch.arange(-task_count, 0))
        self.drawn: list[int] = []  # in the step whose losses were combined last

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        if not torch.isfinite(losses).all():
            self.drawn = list(range(self.task_count))
            return losses.sum()  # which ends the run, and names the task
        self._remember(losses.detach(), present)
        count = min(self.options.tasks_per_step, int(present.sum()))
        drawn = self._next_in_turn(present, count) if self.options.fitness == "round_robin" else self._draw(present, count)
        self.drawn = drawn.tolist()
        return losses[drawn].sum()

    def takes_part(self, task: int) -> bool:
        return task in self.drawn

    def _remember(self, losses: Tensor, present: Tensor) -> None:
        is_new = present & (self.seen == 0)
        for name, share in (("first", 0.0), ("recent", RECENT), ("long", LONG)):
            mean = getattr(self, name)
            moved = torch.where(present, torch.lerp(mean, losses, 1 - (1 - share) ** (self.missed + 1)), mean)
            setattr(self, name, torch.where(is_new, losses, moved))
        self.seen = self.seen + present
        self.missed = torch.where(present, 0.0, self.missed + 1)

    def chances(self, present: Tensor) -> Tensor:
        """Probability (T,) of each task to be the first one drawn, 0 where absent."""
        fitness = {
            "relative_loss": lambda: self.recent / self.first.clamp(min=SMALLEST),
            "inverse_rate": lambda: self.recent / self.long.clamp(min=SMALLEST),
            "labelled": lambda: self.seen,
            "uniform": lambda: torch.ones_like(self.seen),
        }[self.options.fitness]()
        fitness = torch.where(present, fitness.clamp(min=SMALLEST), 0.0)
        return fitness / fitness.sum()

    def _draw(self, present: Tensor, count: int) -> Tensor:
        with drawing(self.generators):
            return torch.multinomial(self.chances(present).cpu(), count).to(present.device)

    def _next_in_turn(self, present: Tensor, count: int) -> Tensor:
        """The present tasks whose last turn is the longest ago. A task that is absent at its turn gets it when it is present again."""
        order = self.last_turn.argsort()
        drawn = order[present[order]][:count]
        self.last_turn[drawn] = self.last_turn.max() + 1 + torch.arange(count, device=present.device)
        return drawn

    def rescale(self, factors: Tensor) -> None:
        self.first, self.recent, self.long = self.first * factors, self.recent * factors, self.long * factors

    def upgrade(self, state: dict[str, Any]) -> None:
        """Convert the state of earlier versions, which did not count missed steps and stored the next turn."""
        state.setdefault("missed", torch.zeros_like(self.missed))
        if "turn" in state:
            state["last_turn"] = (torch.arange(self.task_count, device=self.last_turn.device) - state.pop("turn")) % self.task_count - self.task_count
