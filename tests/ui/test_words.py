import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from mtl_core import durations
from mtl_core.exports import html_report
from mtl_core.runs.status import RunStatus
from ui.compare.compare_curves import described
from ui.compare.setting_differences import as_trained, config_differences
from ui.shell.words import about, count, duration, epochs, how_far, measured, plain, shortened_inside, time_left, with_unit


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (1 / 3, "0.333"), (2.5, "2.5"), (40, "40"), (99.96, "100"), (150.4, "150"), (1834.0, "1,834"), (10000, "10,000")]
)
def test_epochs(count, text):
    assert epochs(count) == text


def test_pages_say_the_names_of_runs_in_the_readers_language():
    """By ``shown_name``, so that a lesson's run has one name. The dialog that changes the kept name shows that one, and a fork is named after it."""
    root = Path(__file__).parents[2]
    pages = [path for folder in ("ui", "pages") for path in (root / folder).rglob("*.py")]
    kept = re.compile(r"\b(run|other|parent|runs\[0\])\.name\b")
    found = {path.relative_to(root).as_posix() for path in pages if kept.search(path.read_text(encoding="utf-8"))}
    assert found == {"ui/shell/run_dialogs.py", "ui/train/clone_and_fork.py"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (-3, "0 s"),
        (8.4, "8 s"),
        (60, "1 min"),
        (65, "1 min 5 s"),
        (7380, "2 h 3 min"),
        (0, "0 s"),
        (0.04, "under 1 s"),
        (0.7, "under 1 s"),
        (1.0, "1 s"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("said", [duration, durations.duration, html_report._time], ids=["pages", "command line", "report"])
def test_what_took_time_is_not_said_to_take_none(said):
    assert [said(seconds) for seconds in (0.001, 0.03, 0.0999, 0.4, 0.9) if re.search(r"\b0(\.0)? s", said(seconds))] == []
    assert re.fullmatch(r"(0|0\.0) s", said(0))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "under a minute"),
        (54, "under a minute"),
        (58, "about 1 min"),
        (200, "about 3 min"),
        (569, "about 9 min"),
        (575, "about 10 min"),
        (29 * 60 + 11, "about 30 min"),
        (57 * 60, "about 55 min"),
        (58 * 60, "about 1 h"),
        (95 * 60, "about 1 h 30 min"),
        (104 * 60, "about 1 h 30 min"),
        (108 * 60, "about 2 h"),
        (9.74 * 3600, "about 9 h 30 min"),
        (9.8 * 3600, "about 10 h"),
        (24 * 3600, "about 24 h"),
        (70 * 3600, "about 3 days"),
    ],
)
def test_an_estimated_time_is_rounded(seconds, text):
    assert about(seconds) == text


def test_compare_shows_what_really_ran():
    def ran(config, **info):
        values = {"device": "auto", "precision": "auto", "layout": "auto", "lr": 1, **config}
        computed = {key: info.get(key) or values[key] for key in ("device", "precision", "layout")}
        config = SimpleNamespace(to_dict=lambda: values)
        run_id = f"20261128-000000-{len(info)}{values['lr']}00"
        return SimpleNamespace(name="run", id=run_id, tags=(), config=config, computed=computed, info=info)

    one = ran({}, device="cpu", precision="bf16", layout="contiguous", device_name="x86, 2 threads", versions={"torch": "2.14"})
    two = ran({"lr": 2}, device="cpu", precision="fp32", layout="contiguous", device_name="x86, 1 thread", versions={"torch": "2.14"})
    assert list(config_differences(as_trained([one, two])).index) == ["Numerical precision", "Learning rate", "Computed on"]
    assert list(config_differences(as_trained([one, ran({"lr": 3})])).index) == ["Device", "Numerical precision", "Layout", "Learning rate"]


def test_a_name_that_is_shortened_inside_keeps_both_ends():
    assert shortened_inside("abcdefghij", 10) == "abcdefghij"
    assert shortened_inside("abcdefghijk", 10) == "abcde…hijk"
    assert shortened_inside("a run of one, rate 0.1", 11) == "a run…e 0.1"
    assert shortened_inside("第一个很长的名字", 16) == "第一个很长的名字"
    assert shortened_inside("第一个很长的名字", 11) == "第一…名字"  # each as wide as two letters


