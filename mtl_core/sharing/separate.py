"""A network for each task, trained side by side in one run: what every way of sharing is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.randomness import draw_again_from, draws, random_state
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.model import Group, MultiTaskModel, SharingOptions
from mtl_core.tasks.kind import TaskKind


class Separate(MultiTaskModel):
    """y_t = h_t(f_t(x)): a backbone f_t and a head h_t for each task t. Nothing is shared.

    Each network begins with the numbers that its task gets in a run of its own with the same seed, draws the same dropout and sees the same rows,
    so that losses and metrics after each epoch are those of the task trained alone: bit by bit on a CPU in the same precision and layout, under a
    balancing method that adds the losses up as they are. What else in a config joins the tasks still does: the norm that ``gradient_clip`` limits
    with ``gradient_clip_over: all``, a step that ``on_non_finite: skip`` leaves out, and the score that chooses the best checkpoint, and with it
    the metrics on test.
    """

    title: ClassVar[str] = "Separate networks"
    summary: ClassVar[str] = "A backbone and a head for each task: nothing is shared. The tasks are learnt as in runs of their own."

    def build_features(self, make_backbone: Callable[[], Backbone], options: SharingOptions) -> Sequence[FeatureInfo]:
        start, networks = random_state(), {}
        for task in self.tasks:
            draw_again_from(start)
            networks[task] = make_backbone()
        self.networks = Heads(networks)
        self._draws = any(draws(network) for network in self.networks.values())
        return networks[self.tasks[0]].features

    def build_heads(self, kinds: Mapping[str, TaskKind]) -> dict[str, nn.Module]:
        start, heads = random_state(), {}
        for name, kind in kinds.items():
            draw_again_from(start)
            heads[name] = kind.build_head(self.feature_info)
        return heads

    def features(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        return self._each(dict.fromkeys(tasks, images))

    def read(self, images: Tensor, tasks: Sequence[str], parts: Mapping[str, slice]) -> dict[str, list[Tensor]]:
        """Each network sees its own rows alone, so that batch normalisation does not join the tasks."""
        return self._each({task: images[parts[task]] if parts else images for task in tasks})

    def groups(self) -> list[Group]:
        return [*(Group(f"network of {task}", network.parameters(), [task]) for task, network in self.networks.items()), *self.head_groups()]

    def _each(self, images: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
        repeats = self._draws and self.training
        start, features = random_state() if repeats else {}, {}
        for task, own in images.items():
            if repeats:
                draw_again_from(start)
            features[task] = self.networks[task](own)
        return features
