"""Settings that switch an augmentation on, for the contract tests. They follow from ``Options``, so that a new augmentation needs no line here."""

from __future__ import annotations

from mtl_core.data.augmentation import AUGMENTATIONS, WITH_FIELDS

KNOWN = {
    "flip": {"flip": True},
    "shift": {"shift": 5},
    "crop": {"crop": 0.5},
    "affine": {"rotation": 40, "scale": 0.3},
    "colour": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.5},
    "cutout": {"cutout": 0.5},
    "mixup": {"mixup": 1.0},
}
ADDED = {name: AUGMENTATIONS.load(name) for name in AUGMENTATIONS if name not in WITH_FIELDS}


def settings_of(name: str, share: float = 0.5) -> dict:
    """Every option on: true, or this share of the way from its default to its upper limit (to 1 above the default if it has none)."""
    if name in KNOWN:
        return KNOWN[name]
    found = {}
    for key, field in ADDED[name].options_model().model_fields.items():
        limits = [getattr(rule, bound) for rule in field.metadata for bound in ("le", "lt") if getattr(rule, bound, None) is not None]
        off, most = field.default, min(limits, default=field.default + 1)
        if isinstance(off, bool):
            found[key] = True
        elif isinstance(off, int):
            found[key] = max(off + 1, round(off + share * (most - off)))
        elif isinstance(off, float):
            found[key] = off + share * (most - off)
    return found


ON = {name: settings_of(name) for name in AUGMENTATIONS}
GENTLE = {name: settings_of(name, 0.1) for name in AUGMENTATIONS}  # where a picture must stay recognisable
