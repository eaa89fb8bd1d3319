"""The config that an import proposes: whole, so that ``train`` takes it as it stands."""

from __future__ import annotations

import math

from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.plain_yaml import read_yaml, write_yaml
from mtl_core.presets import load_presets


def config_of_set(name: str, images: int) -> str:
    """YAML of a run with all tasks of an imported set and the backbone of the first preset.

    Args:
        images: in the training split; fewer than the usual batch size make smaller batches.
    """
    from mtl_core.data import open_source  # imports a source's libraries

    tasks = {task.name: {} for task in open_source(PartConfig.model_validate({"name": "imported", "set": name})).offered_tasks()}
    values = {"tasks": tasks, "backbone": {"name": load_presets()[0].config.backbone.name}}
    if images < RunConfig.model_fields["batch_size"].default:
        values["batch_size"] = 2 ** int(math.log2(max(1, images)))
    data = f"data: {{name: imported, set: {name}}}"
    if read_yaml(data)["data"]["set"] != name:  # such as 2026, which would be read as a number
        data = f"data: {{name: imported, set: '{name}'}}"
    return f"{data}\n{write_yaml(values)}".rstrip()
