"""MultiTaskModel: parent of the sharing schemes, networks for several tasks. One scheme is one file in this package."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.errors import ConfigError, Problem
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.loss_scale import LossScale
from mtl_core.tasks.kind import TaskKind


class SharingOptions(BaseModel):
    """Parent of every scheme's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def trained(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """The trained parameters among some, without frozen ones (``requires_grad`` off)."""
    return [parameter for parameter in parameters if parameter.requires_grad]


@dataclass(frozen=True, eq=False)
class Learnt:
    """A matrix of numbers that a scheme learns, to be looked at.

    Attributes:
        name: what one number says, in human words, such as ``mean gate weight``; unlike that of every other matrix of the network.
        rows: names of the rows; columns: names of the columns.
        values: (rows, columns), on the CPU; NaN where there is nothing to learn.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Tensor


@dataclass(frozen=True, eq=False)
class Group:
    """Parameters that the same tasks use.

    Attributes:
        name: readable name, unique in the network. The keys of curves by block contain it.
        parameters: trained and frozen parameters.
        users: the tasks whose outputs depend on them, at least one. A head need not read every feature.
    """

    name: str
    parameters: tuple[nn.Parameter, ...]
    users: frozenset[str]

    def __init__(self, name: str, parameters: Iterable[nn.Parameter], users: Iterable[str]) -> None:
        for field, value in (("name", name), ("parameters", tuple(parameters)), ("users", frozenset(users))):
            object.__setattr__(self, field, value)


class MultiTaskModel(nn.Module, ABC):
    """A network with one output per task. It owns the heads; a scheme computes the features that each head reads.

    A scheme implements ``build_features``, ``features`` and ``groups``.

    Args:
        make_backbone: builds a new backbone with its own random initial values at every call.
        kinds: the run's tasks by name; each builds its own head.

    Attributes:
        has_shared_features: ``features`` returns the same tensors for every task, so that gradients can be combined there.
        tasks: names, in the order of ``kinds``.
        feature_info: description of the features that each head reads, finest first.
        watch_features: while training, wraps the features that each task reads, to measure its gradient there.
        only: the tasks whose outputs the next forward passes compute; None for all.
        frozen: modules that stay in evaluation mode while the rest trains.
        scaling: while training, the loss scale of a run in fp16; None in other precisions.
        split_features: while training, cut the graph at the shared features; the balancer that sets this propagates across the cut.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    has_shared_features: ClassVar[bool] = False
    can_add_tasks: ClassVar[bool] = False  # a task that is added to a trained network leaves what the others compute as it is
    parts_by_task: ClassVar[tuple[str, ...]] = ("heads",)  # modules with an entry for each task, under the task's name
    Options: ClassVar[type[SharingOptions]] = SharingOptions
    options: SharingOptions

    def __init__(self, make_backbone: Callable[[], Backbone], kinds: Mapping[str, TaskKind], options: SharingOptions):
        super().__init__()
        self.tasks = tuple(kinds)
        self.split_features = False
        self.scaling: LossScale | None = None
        self.only: tuple[str, ...] | None = None
        self.frozen: tuple[nn.Module, ...] = ()
        self.watch_features: Callable[[str, Sequence[Tensor]], Sequence[Tensor]] | None = None
        self._taken: tuple[list[Tensor], list[Tensor]] | None = None
        self.feature_info = tuple(self.build_features(make_backbone, options))
        self.heads = Heads(self.build_heads(kinds))

    @abstractmethod
    def build_features(self, make_backbone: Callable[[], Backbone], options: SharingOptions) -> Sequence[FeatureInfo]:
        """Build the part that computes the features, from one backbone or several, and describe each head's features. ``tasks`` is set before."""

    @abstractmethod
    def features(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        """Normalised images (n, C, H, W) -> the features of each of ``tasks``. A task's features do not depend on the other tasks in ``tasks``."""

    @abstractmethod
    def groups(self) -> list[Group]:
        """All parameters, each in exactly one group, in the network's order; ``head_groups`` has those of the heads."""

    def build_heads(self, kinds: Mapping[str, TaskKind]) -> dict[str, nn.Module]:
        """Each task's head, with random initial values."""
        return {name: kind.build_head(self.feature_info) for name, kind in kinds.items()}

    def load_pretrained(self, cache: Path, progress: Callable[[float, str], None] | None = None) -> None:
        """Let every backbone load its pretrained weights, where it has some; ``Backbone.load_pretrained`` says how."""
        for backbone in [module for module in self.modules() if isinstance(module, Backbone)]:
            backbone.load_pretrained(cache, progress)

    def begin_with(self, tensors: Mapping[str, Tensor]) -> None:
        """Give every backbone these values, by its own tensor names."""
        for backbone in [module for module in self.modules() if isinstance(module, Backbone)]:
            backbone.load_state_dict(tensors)

    def train(self, mode: bool = True) -> MultiTaskModel:
        """As of every module, but what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def at_step(self, step: int, steps: int) -> None:
        """Called before each training step with its number, 1 for the first, and the number of steps. No checkpoint holds either."""

    def chosen(self) -> dict[str, Any] | None:
        """``sharing`` of a config with the fixed network that a search has found so far; None without a result, and for other schemes."""
        return None

    def learnt(self, images: Tensor) -> list[Learnt]:
        """What the scheme has learnt about the tasks, shown on the run's page after each epoch; nothing unless a scheme says so.

        Args:
            images: normalised (n, C, H, W), over which what depends on the image is averaged. Called in evaluation mode, without gradients.
        """
        return []

    def attention_maps(self, images: Tensor) -> dict[str, dict[str, Tensor]]:
        """Where each task looks, if the scheme learns that: task -> name of a stage -> (n, h, w) in 0..1, a mean over channels.

        Saved for some probe images after each epoch and shown over them on the run's page. Nothing unless a scheme says so.

        Args:
            images: normalised (n, C, H, W). Called in evaluation mode, without gradients.
        """
        return {}

    def read(self, images: Tensor, tasks: Sequence[str], parts: Mapping[str, slice]) -> dict[str, list[Tensor]]:
        """What the head of each of ``tasks`` reads: the features, of the rows that are its own."""
        features = self._cut(self.features(images, tasks))
        return {task: [feature[parts[task]] for feature in features[task]] for task in tasks} if parts else features

    def head_groups(self) -> list[Group]:
        """A group for each head, with its task as the only user."""
        return [Group(f"head of {task}", head.parameters(), [task]) for task, head in self.heads.items()]

    def forward(self, images: Tensor, parts: Mapping[str, slice] | None = None) -> dict[str, Any]:
        """Normalised images (n, C, H, W) -> raw output of each task in ``only``.

        Args:
            parts: the rows that each head reads, if tasks have images of their own; None or empty for all rows.
        """
        return self.outputs_of(self.read(images, self.asked(), parts or {}))

    def asked(self) -> list[str]:
        """The tasks of ``only``, in order; all tasks for None."""
        return [task for task in self.tasks if self.only is None or task in self.only]

    def outputs_of(self, features: Mapping[str, Sequence[Tensor]]) -> dict[str, Any]:
        """The features that each head reads, as ``read`` gives them -> the raw output of each of these tasks."""
        outputs, is_scaled = {}, self.scaling is not None and self.training and torch.is_grad_enabled()
        for task, read in features.items():
            if self.watch_features is not None and any(feature.requires_grad for feature in read):
                read = self.watch_features(task, read)
            output = self.heads[task](read)
            outputs[task] = self.scaling.entered(output) if is_scaled and self.scaling is not None else output
        return outputs

    def shared_groups(self) -> list[Group]:
        """Groups that more than one task uses. In a network of one task: all groups except its head's, as with hard sharing, so that every scheme
        trains plainly there."""
        if len(self.tasks) > 1:
            return [group for group in self._checked_groups if len(group.users) > 1]
        own = {id(parameter) for parameter in self.heads.parameters()}
        return [group for group in self._checked_groups if not own.issuperset(map(id, group.parameters))]

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters of ``shared_groups``, in their order, including frozen ones; ``trained`` leaves frozen ones out."""
        return list(self._divided[0])

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Parameters of the groups that only this task uses, including frozen ones."""
        return list(self._divided[1][task])

    def tasks_share(self) -> str:
        """``features``, ``parameters`` (but no features that all heads read) or ``nothing``."""
        if not self.shared_groups():
            return "nothing"
        return "features" if self.has_shared_features else "parameters"

    def cut_features(self) -> tuple[list[Tensor], list[Tensor]] | None:
        """The features of ``take_features`` without removing them; None if the last forward pass did not cut the graph."""
        return self._taken

    def take_features(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return and remove the features of the last forward pass: the shared part's outputs, and the detached copies that the heads read.

        A copy requires a gradient only if its feature does.

        Raises:
            NotImplementedError: the scheme has no shared features.
        """
        if not self.has_shared_features:
            raise NotImplementedError(f"{type(self).__name__} has no features that all tasks share")
        if self._taken is None:
            raise RuntimeError("no features were kept: set split_features, and call the model in training mode first")
        taken, self._taken = self._taken, None
        return taken

    def keep_cut(self, features: list[Tensor], copies: list[Tensor]) -> None:
        """Let ``take_features`` return these: of a batch whose parts passed through the network one after another."""
        self._taken = (features, copies)

    @contextlib.contextmanager
    def kept_cut(self) -> Iterator[None]:
        """A context for other forward passes between a step's own and its backward pass: the features of ``take_features`` stay."""
        taken = self._taken
        try:
            yield
        finally:
            self._taken = taken

    def _cut(self, features: dict[str, list[Tensor]]) -> dict[str, list[Tensor]]:
        """The features, or detached copies of them if the graph is to be cut."""
        self._taken = None
        if not (self.split_features and self.has_shared_features and self.training and torch.is_grad_enabled()):
            return features
        made = list(next(iter(features.values())))
        if self.scaling is not None:
            made = self.scaling.entered(made)
        copies = self.copies_of(made)
        self._taken = (made, copies)
        return dict.fromkeys(features, copies)

    def copies_of(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Detached copies of features, for the heads. A copy requires a gradient only if its feature does."""
        if self.scaling is not None:
            return [self.scaling.copy_of(feature) for feature in features]
        return [feature.detach().requires_grad_(feature.requires_grad) for feature in features]

    @cached_property
    def _checked_groups(self) -> list[Group]:
        """The scheme's groups, checked once.

        Raises:
            ConfigError: the groups do not partition the network's parameters; the message names the wrong parameter or name.
        """
        groups, names = self.groups(), {id(parameter): name for name, parameter in self.named_parameters()}
        counts = Counter(id(parameter) for group in groups for parameter in group.parameters)
        wrong = [
            f"every parameter must be in exactly one group, found '{name}' in {counts[each]}" for each, name in names.items() if counts[each] != 1
        ]
        if foreign := counts.keys() - names.keys():
            wrong.append(f"they hold {len(foreign)} parameters that are not the network's own")
        for group in groups:
            if not group.users or not group.users <= set(self.tasks):
                wrong.append(
                    f"'{group.name}' must be used by some of the tasks {', '.join(self.tasks)}, found {', '.join(sorted(group.users)) or 'none'}"
                )
        wrong += [f"two groups are called '{name}'" for name, count in Counter(group.name for group in groups).items() if count > 1]
        if wrong:
            raise ConfigError(Problem("sharing", f"the parameter groups of {type(self).__name__} are wrong: {wrong[0]}"))
        return groups

    @cached_property
    def _divided(self) -> tuple[list[nn.Parameter], dict[str, list[nn.Parameter]]]:
        """The shared parameters, and each task's own."""
        shared = self.shared_groups()
        own: dict[str, list[nn.Parameter]] = {task: [] for task in self.tasks}
        for group in self._checked_groups:
            if not any(group is each for each in shared):
                own[next(iter(group.users))] += group.parameters
        return [parameter for group in shared for parameter in group.parameters], own
