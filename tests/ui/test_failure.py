import math
import re
from types import SimpleNamespace

import pytest

from mtl_core.config import RunConfig
from mtl_core.errors import DataError, MemoryProblem, MissingSetError, NonFiniteLossError, NotEnoughMemoryError
from mtl_core.language import LANGUAGES, speaking, tr
from mtl_core.runs.failures import _CURES, Facts, facts_of, failure_of
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
    failure = failure_of(NonFiniteLossError("depth", 120, value))
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
    assert cures(config(**settings), kind, kept, Facts()) == offered


MEMORY = "the run needs about 9.1 GB of memory, and 3.2 GB is free"
NEEDS = f"{MEMORY}: lower batch_size to about 12, let the batch pass in more parts (accumulate: 2). End other programs that use memory"
NONE_FITS = f"{MEMORY}: no batch_size is low enough; take a smaller network (backbone.width)."
CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which 310.00 MiB is free. Including non-PyTorch "
    "memory, this process has 7.40 GiB memory in use. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF"
)
ERRORS = [  # and what is read of them
    (NotEnoughMemoryError(MemoryProblem("batch_size", NEEDS, MEMORY, 12)), Facts(MEMORY, fits=12)),
    (NotEnoughMemoryError(MemoryProblem("backbone", NONE_FITS, MEMORY, 0)), Facts(MEMORY, fits=0)),
    (RuntimeError(CUDA), Facts(CUDA.partition(". Including")[0])),
    (MemoryError("can't allocate memory."), Facts("can't allocate memory")),
    (NonFiniteLossError("my_task", 9, math.nan), Facts("the loss of task 'my_task' is not a number (NaN) at step 9", task="my_task")),
    (NonFiniteLossError("", 9, math.inf), Facts("the combined loss or a gradient (no single task's loss) is plus infinity at step 9")),
    (MissingSetError("unknown imported data set 'cells'. Available: a, b", "cells"), Facts(missing_set="cells")),
    (DataError("the files of the imported data set 'cells' in '/a' have changed since it was imported. Restore them"), Facts()),
    (ValueError("task 'digit' has lower batch_size to about 3"), Facts()),
]


@pytest.mark.parametrize(("error", "facts"), ERRORS, ids=lambda value: type(value).__name__)
def test_the_facts_of_a_failure_are_kept_beside_its_message_and_found_in_the_message_of_an_earlier_version(error, facts):
    failure = failure_of(error)
    assert facts_of(failure) == facts
    assert facts_of({**failure, "message": "said in other words"}) == facts
    assert facts_of({name: value for name, value in failure.items() if name != "facts"}) == facts


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ERRORS[0][0], "The run needs about 9.1 GB of memory, and 3.2 GB is free."),
        (ERRORS[1][0], "The run needs about 9.1 GB of memory, and 3.2 GB is free."),
        (
            ERRORS[2][0],
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which 310.00 MiB is free.",
        ),
        (ERRORS[3][0], "Can't allocate memory."),
        (ERRORS[6][0], "There is no imported data set 'cells' in this store."),
        (DataError("weights.pt ends too early; fetch it again"), "Weights.pt ends too early; fetch it again"),
    ],
)
def test_what_happened_is_said_without_advice_that_the_card_gives_itself(error, said):
    assert what_happened(failure_of(error)) == said


def test_a_batch_that_was_found_to_fit_is_offered():
    assert cures(config(), "out_of_memory", [], Facts(fits=12))[0] == ("Clone with batch size 12", None, "batch_size=12")
    assert cures(config(batch_size=8), "out_of_memory", [], Facts(fits=12))[0] == ("Clone with batch size 7", None, "batch_size=7")
    assert cures(config(), "out_of_memory", [], Facts(fits=0)) == []


def advised(error, buttons=(), settings=None, home="."):
    values = {"data": {"name": "imported", "set": "cells"}, "tasks": {"digit": {}, "my_task": {"loss_weight": 3}}, "backbone": {"name": "mlp"}}
    run_config = RunConfig.from_dict({**values, **(settings or {})})
    run = SimpleNamespace(device="cuda:1", config=run_config)
    return advice(SimpleNamespace(home=home), run, run_config, failure_of(error), list(buttons)).replace("\\", "")


def test_the_advice_names_the_settings_the_task_and_the_buttons_of_this_run(tmp_path):
    said = advised(NonFiniteLossError("my_task", 9, math.nan), ["Fork it"], {"optimizer": {"lr": 0.5}})
    assert "a learning rate of 0.5 and no bound on the gradient. Press **Fork it** below." in said
    assert "set a *gradient clip* of 1, or lower the loss weight of **my_task**, which is 3." in said
    said = advised(NonFiniteLossError("digit", 9, math.nan))
    assert said.endswith("or lower the loss weight of **my_task**, which is 3.")  # it weighs more than the one whose loss it was
    said = advised(NonFiniteLossError("", 9, math.inf), [], {"gradient_clip": 2})
    assert said.endswith("and a gradient clip of 2. If it happens again, halve the *gradient clip*.")
    said = advised(RuntimeError(CUDA), ["one", "two"], {"batch_size": 48, "accumulate": 2})
    assert said.startswith("A step takes 48 images in 2 parts, and the memory of cuda:1 has to hold it. Press **one** below, or **two**")
    assert "Press **Clone** and choose a smaller backbone" in advised(ERRORS[1][0])
    assert "the imported data set **cells**" in advised(ERRORS[6][0])
    assert "files of the data set are complete" in advised(DataError("weights.pt ends too early; fetch it again"))
    assert f"The disk of {tmp_path} has " in advised(OSError(28, "No space left on device"), home=tmp_path)
    assert "**Export** has the settings" in advised(ValueError("a fault"))


def test_a_set_whose_files_changed_is_not_to_be_imported_under_its_name_which_is_taken():
    said = advised(ERRORS[7][0])
    assert "under this name" not in said
    assert "files of the data set are complete" in said


def test_a_long_trace_is_cut_to_its_innermost_lines():
    assert short_trace("a\nb\n") == "a\nb"
    cut = short_trace("\n".join(map(str, range(20)))).splitlines()
    assert cut == ["(the full log has 8 lines before these)", *map(str, range(8, 20))]
