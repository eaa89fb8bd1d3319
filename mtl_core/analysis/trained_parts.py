"""What of a network is trained, in one sentence, from the config alone."""

from __future__ import annotations

from mtl_core.config import RunConfig


def trained_in_words(config: RunConfig) -> str:
    """``What is trained: ...``. Says nothing of a backbone that the sharing scheme freezes itself."""
    frozen = [name for name, task in config.tasks.items() if task.frozen]
    trained = [name for name in config.tasks if name not in frozen]
    parts = [_backbone(config)]
    if trained:
        what = "head and own modules" if len(trained) == 1 else "heads and own modules"
        parts.append(f"the {what} of {_listed(trained)}")
    rest = f" Frozen: the head and own modules of {_listed(frozen)}." if frozen else ""
    return f"What is trained: {'; '.join(part for part in parts if part) or 'nothing'}.{rest}"


def _backbone(config: RunConfig) -> str:
    chosen = config.backbone
    whole = f"the backbone{_rates(config)}"
    if chosen.freeze == "none":
        return whole
    count = chosen.freeze_stages
    stages = "first stage" if count == 1 else f"first {count} stages"
    if chosen.freeze_epochs is not None and chosen.freeze_epochs < config.epochs:
        later = f"from epoch {chosen.freeze_epochs + 1}"
        return f"{whole}, {later}" if chosen.freeze == "all" else f"{whole}, its {stages} {later}"
    return "not the backbone" if chosen.freeze == "all" else f"{whole} without its {stages}"


def _rates(config: RunConfig) -> str:
    factor, decay = config.backbone.lr_factor, config.backbone.layer_decay
    said = [f"at {factor:g} times the learning rate"] if factor != 1 else []
    said += [f"each stage at {decay:g} times the rate of the stage after it"] if decay != 1 else []
    return f" ({', '.join(said)})" if said else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
