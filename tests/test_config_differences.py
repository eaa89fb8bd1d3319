"""Differences of configs in words."""

import pytest

from mtl_core.config import RunConfig
from mtl_core.config_differences import differences_in_words, phrase_of, title_of, value_of
from mtl_core.language import speaking
from mtl_core.presets import get_preset
from mtl_core.run_names import run_name
from tests.pages.english_texts import english_words

QUICK = get_preset("digits-quick").config


def in_english(old, new):
    return [phrase.english for phrase in differences_in_words(old, new)]


@pytest.mark.parametrize(
    ("assigned", "said"),
    [
        (["tasks.digit.loss_weight=5"], ["digit ×5"]),
        (["data.preprocessing.colour=grey"], ["colour grey"]),
        (["data.preprocessing.denoise.name=median"], ["Median"]),
        (["balancing.name=pcgrad"], ["PCGrad"]),
        (["balancing.name=cagrad", "balancing.c=0.3"], ["CAGrad with c 0.3"]),
        (["optimizer.lr=0.01", "batch_size=8"], ["batch size 8", "learning rate 0.01"]),
        (["optimizer.name=sgd"], ["SGD"]),
        (["optimizer.name=sgd", "optimizer.lr=0.5"], ["SGD", "learning rate 0.5"]),
        (["epochs=1"], ["1 epoch"]),
        (["gradient_clip=1.5", "seed=3"], ["gradient clip 1.5", "seed 3"]),
        (["tasks.ink=null", "epochs=7"], ["without ink", "7 epochs"]),
        (["tasks.ink=null", "tasks.slant=null", "tasks.digit.loss_weight=2"], ["digit alone", "digit ×2"]),
        (["tasks.rotation={}"], ["with rotation"]),
        (["tasks.rotation={loss_weight: 0.5}"], ["with rotation", "rotation ×0.5"]),
        (["tasks.digit.start_epoch=2"], ["digit from epoch 2"]),
        (["tasks.digit.label_fraction=0.25"], ["25 % of the labels of digit"]),
        (["tasks.digit.optimizer={name: sgd, lr: 0.1}"], ["digit with an own optimizer"]),
        (["augmentation.flip=true"], ["flip"]),
        (["sharing.name=mmoe"], ["Mixture of experts (MMoE)"]),
        (["backbone.hidden=[8, 4]"], ["hidden 8, 4"]),
        (["changes=[{step: 3, key: optimizer.lr, value: 0.1}]", "precision=fp32", "device=cpu"], []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_differences_in_words(assigned, said):
    assert in_english(QUICK.to_dict(), QUICK.with_overrides(assigned).to_dict()) == said


def test_names_and_files_that_somebody_gave_keep_every_letter():
    given = {("data", "root"): "/my_sets/oxford_pets", ("data", "set"): "my_days"}
    given |= {("backbone", "weights_file"): "my_net.pt", ("backbone", "model"): "regnety_002"}
    for path, value in given.items():
        assert value_of(path, value) == value
        assert phrase_of(path, value).english.endswith(value)
    assert value_of(("select_by",), ["count_RBC", "wbc_type"]) == "count_RBC, wbc_type"
    assert value_of(("layout",), "channels_last") == "channels last"


def test_where_the_files_of_a_data_set_lie_is_no_part_of_a_name():
    pets = get_preset("pets-random").config
    after = pets.with_overrides(["data.root=/my_sets", "data.download=false", "epochs=1"])
    assert in_english(pets.to_dict(), after.to_dict()) == ["1 epoch"]
    assert run_name(pets.with_overrides(["data.root=/my_sets"])).title == run_name(pets).title


def test_what_says_most_comes_first():
    assigned = ["seed=1", "epochs=2"]
    assigned += ["data.image_size=16", "tasks.digit.loss_weight=2", "balancing.name=mgda", "tasks.ink=null", "sharing.name=separate"]
    said = in_english(QUICK.to_dict(), QUICK.with_overrides(assigned).to_dict())
    assert said == ["without ink", "MGDA", "digit ×2", "Separate networks", "images of 16 pixels", "2 epochs", "seed 1"]


def test_the_size_of_the_data():
    scenes = get_preset("digit-scenes").config
    after = scenes.with_overrides(["data.train_size=1000", "data.val_size=200"])
    assert in_english(scenes.to_dict(), after.to_dict()) == ["1,000 images", "200 val images"]


def test_an_option_that_is_left_out_has_its_default():
    after = QUICK.to_dict()
    del after["backbone"]["hidden"]
    assert in_english(QUICK.to_dict(), after) == ["default hidden"]


def test_the_same_config_has_no_differences():
    assert in_english(QUICK.to_dict(), QUICK.to_dict()) == []


def much_changed():
    """Settings of every kind, changed to other values."""
    other = QUICK.to_dict()
    other["tasks"] = {"digit": {"loss_weight": 2.0, "label_fraction": 0.5, "optimizer": {"name": "sgd", "lr": 0.1}}, "depth": {}}
    other |= {"data": {"name": "digits", "partition": {"kind": "disjoint", "among": ["digit", "depth"]}}, "epochs": 9}
    other["changes"] = [{"step": 3, "key": "tasks.digit.loss_weight", "value": 2.0}]
    return RunConfig.from_dict(other).to_dict()


def test_no_phrase_has_keys_or_json_in_it():
    said = in_english(QUICK.to_dict(), much_changed())
    assert len(said) > 5
    assert [words for words in said if any(mark in words for mark in '={}[]_"') or "." in words.split()[0]] == []


@pytest.mark.parametrize(
    ("assigned", "said"),
    [
        (["tasks.digit.loss_weight=5"], ["digit ×5"]),
        (["balancing.name=cagrad", "balancing.c=0.3"], ["CAGrad（c 0.3）"]),
        (["optimizer.lr=0.01", "batch_size=8"], ["批大小 8", "学习率 0.01"]),
        (["tasks.ink=null", "epochs=7"], ["不含 ink", "7 轮"]),
        (["tasks.rotation={}", "tasks.jigsaw={}", "tasks.colourisation={}"], ["加上 rotation、jigsaw、colourisation"]),
        (["tasks.digit.start_epoch=2", "data.train_size=1000"], ["1,000 张图像", "digit 从第 2 轮起"]),
        (["data.partition.kind=disjoint"], ["互不重叠的图像", "分配范围 digit, slant, ink"]),
        (["augmentation.flip=true", "on_non_finite=skip"], ["翻转", "损失变为 NaN 时 跳过"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_phrases_are_said_in_the_readers_language_and_kept_in_english(assigned, said):
    found = differences_in_words(QUICK.to_dict(), QUICK.with_overrides(assigned).to_dict())
    with speaking("zh"):
        assert [phrase.said() for phrase in found] == said
        kept = [phrase.english for phrase in found]
    assert kept == [phrase.said() for phrase in found]


def test_no_word_of_ours_in_a_phrase_is_without_its_translation():
    found = differences_in_words(QUICK.to_dict(), much_changed())
    with speaking("zh"):
        said = [phrase.said() for phrase in found]
    assert [text for text in said if set(english_words(text)) - set(much_changed()["tasks"])] == []


@pytest.mark.parametrize(
    ("path", "value", "title", "text"),
    [
        ("tasks.boxes.loss_weight", 5.0, "Loss weight of boxes", "5"),
        ("tasks.boxes.stop_epoch", None, "Stop epoch of boxes", "none"),
        ("tasks.boxes.optimizer.lr", 0.1, "Learning rate of boxes", "0.1"),
        ("data.train_size", 1000, "Training images", "1,000"),
        ("data.seed", 1, "Seed of the images", "1"),
        ("backbone.width", 24, "Width of the backbone", "24"),
        ("balancing.name", "pcgrad", "Balancing method", "PCGrad"),
        ("balancing.name", "not_installed", "Balancing method", "not installed"),
        ("optimizer.name", "adamw", "Optimizer", "AdamW"),
        ("schedule.name", "constant", "Learning rate over the run", "constant"),
        ("augmentation.flip", True, "Flip of the augmentation", "yes"),
        ("on_non_finite", "stop", "If a loss becomes NaN", "stop"),
        ("changes", [{}, {}], "Live changes", "2 live changes"),
        ("epochs", 8, "Epochs", "8"),
    ],
)
def test_a_setting_has_a_title_and_a_value_in_words(path, value, title, text):
    keys = tuple(path.split("."))
    assert (title_of(keys), value_of(keys, value)) == (title, text)
