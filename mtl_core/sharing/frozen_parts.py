"""Frozen parts of a network, and learning rates that differ by stage, as the config says."""

from __future__ import annotations

from torch import nn

from mtl_core.backbones.backbone import Backbone, Stage
from mtl_core.config import RunConfig
from mtl_core.config_sections import BackboneConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.sharing.model import MultiTaskModel


def freeze(model: MultiTaskModel, config: RunConfig, epoch: int) -> bool:
    """Freeze what the config says for an epoch (1 is the first), and train again what it froze before only. Returns whether anything changed.

    Raises:
        ConfigError: the backbone has fewer stages than are to be frozen.
    """
    frozen: list[nn.Module] = []
    if config.backbone.is_frozen(epoch):
        count = _stages_of(model) if config.backbone.freeze == "all" else config.backbone.freeze_stages
        _check_stages(model, count)
        frozen += [stage for place, stage in placed_stages(model) if place < count]
    for task in model.tasks:
        if config.tasks[task].frozen:
            frozen += [model.heads[task], *_own_modules(model, task)]
    before = getattr(model, "_turned_off", ())
    for parameter in before:
        parameter.requires_grad_(True)
    every = {id(parameter): parameter for module in frozen for parameter in module.parameters()}
    turned_off = [parameter for parameter in every.values() if parameter.requires_grad]  # a scheme may have frozen some itself
    for parameter in turned_off:
        parameter.requires_grad_(False)
    vars(model)["_turned_off"], model.frozen = tuple(turned_off), tuple(frozen)
    return {id(parameter) for parameter in before} != {id(parameter) for parameter in turned_off}


def _own_modules(model: MultiTaskModel, task: str) -> list[nn.Module]:
    """Modules whose parameters only this task uses."""
    own = {id(parameter) for parameter in model.task_parameters(task)}
    direct = [(module, [id(parameter) for parameter in module.parameters(recurse=False)]) for module in model.modules()]
    return [module for module, held in direct if held and own.issuperset(held)]


def first_backbone(model: MultiTaskModel) -> Backbone:
    """One of the network's backbones; all have tensors of the same names and shapes."""
    return next(module for module in model.modules() if isinstance(module, Backbone))


def placed_stages(model: MultiTaskModel) -> list[tuple[int, Stage]]:
    """Every stage of every backbone in the network, copies of single stages too, each with its place in the backbone."""
    backbones = [module for module in model.modules() if isinstance(module, Backbone)]
    found = [(place, stage) for backbone in backbones for place, stage in enumerate(backbone.stages)]
    places, known = {stage.name: place for place, stage in found}, {id(stage) for _, stage in found}
    copies = [module for module in model.modules() if isinstance(module, Stage) and id(module) not in known]
    return [*found, *((places[stage.name], stage) for stage in copies)]


def rate_factors(model: MultiTaskModel, config: BackboneConfig) -> dict[int, float]:
    """id of a parameter -> factor on its learning rate; parameters that are not here have 1. Empty without factors.

    Stage l of L has ``lr_factor * layer_decay ** (L - l)``, where 1 is the first (Clark et al. 2020, https://arxiv.org/abs/2003.10555).
    """
    if config.lr_factor == config.layer_decay == 1:
        return {}
    last = _stages_of(model) - 1
    return {
        id(parameter): config.lr_factor * config.layer_decay ** (last - place)
        for place, stage in placed_stages(model)
        for parameter in stage.parameters()
    }


def _stages_of(model: MultiTaskModel) -> int:
    return 1 + max(place for place, _ in placed_stages(model))


def _check_stages(model: MultiTaskModel, count: int) -> None:
    most = _stages_of(model)
    if count > most:
        names = ", ".join({place: stage.name for place, stage in placed_stages(model)}.values())
        raise ConfigError(Problem("backbone.freeze_stages", f"the backbone has {most} stages ({names}); found {count}. Choose at most {most}"))
