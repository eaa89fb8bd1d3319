"""The registry of augmentations: random changes of training images, in their order.

To add one: a file here, a line in this table, its fields in ``AugmentationConfig``. An augmentation of another package has its fields in ``Options``
and registers through the entry-point group ``mtl_core.augmentations``; it runs after ours.

Each augmentation draws for each image of a batch and runs on the device; boxes, masks and depth follow. Targets of the whole image (classes,
counts, slant, ...) stay unchanged; ``fitting.py`` refuses an augmentation that would make them wrong.
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
    """All augmentations in their order. Those of other packages that fail to load are left out, so that they don't break runs without them."""
    return [
        AUGMENTATIONS.load(name)
        for name, place in AUGMENTATIONS.table.items()
        if place.startswith("mtl_core.") or name in installed(AUGMENTATION_GROUP)
    ]
