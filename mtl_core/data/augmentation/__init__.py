"""The registry of augmentations: random changes of training images, in their order.

To add one: a file here and a line in this table. Its ``Options`` become keys of a config's ``augmentation``. An augmentation of another package
registers through the entry-point group ``mtl_core.augmentations``; it runs after ours.

Each augmentation draws for each image of a batch and runs on the device; boxes, masks and depth follow. Targets of the whole image (classes,
counts, slant, ...) stay unchanged; ``fitting.py`` refuses an augmentation that would make them wrong.
"""

from __future__ import annotations

from typing import Any

from mtl_core.registry import Registry, installed

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

# Their settings are fields of ``AugmentationConfig``, so that reading a run imports none of them. All others have ``Options``.
WITH_FIELDS = frozenset({"flip", "shift", "crop", "affine", "colour", "cutout", "mixup"})


def augmentations() -> list[Any]:
    """All augmentations in their order. Those of other packages that fail to load are left out, so that they don't break runs without them."""
    return [AUGMENTATIONS.load(name) for name in _loadable()]


def added() -> list[Any]:
    """The augmentations with ``Options``, in their order, without those that fail to load."""
    return [AUGMENTATIONS.load(name) for name in _loadable() if name not in WITH_FIELDS]


def _loadable() -> list[str]:
    packages = installed(AUGMENTATIONS.group)
    return [name for name, place in AUGMENTATIONS.table.items() if place.startswith("mtl_core.") or name in packages]
