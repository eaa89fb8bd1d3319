"""Task names: one rule at every door, and every name that the rule allows trains."""

import string

import pytest
import torch
from torch import nn

from mtl_core.config import RunConfig, task_of
from mtl_core.data.imports.formats import Targets
from mtl_core.errors import ConfigError, DataError, RunNotFoundError, StoreError
from mtl_core.names import LONGEST_TASK_NAME, suggested_task_name, task_name_problem, title_problem
from mtl_core.runs import actions
from mtl_core.runs.store import open_store
from mtl_core.sharing.heads import Heads
from mtl_core.studies import study_actions as studies
from mtl_core.training.check import problems


@pytest.fixture
def store(home):
    return open_store(home)


GOOD = ["digit", "type", "values", "b__c", "Größe 2", "分类", "वर्ग", "2nd", "a-b", "x" * LONGEST_TASK_NAME]
BAD = ["", " a", "a ", "a  b", "-a", "_a", "x.y", "x/y", "x\\y", "..", "<b>", "a{}", "a:b", "a'b", 'a"b', "a\nb", "a\x00b", "a\u202eb"]
BAD += ["a" * 61, "*a*", "[a](b)", "$x$", "=a"]


def config_with(name: str) -> RunConfig:
    return RunConfig.from_dict({"data": {"name": "digits"}, "tasks": {"digit": {}, name: {}}, "backbone": {"name": "small_cnn"}})


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name_is_taken(name):
    assert task_name_problem(name) == ""
    assert Targets(name, "regression").name == name
    assert suggested_task_name(name)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_at_every_door(name):
    assert "Rename the task" in task_name_problem(name) or "characters" in task_name_problem(name)
    if name:  # '' stands for a task that a source leaves out
        with pytest.raises(DataError, match="task name"):
            Targets(name, "regression")
    try:
        found = [problem.message for problem in problems(config_with(name))]
    except ConfigError as error:
        found = [str(error)]
    assert any("task name" in message for message in found)


@pytest.mark.parametrize("text", [" sky.type ", "a/b", "__x__y__", "天气 (今天)", "", "...", "x" * 200, "é\u0301", *BAD])
def test_a_suggested_name_is_a_good_one(text):
    assert task_name_problem(suggested_task_name(text)) == ""


def test_letters_of_all_scripts_stay_in_a_suggestion():
    assert [suggested_task_name(text) for text in ("天气", "Größe (cm)", "sky.type")] == ["天气", "Größe_cm", "sky_type"]


@pytest.mark.parametrize("title", ["Größe 2", "分类　一", "می\u200cخواهم", "👩\u200d🔬 run", "a\u00a0b", "<b>x</b> $1$ =1+1", "x" * 120])
def test_a_title_may_hold_anything_that_is_seen(title, store):
    assert title_problem(title, 120) == ""
    run = store.create(config_with("ink").model_copy(update={"name": title}))
    assert store.get(run.id).name == title
    assert actions.rename(store, run.id, f"{title[:119]}!").name == f"{title[:119]}!"


@pytest.mark.parametrize("title", ["a\nb", "a\x00b", "a\x1b[2Jb", "a\u202eb", "a\u2028b", "a\ue000b"])
def test_a_title_with_what_no_list_can_show_is_refused_at_every_door(title, store):
    config = config_with("ink").model_copy(update={"name": title})
    assert next(problem.message for problem in problems(config) if problem.field == "name").startswith("expected one line of printable characters")
    run = store.create(config_with("ink"))
    with pytest.raises(ConfigError, match="printable"):
        actions.rename(store, run.id, title)
    with pytest.raises(ConfigError, match="printable"):
        actions.set_tags(store, run.id, [title])
    with pytest.raises(ConfigError, match="printable"):
        studies.draft("share", config, {}, [0])


def test_the_task_of_a_change_may_hold_any_sign():
    assert task_of("tasks.a.b.loss_weight") == "a.b"


def test_heads_take_every_name_that_a_module_has_itself():
    taken = [name for name in dir(nn.ModuleDict()) if not name.startswith("_")]
    assert {"type", "values", "items", "keys", "pop", "train", "half", "to", "children", "training"} <= set(taken)
    heads = Heads({name: nn.Linear(1, 1) for name in [*taken, "type_", "digit", "a b"]})
    assert list(heads) == [*taken, "type_", "digit", "a b"]
    assert len(set(heads.state_dict())) == 2 * len(heads)
    assert {"digit.weight", "type_.weight"} <= set(heads.state_dict())  # a name that is free stays as it is in checkpoints
    for name, module in heads.items():
        assert heads[name] is module
        assert name in heads
    other = Heads({name: nn.Linear(1, 1) for name in heads})
    other.load_state_dict(heads.state_dict())
    assert torch.equal(other["type"].weight, heads["type"].weight)
    assert all(letter not in heads for letter in string.ascii_letters)


def test_bytes_that_are_no_text_fit_no_id_and_are_no_note(store):
    """A command line hands over bytes that are not UTF-8 as halves of a pair, which no database takes."""
    with pytest.raises(RunNotFoundError):
        store.get("\udcff")
    with pytest.raises(StoreError, match="no study"):
        studies.get(store, "\udcff")
    run = store.create(config_with("digit"))
    with pytest.raises(ConfigError, match="UTF-8"):
        actions.set_note(store, run.id, "a\udcffb")
