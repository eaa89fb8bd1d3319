"""Random changes of training images, in the order in which they are made.

To add one: a file here, a line in this table, its fields in ``AugmentationConfig``.

Each change is drawn for each image of a batch, on the device; boxes, masks and depth follow. Targets of the whole image (classes, counts, slant,
...) stay as they are: what a change would make wrong is refused (``fitting.py``).
"""

from __future__ import annotations

from mtl_core.registry import Registry

AUGMENTATIONS = Registry(
    "augmentation",
    "mtl_core.augmentations",
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
