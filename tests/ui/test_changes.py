import shlex

import pytest

from mtl_core.config import RunConfig
from mtl_core.presets import get_preset
from ui.train.preset_changes import as_command

QUICK = get_preset("digits-quick")


def repeated(command):
    """The config that the command line trains."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:6] == ["python", "-m", "mtl_core", "train", "--preset", QUICK.name]
    assert words[6::2] == ["--set"] * len(words[6::2])
    return QUICK.config.with_overrides(words[7::2])


def test_an_unchanged_preset_is_its_name():
    nameless = QUICK.config.model_copy(update={"name": ""})  # as the Train page starts it
    assert as_command(nameless, QUICK.name, "") == "python -m mtl_core train --preset digits-quick"


@pytest.mark.parametrize("name", [f"{QUICK.title} · epochs=7", "plain words", "12", "it's: 'quoted' [", "null"])
def test_a_command_with_sets_trains_the_same(name):
    config = QUICK.config.with_overrides(["epochs=7", "tasks.ink=null", "balancing.name=dwa"]).model_copy(update={"name": name})
    assert repeated(as_command(config, QUICK.name, "")) == config


def test_many_differences_are_left_to_a_file():
    other = RunConfig.from_dict(
        {"data": {"name": "imported", "set": "mine"}, "tasks": {name: {} for name in "abcdefgh"}, "backbone": {"name": "lenet"}}
    )
    assert as_command(other, QUICK.name, "the text under “YAML”").startswith("# save the text under “YAML” as run.yaml, then:\n")
