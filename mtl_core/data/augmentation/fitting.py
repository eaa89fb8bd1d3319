"""Problems and remarks on the augmentations of a config with its tasks."""

from __future__ import annotations

from collections.abc import Sequence

from mtl_core.config_sections import AugmentationConfig
from mtl_core.data.augmentation import augmentations
from mtl_core.data.dataset import Task
from mtl_core.data.target_geometry import refusal
from mtl_core.errors import Problem


def misfits(config: AugmentationConfig, tasks: Sequence[Task], size: tuple[int, int]) -> list[Problem]:
    """Augmentations that would make a task's targets wrong.

    Args:
        tasks: the run's tasks.
        size: height and width of the images.
    """
    found = not_installed(config)
    for augmentation in augmentations():
        for name in augmentation.settings:
            spoiled = [task.name for task in tasks if name in task.spoiled_by]
            if getattr(config, name, None) and spoiled:
                message = f"it would make the target of {', '.join(spoiled)} wrong. Switch it off or leave out the task"
                found.append(Problem(f"augmentation.{name}", message))
        for name in augmentation.settings if augmentation.is_on(config) else ():
            if getattr(config, name):
                refused = {task.name: augmentation.refusal(task) or refusal(name, task, augmentation.follows) for task in tasks}
                found += [Problem(f"augmentation.{name}", _refused(task, why)) for task, why in refused.items() if why]
    turned = {task.name: task.rotation_up_to for task in tasks if config.rotation > task.rotation_up_to and "rotation" not in task.spoiled_by}
    for task, most in turned.items():
        found.append(Problem("augmentation.rotation", f"{config.rotation:g} degrees would make the target of {task} wrong; use at most {most:g}"))
    largest = min(size) // 4
    if config.shift > largest:
        found.append(Problem("augmentation.shift", f"a shift by {config.shift} pixels would push objects out of the image; use at most {largest}"))
    return found


def not_installed(config: AugmentationConfig) -> list[Problem]:
    """Keys of augmentations whose package is no longer installed."""
    message = "no installed augmentation has this key; install the package, or leave the key out"
    return [Problem(f"augmentation.{name}", message) for name in config.missing()]


def _refused(task: str, why: str) -> str:
    return f"{task} can't follow: {why}. Switch it off or leave out the task"


def remarks(config: AugmentationConfig, tasks: Sequence[Task], channels: int) -> list[str]:
    """Remarks on the augmentations for users; none forbids training."""
    found = []
    for augmentation in augmentations():
        if augmentation.is_on(config):
            said = {task.name: augmentation.remark(config, task) for task in tasks}
            for sentence in dict.fromkeys(filter(None, said.values())):
                names = ", ".join(name for name, text in said.items() if text == sentence)
                found.append(f"{augmentation.title} with {names}: {sentence}.")
    if config.saturation and channels == 1:
        found.append("Saturation does nothing here: the images are grey.")
    return found
