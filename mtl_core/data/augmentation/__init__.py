"""Random changes of training images, in the order in which they are made.

To add one: a file here, a line in this table, its fields in ``AugmentationConfig``. One in a package of its own says its fields in ``Options`` and
registers through the entry-point group ``mtl_core.augmentations``; it comes after ours.

Each change is drawn for each image of a batch, on the device; boxes, masks and depth follow. Targets of the whole image (classes, counts, slant,
...) stay as they are: what a change would make wrong is refused (``fitting.py``).
"""

from __future__ import annotations

from typing import Any

from mtl_core.config_sections import AUGMENTATION_GROUP
from mtl_core.registry import Registry, installed

AUGMENTATIONS = Registry(
    "augmentation",
    AUGMENTATION_GROUP,
    {
        "flip": "mtl_core.data.augmentation.flip:Flip",
        "shift": "mtl_core.data.augmentation.shift:Shift",
        "crop": "mtl_core.data.augmentation.crop:Crop",
        "affine": "mtl_core.data.augmentation.affine:Affine",
        "colour": "mtl_core.data.augmentation.colour:Colour",
        "cutout": "mtl_core.data.augmentation.cutout:Cutout",
        "mixup": "mtl_core.data.augmentation.mixup:Mixup",
    },
)


def augmentations() -> list[Any]:
    """All of them, in their order; of other packages those that can be loaded: a broken one must not break runs that do not use it."""
    return [
        AUGMENTATIONS.load(name)
        for name, place in AUGMENTATIONS.table.items()
        if place.startswith("mtl_core.") or name in installed(AUGMENTATION_GROUP)
    ]
