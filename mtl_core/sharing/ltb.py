"""Learning to branch (Guo, Lee and Ulbricht 2020, https://arxiv.org/abs/2006.01895): a search for the tree in which tasks share stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.branch_tree import branch_text
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.model import Group, Learnt, SharingOptions
from mtl_core.sharing.staged import StagedSharing, check_shared_stages, run_stages, summed


class LTBOptions(SharingOptions):
    """Options of learning to branch."""

    shared_stages: int = Field(
        1, ge=1, le=64, description="How many of the backbone's first stages all tasks share. They are the root of every tree that can be chosen."
    )
    nodes: int = Field(
        0, ge=0, le=32, description="Candidate nodes at each later stage, each a copy of it; 0 for as many as tasks, with which every tree exists."
    )
    temperature: float = Field(5.0, gt=0, le=100, description="Temperature of the Gumbel-softmax in the first step. It falls geometrically.")
    last_temperature: float = Field(0.5, gt=0, le=100, description="Temperature in the last step.")
    warmup: float = Field(
        0.1, ge=0, lt=1, description="Share of the steps, at the start, in which all parents are equally probable and nothing is chosen."
    )
    speed: float = Field(
        10.0, gt=0, le=1000, description="Factor on the numbers that give the probabilities: with Adam, how much faster than weights they move."
    )


class LearningToBranch(StagedSharing):
    """x_j^(l+1) = sum_i d_ji y_i^l with d_j one-hot, d_j ~ softmax(theta_j): every node j of a stage, and every task, draws the node it reads.

    y_i^l is what candidate node i gives at stage l. The draw is the Gumbel-max trick, d_j = one_hot(argmax_i(theta_ji + g_ji)) with
    g = -log(-log u); backward, its gradient is that of softmax((theta_j + g_j) / tau) (straight-through). The temperature tau falls while training.
    Features of earlier stages that a head reads are those of the nodes on its task's path.

    In training each forward pass draws a tree from the run's generator. Nodes that no present task reads in it are computed, since the probabilities
    need their outputs, but get no gradient. Else every child reads its most probable parent, and only nodes on a task's path are computed.
    Before any probability has moved there is no most probable one, and children read the mean of all candidates. ``chosen`` is the tree as
    settings of a network of its own: the paper trains that one anew.

    Source: the full text of the paper was not at hand, and no code of its authors was found. Checked were its abstract (a branching operation is a
    draw by Gumbel-softmax) and LibMTL's implementation, commit 4336804 (``gumbel_softmax(alpha, dim=-1, tau=tau, hard=True)`` over parents, children
    add up weighted parents), whose draw and sum are the ones above. What only the paper says, such as its schedules, is not checked.

    Deviations: tau = a (b / a)^s, where s is the share of the steps that is done (LibMTL: epochs / 20 / sqrt(epoch + 1)), so it ends at the same
    value however long a run is. In the warm-up parents are drawn uniformly; LibMTL adds up all parents. Each task draws the node of the last stage
    that it reads; in LibMTL a task has the node with its number. All tasks share the first stages; LibMTL has candidates from the first stage on, and
    draws in evaluation, too. theta is ``speed`` times a parameter that the run's optimizer trains with the other parameters, on the same images. A
    drawing shows all candidates.
    """

    title: ClassVar[str] = "Learning to branch (LTB)"
    summary: ClassVar[str] = "Several candidate nodes at each later stage; every node and every task learns which node before it to read."
    Options = LTBOptions
    options: LTBOptions

    def build_parts(self, make_backbone: Callable[[], Backbone], options: LTBOptions) -> Sequence[FeatureInfo]:
        check_shared_stages(options.shared_stages, self.stages, own_at_least=1)
        self.search, self.share_done = options, 0.0
        count = options.nodes or len(self.tasks)
        self.shared, self.later = self.stages[: options.shared_stages], self.stages[options.shared_stages :]
        self.nodes = self.add_copies(make_backbone, count, options.shared_stages)
        self.parents = nn.ModuleList(Choice(count, count, options.speed) for _ in self.later[1:])
        self.ends = Heads({task: Choice(1, count, options.speed) for task in self.tasks})
        return self.backbone.features

    @property
    def draws(self) -> bool:
        """Whether a training step draws random numbers."""
        return len(self.tasks) > 1

    @property
    def temperature(self) -> float:
        """Of the Gumbel-softmax, at the present step."""
        first, last = self.search.temperature, self.search.last_temperature
        return first * (last / first) ** self.share_done

    def at_step(self, step: int, steps: int) -> None:
        self.share_done = (step - 1) / max(1, steps - 1)

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        parents, ends = self._links()
        needed = self._needed(parents, [ends[task] for task in tasks])
        value, before = run_stages(self.shared, images)
        made: list[list[Tensor | None]] = []
        for level in range(len(self.later)):
            given = []
            for node, column in enumerate(self.nodes):
                is_needed = node in needed[level]
                if not is_needed and not self.training:
                    given.append(None)
                    continue
                with torch.set_grad_enabled(torch.is_grad_enabled() and is_needed):
                    given.append(column[level](parents[level - 1].read(node, made[-1]) if level else value))
            made.append(given)
        return {task: [*before, *self._on_path(ends[task], parents, made)] for task in tasks}

    def _links(self) -> tuple[list[Link], dict[str, Link]]:
        """Who reads whom in this forward pass: the nodes of each stage but the first, and the tasks."""
        choices = self._choices()
        if self.training:
            links = [choice(self.temperature, self.share_done < self.search.warmup) for choice in choices]
        else:
            is_decided = self._is_decided()
            links = [choice(is_decided=is_decided) for choice in choices]
        return links[: len(self.parents)], dict(zip(self.tasks, links[len(self.parents) :], strict=True))

    def _is_decided(self) -> bool:
        """Whether some parent is more probable than another, anywhere in the tree."""
        return any(choice.is_decided() for choice in self._choices())

    def _choices(self) -> list[Choice]:
        return [*(choice for choice in self.parents if isinstance(choice, Choice)), *self.ends.values()]

    def _needed(self, parents: Sequence[Link], ends: Sequence[Link]) -> list[set[int]]:
        """The nodes of each stage whose outputs reach one of the tasks."""
        needed = [{node for end in ends for node in end.sources(0)}]
        for link in reversed(parents):
            needed.insert(0, {source for node in needed[0] for source in link.sources(node)})
        return needed

    def _on_path(self, end: Link, parents: Sequence[Link], made: Sequence[Sequence[Tensor | None]]) -> list[Tensor]:
        """The features of the later stages along a task's path."""
        link, features = end, []
        for level in reversed(range(len(self.later))):
            if self.later[level].is_feature:
                features.insert(0, link.read(0, made[level]))
            if level:
                link = link.after(parents[level - 1])
        return features

    def part_groups(self) -> list[Group]:
        groups = [Group(stage.name, stage.parameters(), self.tasks) for stage in self.shared]
        for level, stage in enumerate(self.later):
            groups += [Group(f"{stage.name} of node {node + 1}", column[level].parameters(), self.tasks) for node, column in enumerate(self.nodes)]
            if level + 1 < len(self.later):
                groups.append(Group(f"parents after {stage.name}", self.parents[level].parameters(), self.tasks))
        return [*groups, *(Group(f"branch of {task}", choice.parameters(), [task]) for task, choice in self.ends.items())]

    def learnt(self, images: Tensor) -> list[Learnt]:
        """Probabilities of the parents: of each stage's nodes, and of each task."""
        if len(self.tasks) == 1:
            return []
        names = [tuple(f"node {node + 1} of {stage.name}" for node in range(len(self.nodes))) for stage in self.later]
        found = [
            Learnt(f"probability of parents in {stage.name}", names[level + 1], names[level], choice.probabilities())
            for level, (stage, choice) in enumerate(zip(self.later, self._choices(), strict=False))
            if level + 1 < len(self.later)
        ]
        ends = torch.cat([choice.probabilities() for choice in self.ends.values()])
        return [*found, Learnt("branch probability", self.tasks, names[-1], ends)]

    def chosen(self) -> dict[str, Any] | None:
        if len(self.tasks) == 1 or not self._is_decided():
            return None
        best = [choice.most_probable() for choice in self._choices()]
        paths = {task: best[len(self.parents) + at][0] for at, task in enumerate(self.tasks)}
        levels: list[list[list[str]]] = []
        for level in reversed(range(len(self.later))):
            levels.insert(0, [[task for task in self.tasks if paths[task] == node] for node in dict.fromkeys(paths.values())])
            paths = {task: best[level - 1][node] for task, node in paths.items()} if level else paths
        return {"name": "tree", "branches": branch_text(levels)}


