"""Uses each part of ``installed_parts.py`` in a config, where that is installed, and prints what came of it."""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import torch
from installed_parts import ENTRIES, PLAIN, USED, Negative  # the module that the entry points name
from PIL import Image

from mtl_core.config import RunConfig
from mtl_core.data.dataset import Task
from mtl_core.errors import ConfigError
from mtl_core.events import Control
from mtl_core.lessons import LESSONS
from mtl_core.plane import LANDSCAPES
from mtl_core.plane.walk import Walk

CONFIGS = {
    "mtl_core.balancers": {"balancing": {"name": "theirs"}, "tasks": {"level": {}, "own": {}}},
    "mtl_core.backbones": {"backbone": {"name": "theirs", "hidden": [8]}},
    "mtl_core.sharing_schemes": {"sharing": {"name": "theirs", "own": 0.8}, "tasks": {"level": {}, "own": {}}},
    "mtl_core.updates": {"update": {"name": "theirs"}},
    "mtl_core.task_kinds": {"tasks": {"own": {}}},
    "mtl_core.evaluations": {"tasks": {"own": {}}},
    "mtl_core.self_supervised_tasks": {"tasks": {"theirs": {}}},
    "mtl_core.denoisers": {"data": {"name": "theirs", "preprocessing": {"denoise": {"name": "theirs"}}}},
    "mtl_core.data_sources": {},
    "mtl_core.augmentations": {"augmentation": {"negative": 0.5}, "tasks": {"level": {"geometry": "whole"}}},
}


def trained(values: dict, folder: Path) -> RunConfig:
    """Train a config from its YAML."""
    from mtl_core.training.check import problems
    from mtl_core.training.trainer import train

    config = RunConfig.from_yaml(RunConfig.from_dict({**PLAIN, **values}).to_yaml())
    assert problems(config) == []
    events = list(train(config, folder, folder.parent, Control()))
    assert events[-1].status == "finished"
    return config


def use(group: str, folder: Path) -> None:
    """Use the part of a group, and fail where that is not so."""
    if group == "mtl_core.import_formats":
        _import(folder)
    elif group == "mtl_core.landscapes":
        walk = Walk(LANDSCAPES.load("theirs")(), "mean", (0.0, 0.0), optimizer="sgd")
        walk.advance(1)
        assert [round(value, 6) for value in walk.points[1]] == [-0.05, -0.05]
    elif group == "mtl_core.lessons":
        assert LESSONS.load("theirs")().outcome_of([], []).key == "yes"
    elif group == "mtl_core.study_kinds":
        from mtl_core.studies.study_actions import draft

        assert [cell.config.epochs for cell in draft("theirs", RunConfig.from_dict(PLAIN), {}, [0]).cells] == [1, 2]
    else:
        config = trained(CONFIGS[group], folder)
    if group == "mtl_core.evaluations":
        from mtl_core.training.checkpoint_evaluation import evaluate_checkpoint
        from mtl_core.training.checkpoint_files import read_index

        report, _ = evaluate_checkpoint(config, folder, folder.parent, read_index(folder)["last"], "val")
        assert report["tasks"]["own"]["values"][0]["value"] == 8
    if group == "mtl_core.augmentations":
        _augmentation_keys(folder)
    if group == "mtl_core.sharing_schemes":
        _mixed(config, folder)
    assert group in USED


def _mixed(config: RunConfig, folder: Path) -> None:
    """The scheme's own parameters began as its option says, were trained, and are in the checkpoint."""
    from safetensors.torch import load_file

    from mtl_core.training.checkpoint_files import read_index

    assert config.sharing.options == {"own": 0.8}
    tensors = load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors")
    off = tensors["units.0"] - torch.tensor([[0.8, 0.2], [0.2, 0.8]])
    assert 0 < off.abs().max() < 0.1


def _import(folder: Path) -> None:
    from mtl_core.data.imports import import_dataset, propose

    for number in range(40):
        Image.fromarray(np.full((9, 9), number, np.uint8)).save(folder / f"{'ab'[number % 2]}{number}.png")
    spec = propose(folder).spec
    assert "theirs" in [source.format for source in spec.sources]
    import_dataset(folder, spec, "letters", folder.parent)


def _augmentation_keys(folder: Path) -> None:
    from mtl_core.config_sections import AugmentationConfig
    from mtl_core.data.augmentation import fitting

    def refused(**changes: object) -> str:
        try:
            RunConfig.from_dict({**PLAIN, "augmentation": changes})
        except ConfigError as error:
            return str(error)
        return ""

    assert "augmentation.negativ: unknown key 'negativ'; did you mean 'negative'?" in refused(negativ=1)
    both = refused(negative=2, shift=-1, softly=3)
    assert all(f"augmentation.{key}: " in both for key in ("negative", "shift", "softly")), both
    assert "expected at most 1, found 2" in both
    plain = AugmentationConfig()
    assert not Negative.is_on(plain)
    assert AugmentationConfig(negative=0.0) == plain
    assert AugmentationConfig(negative=1).model_dump()["softly"] is False
    assert AugmentationConfig.model_validate_json(AugmentationConfig(negative=1).model_dump_json()) == AugmentationConfig(negative=1)
    assert [*AugmentationConfig.with_added().model_fields][-2:] == ["negative", "softly"]
    spoiled = Task("level", "regression", "level", spoiled_by=("negative",), geometry="whole")
    assert [each.field for each in fitting.misfits(AugmentationConfig(negative=1), [spoiled], (8, 8))] == ["augmentation.negative"]
    assert fitting.misfits(plain, [spoiled], (8, 8)) == []


def main() -> None:
    """Use every part; print group -> what went wrong, empty for nothing."""
    found = {}
    with tempfile.TemporaryDirectory() as home:
        for group in ENTRIES:
            folder = Path(home) / group
            folder.mkdir()
            try:
                use(group, folder)
                found[group] = ""
            except Exception:
                found[group] = traceback.format_exc()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
