"""Measurement of task affinity: how much a step for one task alone would change every task's loss on the same batch (Fifty et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from mtl_core.balancing.task_gradients import shared_gradients
from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.randomness import draw_again_from, draws, random_state
from mtl_core.sharing.model import trained
from mtl_core.training.conflict_probe import Noted
from mtl_core.training.losses_in_parts import loss_values
from mtl_core.training.setup import Network, Run


class AffinityProbe:
    """Affinities Z(i -> j) = 1 - L_j(after i) / L_j(before), every ``affinity_every`` steps.

    After i: the shared parameters have taken one step of gradient descent with the gradient of task i's loss alone, at the step's learning rate; the
    heads stay as they are, and the batch is the same. Above 0, a step for task i lowers the loss of task j. Source: C. Fifty et al., "Efficiently
    Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021, https://arxiv.org/abs/2109.04617, equations 1 and 2. Losses are without loss
    weights, as in the paper. The step is plain gradient descent whatever the run's optimizer, so a run with momentum or AdamW makes other steps than
    those that are measured.

    The lookahead works on copies of the parameters and running means. A network that draws random numbers (dropout) draws the same ones before and
    after, and its generators stand afterwards where they stood. So the run's own numbers stay the same bit by bit.

    Frozen parameters take no step. If no shared parameter is trained, nothing is measured.
    """

    def __init__(self, run: Run, network: Network):
        self.run, self.network, self.every = run, network, run.config.affinity_every
        self.is_drawing = draws(network.model)
        shared = {id(parameter) for parameter in trained(network.model.shared_parameters())}
        self.names = {id(parameter): name for name, parameter in network.model.named_parameters() if id(parameter) in shared}
        self.is_on = self.every > 0 and len(network.model.tasks) > 1 and bool(self.names)

    def before_update(self, losses: Sequence[Tensor], present: Tensor, batch: Batch, step: int) -> Noted:
        """``affinity/i/j`` for every two tasks present and ``affinity/i/i``; empty if not due. Call before the backward pass frees the graphs."""
        if not is_due(self.run.config, step) or not self.names:
            return {}
        rows = present.nonzero()[:, 0].tolist()
        if len(rows) < 2:
            return {}
        state = random_state() if self.is_drawing else None
        before = self._losses(batch, {}) if self.is_drawing else torch.stack([loss.detach() for loss in losses])
        tasks, rates, noted = self.network.model.tasks, self._rates(step), {}
        for source in rows:
            self._draw_again(state)
            shared = trained(self.network.model.shared_parameters())
            gradients = self.run.ranks.sum_present(shared_gradients(self.network.model, losses[source]), shared)
            after = self._losses(batch, self._stepped(gradients, rates))
            for target in rows:
                noted[f"affinity/{tasks[source]}/{tasks[target]}"] = _affinity(before[target], after[target])
        self._draw_again(state)
        return noted

    @torch.no_grad()
    def _stepped(self, gradients: Sequence[Tensor | None], rates: Mapping[int, float]) -> dict[str, Tensor]:
        """Names and values of the shared parameters after the lookahead step; those without a gradient are left out."""
        parameters = trained(self.network.model.shared_parameters())
        pairs = [(parameter, gradient) for parameter, gradient in zip(parameters, gradients, strict=True) if gradient is not None]
        return {self.names[id(parameter)]: parameter - rates[id(parameter)] * gradient for parameter, gradient in pairs}

    @torch.no_grad()
    def _losses(self, batch: Batch, parameters: Mapping[str, Tensor]) -> Tensor:
        """Losses (T,) of the batch with these shared parameters. Running means are updated on copies."""
        model = self.network.model
        copies = {name: buffer.clone() for name, buffer in model.named_buffers()}
        with model.kept_cut():
            return loss_values(self.run, self.network, batch, lambda *inputs: functional_call(model, {**parameters, **copies}, inputs))[0]

    def _rates(self, step: int) -> dict[int, float]:
        """The learning rate of each trained parameter in this step."""
        rate, groups = self.network.rate, self.network.optimizer.param_groups
        factor = rate.factor(step - 1)
        return {
            id(parameter): group.get("own_lr", rate.highest) * factor * group.get("lr_factor", 1.0)
            for group in groups
            for parameter in group["params"]
        }

    def _draw_again(self, state: dict[str, Tensor] | None) -> None:
        if state is not None:
            draw_again_from(state)


def is_due(config: RunConfig, step: int) -> bool:
    """Whether affinities are measured in this step (1 is the first)."""
    return config.affinity_every > 0 and (step - 1) % config.affinity_every == 0


def _affinity(before: Tensor, after: Tensor) -> Tensor:
    """NaN where the ratio says nothing: the loss before is not above 0, or one of the two is not finite."""
    ratio = 1 - after.float() / before.float()
    return torch.where((before > 0) & ratio.isfinite(), ratio, torch.full_like(ratio, float("nan")))
