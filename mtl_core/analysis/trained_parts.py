"""What of a network is trained, in one sentence, from the config alone."""

from __future__ import annotations

from mtl_core.config import RunConfig
from mtl_core.language import tr


def trained_in_words(config: RunConfig) -> str:
    """``What is trained: ...`` in the reader's language. Says nothing of a backbone that the sharing scheme freezes itself."""
    frozen = [name for name, task in config.tasks.items() if task.frozen]
    trained = [name for name in config.tasks if name not in frozen]
    parts = [_backbone(config)]
    if trained:
        parts.append(
            tr("the head and own modules of {tasks}", tasks=trained[0])
            if len(trained) == 1
            else tr("the heads and own modules of {tasks}", tasks=_listed(trained))
        )
    said = [tr("What is trained: {parts}.", parts=tr("; ").join(part for part in parts if part) or tr("nothing"))]
    said += [tr("Frozen: the head and own modules of {tasks}.", tasks=_listed(frozen))] if frozen else []
    return " ".join(said)


def _backbone(config: RunConfig) -> str:
    chosen = config.backbone
    rates = _rates(config)
    whole = tr("the backbone ({rates})", rates=tr(", ").join(rates)) if rates else tr("the backbone")
    if chosen.freeze == "none":
        return whole
    count = chosen.freeze_stages
    if chosen.freeze_epochs is not None and chosen.freeze_epochs < config.epochs:
        epoch = chosen.freeze_epochs + 1
        if chosen.freeze == "all":
            return tr("{backbone}, from epoch {epoch}", backbone=whole, epoch=epoch)
        if count == 1:
            return tr("{backbone}, its first stage from epoch {epoch}", backbone=whole, epoch=epoch)
        return tr("{backbone}, its first {count} {count:stage|stages} from epoch {epoch}", backbone=whole, count=count, epoch=epoch)
    if chosen.freeze == "all":
        return tr("not the backbone")
    if count == 1:
        return tr("{backbone} without its first stage", backbone=whole)
    return tr("{backbone} without its first {count} {count:stage|stages}", backbone=whole, count=count)


def _rates(config: RunConfig) -> list[str]:
    factor, decay = config.backbone.lr_factor, config.backbone.layer_decay
    said = [tr("at {factor:g} times the learning rate", factor=factor)] if factor != 1 else []
    return said + ([tr("each stage at {factor:g} times the rate of the stage after it", factor=decay)] if decay != 1 else [])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else tr("{first} and {last}", first=tr(", ").join(names[:-1]), last=names[-1])