@pytest.mark.parametrize(("number", "text"), [(950, "950"), (12_345, "12.3 k"), (11_200_000, "11.2 M")])
def test_count(number, text):
    assert count(number) == text


@pytest.mark.parametrize(("value", "unit", "text"), [(0.5, "", "0.500"), (0.01234, "", "0.0123"), (12.345, "m", "12.3 m"), (None, "m", "–")])
def test_measured(value, unit, text):
    assert measured(value, unit) == text


@pytest.mark.parametrize(
    ("status", "step", "info", "eta", "text"),
    [
        ("running", 0, {}, None, "preparing"),
        ("running", 0, {"a": 1}, None, "time left: measuring"),
        ("running", 5, {"a": 1}, 8.0, "under a minute left (estimate)"),
        ("running", 5, {"a": 1}, 1751.0, "about 30 min left (estimate)"),
        ("running", 6, {"a": 1}, 0.0, "measuring on the test images"),
        ("stopping", 5, {"a": 1}, 8.0, "saving the state"),
        ("stopping", 6, {"a": 1}, 0.0, "saving the state"),
        ("stopping", 0, {}, None, "stopping"),
    ],
)
def test_time_left_says_what_is_done_where_it_is_no_steps(status, step, info, eta, text):
    run = SimpleNamespace(status=RunStatus(status), step=step, steps_total=6 if info else None, info=info, eta_seconds=eta)
    assert time_left(run) == text


@pytest.mark.parametrize(
    ("key", "title", "unit", "higher", "text"),
    [
        ("val/digit/accuracy", "Accuracy", "", True, "Accuracy; higher is better."),
        ("val/slant/mae", "Mean absolute error", "degrees", False, "Mean absolute error, in degrees; lower is better."),
        ("optimizer/lr", "lr", "", None, "Learning rate."),
        ("loss_weight/digit", "digit", "", None, "Loss weight of digit."),
    ],
)
def test_a_compared_scalar_has_a_direction_only_where_there_is_one(key, title, unit, higher, text):
    assert described(key, {"title": title, "unit": unit, "higher_is_better": higher}).replace("\\", "") == text


def test_a_users_words_are_no_markdown():
    assert plain("a *bold* [link](x)") == "a \\*bold\\* \\[link\\]\\(x\\)"


def test_the_settings_that_differ_are_in_words():
    table = config_differences(
        {
            "one": {"name": "x", "optimizer": {"lr": 1.0}, "data": {"name": "digits"}, "seed": 0, "tasks": {"a": {"loss_weight": 1.0}, "b": {}}},
            "two": {"name": "y", "optimizer": {"lr": 1.0}, "data": {"name": "digits", "root": "/r"}, "seed": 1, "tasks": {"a": {"loss_weight": 5.0}}},
        }
    )
    assert table.to_dict("index") == {
        "Seed": {"one": "0", "two": "1"},
        "Loss weight of a": {"one": "1", "two": "5"},
        "Root of the data": {"one": "–", "two": "/r"},
        "Task b": {"one": "yes", "two": "–"},
    }
    assert list(table.index)[:2] == ["Seed", "Loss weight of a"]  # what only one of them has comes last


@pytest.mark.parametrize(
    ("epoch", "said"), [(0, "before the first step"), (0.194, "in epoch 1"), (4.06, "in epoch 5"), (4, "after epoch 4"), (2.9999999, "after epoch 3")]
)
def test_how_far_a_run_is_in_words(epoch, said):
    assert how_far(epoch) == said


@pytest.mark.parametrize(
    ("unit", "shown", "titled"), [("share", "0.125", "Error, as a share (0 to 1)"), ("m", "0.125 m", "Error, in m"), ("", "0.125", "Error")]
)
def test_a_share_is_a_plain_number_that_its_title_explains(unit, shown, titled):
    assert (measured(0.125, unit), with_unit("Error", unit)) == (shown, titled)


def test_another_order_of_the_same_tasks_is_a_setting_that_differs():
    table = config_differences({"one": {"tasks": {"a": {}, "b": {}}}, "two": {"tasks": {"b": {}, "a": {}}}})
    assert table.to_dict("index") == {"Order of the tasks": {"one": "a, b", "two": "b, a"}}
    assert list(config_differences({"one": {"tasks": {"a": {}}}, "two": {"tasks": {"a": {}, "b": {}}}}).index) == ["Task b"]
