import math
import re
from types import SimpleNamespace

import pytest

from mtl_core.config import RunConfig
from mtl_core.errors import NonFiniteLossError
from mtl_core.language import LANGUAGES, speaking, tr
from mtl_core.runs.failures import _CURES
from ui.run.failure_card import TITLES, cures, short_trace, what_happened, without_keys


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


def test_a_long_trace_is_cut_to_its_innermost_lines():
    assert short_trace("a\nb\n") == "a\nb"
    cut = short_trace("\n".join(map(str, range(20)))).splitlines()
    assert cut == ["(the full log has 8 lines before these)", *map(str, range(8, 20))]