@dataclass(frozen=True)
class Link:
    """Who reads whom in a forward pass.

    Attributes:
        chosen: child -> its parent; None where every child reads all parents.
        weights: (children, parents): of the parents' outputs; None where the parent is read as it is.
    """

    chosen: tuple[int, ...] | None
    weights: Tensor | None

    def sources(self, child: int) -> Sequence[int]:
        """The parents from which the child's gradient flows on."""
        if self.chosen is not None:
            return (self.chosen[child],)
        assert self.weights is not None
        return range(self.weights.shape[1])

    def read(self, child: int, outputs: Sequence[Tensor | None]) -> Tensor:
        """What the child reads of its parents' outputs."""
        if self.weights is None:
            return _computed(outputs[self.sources(child)[0]])
        return summed(self.weights[child, parent] * _computed(output) for parent, output in enumerate(outputs))

    def after(self, before: Link) -> Link:
        """The link from these children to their parents' parents. What is not drawn has no gradient."""
        chosen = None if self.chosen is None or before.chosen is None else tuple(before.chosen[parent] for parent in self.chosen)
        if self.weights is None or before.weights is None:
            return Link(chosen, None)
        return Link(chosen, (self.weights[:, :, None] * before.weights).sum(1))


class Choice(nn.Module):
    """Which parent each child reads: theta, (children, parents), all 0 at the start.

    In evaluation mode the most probable parents are looked up once and kept, because an export cannot follow what depends on values.
    """

    def __init__(self, children: int, parents: int, speed: float):
        super().__init__()
        self.size, self.speed = (children, parents), speed
        self.logits = nn.Parameter(torch.zeros(children * parents))  # one dimension, because parameters with more of them decay
        self._kept: tuple[bool, tuple[int, ...]] | None = None

    def forward(self, temperature: float = 1.0, is_uniform: bool = False, is_decided: bool = True) -> Link:
        """In training a draw; in evaluation the most probable parents, or the mean of all.

        Args:
            temperature: of the draw's gradient. is_uniform: draw with equal probabilities, which learn nothing from it.
            is_decided: in evaluation, False for the mean.
        """
        if not self.training:  # also while others train, where the task is frozen
            return Link(self.most_probable(), None) if is_decided else Link(None, self.theta().softmax(1))
        # On the CPU, so that every device draws the same. The logarithm of an exponential variable is -g.
        noisy = -torch.empty(self.size, device="cpu").exponential_().log().to(self.logits.device)
        if not is_uniform:
            noisy = noisy + self.theta()
        parents = noisy.argmax(1)
        weights = nn.functional.one_hot(parents, self.size[1]).to(noisy)
        if not is_uniform:
            soft = (noisy / temperature).softmax(1)
            weights = weights + (soft - soft.detach())  # one-hot in value, to the last bit
        return Link(None if parents.is_meta else tuple(parents.tolist()), weights)  # on the meta device, as if every node were read

    def theta(self) -> Tensor:
        """(children, parents), in float32."""
        return self.speed * self.logits.float().view(self.size)

    def probabilities(self) -> Tensor:
        """softmax(theta), (children, parents), on the CPU."""
        return self.theta().detach().softmax(1).cpu()

    def most_probable(self) -> tuple[int, ...]:
        """child -> its most probable parent, the first of several."""
        return self._decision()[1]

    def is_decided(self) -> bool:
        """Whether some parent is more probable than another. False on the meta device, where there are no values."""
        return self._decision()[0]

    def train(self, mode: bool = True) -> Choice:
        """As of every module."""
        self._kept = None if mode else self._look()
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._kept = None if self._kept is None else self._look()

    def _decision(self) -> tuple[bool, tuple[int, ...]]:
        return self._look() if self._kept is None else self._kept

    def _look(self) -> tuple[bool, tuple[int, ...]]:
        if self.logits.is_meta:
            return False, (0,) * self.size[0]
        values = self.logits.detach().view(self.size)
        return bool((values != values[:, :1]).any()), tuple(values.argmax(1).tolist())


def _computed(output: Tensor | None) -> Tensor:
    assert output is not None  # what is read is computed
    return output
