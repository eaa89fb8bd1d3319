import shlex

import pytest

from mtl_core.config import RunConfig
from mtl_core.presets import get_preset
from ui.train.preset_changes import as_command, differences_in_words, with_changes

QUICK = get_preset("digits-quick")


def repeated(command):
    """The config that the command line trains."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:6] == ["python", "-m", "mtl_core", "train", "--preset", QUICK.name]
    assert words[6::2] == ["--set"] * len(words[6::2])
    return QUICK.config.with_overrides(words[7::2])


def test_an_unchanged_preset_is_its_name():
    titled = QUICK.config.model_copy(update={"name": QUICK.title})  # as the Train page starts it
    assert as_command(titled, QUICK.name, "") == "python -m mtl_core train --preset digits-quick"


@pytest.mark.parametrize("name", [f"{QUICK.title} · epochs=7", "plain words", "12", "it's: 'quoted' [", "null"])
def test_a_command_with_sets_trains_the_same(name):
    config = QUICK.config.with_overrides(["epochs=7", "tasks.ink=null", "balancing.name=dwa"]).model_copy(update={"name": name})
    assert repeated(as_command(config, QUICK.name, "")) == config


def test_many_differences_are_left_to_a_file():
    other = RunConfig.from_dict(
        {"data": {"name": "imported", "set": "mine"}, "tasks": {name: {} for name in "abcdefgh"}, "backbone": {"name": "lenet"}}
    )
    assert as_command(other, QUICK.name, "the text under “YAML”").startswith("# save the text under “YAML” as run.yaml, then:\n")


@pytest.mark.parametrize(
    ("assigned", "said"),
    [
        (["tasks.digit.loss_weight=5"], "digit ×5"),
        (["data.preprocessing.colour=grey"], "colour grey"),
        (["balancing.name=pcgrad"], "balancing pcgrad"),
        (["balancing.name=cagrad", "balancing.c=0.3"], "balancing cagrad"),
        (["optimizer.lr=0.01", "batch_size=8"], "batch size 8 · learning rate 0.01"),
        (["epochs=1"], "1 epoch"),
        (["gradient_clip=1.5", "seed=3"], "gradient clip 1.5 · seed 3"),
        (["tasks.ink=null", "epochs=7"], "without ink · 7 epochs"),
        (["tasks.digit.start_epoch=2"], "digit start epoch 2"),
        (["changes=[{step: 3, key: optimizer.lr, value: 0.1}]"], ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_name_says_in_words_what_was_changed(assigned, said):
    name = with_changes("T", QUICK.config, QUICK.config.with_overrides(assigned))
    assert set(name.removeprefix("T · ").split(" · ")) == set(said.split(" · ")) if said else name == "T"


def test_no_name_has_keys_or_json_in_it():
    """Every setting that can differ, changed to another value of its kind."""
    other = QUICK.config.to_dict()
    other["tasks"] = {"digit": {"loss_weight": 2.0, "label_fraction": 0.5, "optimizer": {"name": "sgd", "lr": 0.1}}, "depth": {}}
    other |= {"data": {"name": "digits", "partition": {"kind": "disjoint", "among": ["digit", "depth"]}}, "epochs": 9, "changes": []}
    other["changes"] = [{"step": 3, "key": "tasks.digit.loss_weight", "value": 2.0}]
    after = RunConfig.from_dict(other)
    said = differences_in_words(QUICK.config.to_dict() | {"changes": []}, after.to_dict() | {"changes": []})
    assert len(said) > 5
    assert [words for words in said if any(mark in words for mark in '={}[]_"') or "." in words.split()[0]] == []
