import math
import re
from types import SimpleNamespace

import pytest

from mtl_core.config import RunConfig
from mtl_core.errors import NonFiniteLossError
from mtl_core.language import LANGUAGES, speaking, tr
from mtl_core.runs.failures import _CURES
from ui.run.failure_card import TITLES, advice, cures, short_trace, what_happened, without_keys


def config(batch_size=64, lr=0.002, on_non_finite="stop", accumulate=1):
    return SimpleNamespace(batch_size=batch_size, accumulate=accumulate, optimizer=SimpleNamespace(lr=lr), on_non_finite=on_non_finite)


@pytest.mark.parametrize("spoken", list(LANGUAGES))
@pytest.mark.parametrize("kind", _CURES)
def test_the_advice_on_screen_names_no_key_of_the_config(kind, spoken):
    with speaking(spoken):
        said = without_keys(tr(_CURES[kind]))
    keys = set(RunConfig.model_fields) - {"data", "name", "tasks", "backbone", "seed", "epochs"}  # these are words, too
    assert not keys & set(re.findall(r"[a-z_]+", said)) - {"device"}
    assert said.count("(") == said.count(")")
    assert "  " not in said


@pytest.mark.parametrize(
    ("value", "english", "chinese"), [(math.nan, "not a number (NaN)", "非数值（NaN）"), (-math.inf, "minus infinity", "负无穷大")]
)
def test_a_loss_that_is_not_finite_is_said_in_one_sentence(value, english, chinese):
    failure = {"kind": "non_finite", "message": str(NonFiniteLossError("depth", 120, value))}
    assert what_happened(failure) == f"The loss of task 'depth' is {english} at step 120."
    with speaking("zh"):
        assert what_happened(failure) == f"任务 'depth' 的损失在第 120 步为{chinese}。"


def test_other_words_in_brackets_stay():
    assert without_keys("Clone it (if no epoch is kept) with smaller batches (batch_size), or resume (later).") == (
        "Clone it (if no epoch is kept) with smaller batches, or resume (later)."
    )


def test_every_kind_of_failure_has_a_title():
    assert set(TITLES) == set(_CURES)


@pytest.mark.parametrize(
    ("kind", "settings", "kept", "offered"),
    [
        (
            "out_of_memory",
            {},
            [1],
            [("Clone with batch size 32", None, "batch_size=32"), ("Clone with batches in 2 parts", None, "accumulate=2")],
        ),
        ("out_of_memory", {"batch_size": 30, "accumulate": 2}, [1], [("Clone with batch size 15", None, "batch_size=15")]),
        ("out_of_memory", {"batch_size": 1}, [], []),
        (
            "non_finite",
            {},
            [2, 4],
            [
                ("Fork from epoch 4 with learning rate 0.0002", 4, "optimizer.lr=0.0002"),
                ("Fork from epoch 4 and skip such steps", 4, "on_non_finite=skip"),
            ],
        ),
        ("non_finite", {"on_non_finite": "skip"}, [], [("Clone with learning rate 0.0002", None, "optimizer.lr=0.0002")]),
        ("disk_full", {}, [1], []),
    ],
)
def test_what_may_cure_it_is_offered(kind, settings, kept, offered):
    assert cures(config(**settings), kind, kept) == offered


NEEDS = (
    "batch_size: the run needs about 9.1 GB of memory, and 3.2 GB is free: lower batch_size to about 12, let the batch pass in more parts "
    "(accumulate: 2), or take smaller images (data.preprocessing.resize) or a smaller network (backbone.width). End other programs that use memory"
)
NONE_FITS = "backbone: the run needs about 9.1 GB of memory, and 1 GB is free: no batch_size is low enough; take a smaller network (backbone.width)."
CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which 310.00 MiB is free. Including non-PyTorch "
    "memory, this process has 7.40 GiB memory in use. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF"
)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (NEEDS, "The run needs about 9.1 GB of memory, and 3.2 GB is free."),
        (NONE_FITS, "The run needs about 9.1 GB of memory, and 1 GB is free."),
        (
            CUDA,
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which 310.00 MiB is free.",
        ),
        ("can't allocate memory.", "Can't allocate memory."),
    ],
)
def test_of_missing_memory_the_need_and_what_was_free_are_said(message, said):
    assert what_happened({"kind": "out_of_memory", "message": message}) == said


def test_a_batch_that_was_found_to_fit_is_offered():
    assert cures(config(), "out_of_memory", [], NEEDS)[0] == ("Clone with batch size 12", None, "batch_size=12")
    assert cures(config(batch_size=8), "out_of_memory", [], NEEDS)[0] == ("Clone with batch size 7", None, "batch_size=7")
    assert cures(config(), "out_of_memory", [], NONE_FITS) == []


def advised(kind, message="", buttons=(), settings=None, home="."):
    values = {"data": {"name": "imported", "set": "cells"}, "tasks": {"digit": {}, "my_task": {"loss_weight": 3}}, "backbone": {"name": "mlp"}}
    run_config = RunConfig.from_dict({**values, **(settings or {})})
    run = SimpleNamespace(device="cuda:1", config=run_config)
    failure = {"kind": kind, "message": message, "cure": _CURES[kind]}
    return advice(SimpleNamespace(home=home), run, run_config, failure, list(buttons)).replace("\\", "")


def test_the_advice_names_the_settings_the_task_and_the_buttons_of_this_run(tmp_path):
    lost = str(NonFiniteLossError("my_task", 9, math.nan))
    said = advised("non_finite", lost, ["Fork it"], {"optimizer": {"lr": 0.5}})
    assert "a learning rate of 0.5 and no bound on the gradient. Press **Fork it** below." in said
    assert "set a *gradient clip* of 1, or lower the loss weight of **my_task**, which is 3." in said
    said = advised("non_finite", str(NonFiniteLossError("digit", 9, math.nan)))
    assert said.endswith("or lower the loss weight of **my_task**, which is 3.")  # it weighs more than the one whose loss it was
    said = advised("non_finite", str(NonFiniteLossError("", 9, math.inf)), [], {"gradient_clip": 2})
    assert said.endswith("and a gradient clip of 2. If it happens again, halve the *gradient clip*.")
    said = advised("out_of_memory", CUDA, ["one", "two"], {"batch_size": 48, "accumulate": 2})
    assert said.startswith("A step takes 48 images in 2 parts, and the memory of cuda:1 has to hold it. Press **one** below, or **two**")
    assert "Press **Clone** and choose a smaller backbone" in advised("out_of_memory", NONE_FITS)
    assert "the imported data set **cells**" in advised("data", "unknown imported data set 'cells'. Available: none")
    assert "files of the data set are complete" in advised("data", "weights.pt ends too early; fetch it again")
    assert f"The disk of {tmp_path} has " in advised("disk_full", home=tmp_path)
    assert "**Export** has the settings" in advised("bug")


def test_a_data_set_that_is_gone_is_named_without_the_others():
    failure = {"kind": "data", "message": "unknown imported data set 'cells'. Available: a, b"}
    assert what_happened(failure, "cells") == "There is no imported data set 'cells' in this store."


def test_a_long_trace_is_cut_to_its_innermost_lines():
    assert short_trace("a\nb\n") == "a\nb"
    cut = short_trace("\n".join(map(str, range(20)))).splitlines()
    assert cut == ["(the full log has 8 lines before these)", *map(str, range(8, 20))]
