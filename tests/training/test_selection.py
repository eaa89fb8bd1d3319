"""What chooses the best checkpoint, what a constant answer is worth, and what is said of boxes that nothing is learnt from."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from mtl_core.config import RunConfig
from mtl_core.config_fingerprint import ADDED, ADDED_TO_RUNS, INDIFFERENT, fingerprint
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.errors import ConfigError
from mtl_core.events import Metric
from mtl_core.tasks import TASK_KINDS
from mtl_core.training.constant_answer import constant_answer
from mtl_core.training.evaluation import selecting_tasks, selection_score, tasks_at_their_best
from mtl_core.training.unclaimed_boxes import unclaimed_of


def config(tasks, **values) -> RunConfig:
    return RunConfig.from_dict({"data": {"name": "digits"}, "tasks": tasks, "backbone": {"name": "small_cnn"}, "epochs": 10, **values})


def kinds_of(run: RunConfig) -> dict:
    made = {name: SimpleNamespace(selection_metric="r2" if name in ("slant", "ink") else "accuracy") for name in run.tasks}
    for name, kind in made.items():
        kind.is_self_supervised = name in ("rotation", "jigsaw")
    return made


@pytest.mark.parametrize(
    ("tasks", "values", "chosen"),
    [
        ({"digit": {}, "slant": {}}, {}, ["digit", "slant"]),  # as it was
        ({"digit": {}, "rotation": {}}, {}, ["digit"]),
        ({"digit": {}, "slant": {"loss_weight": 0}}, {}, ["digit"]),
        ({"digit": {}, "slant": {"stop_epoch": 4}}, {}, ["digit"]),
        ({"digit": {}, "slant": {"start_epoch": 4}}, {}, ["digit", "slant"]),
        ({"rotation": {}, "jigsaw": {}}, {}, ["rotation", "jigsaw"]),  # nothing else is learnt
        ({"digit": {"loss_weight": 0}, "rotation": {}}, {}, ["rotation"]),
        ({"digit": {}, "slant": {}, "rotation": {}}, {"select_by": ["slant"]}, ["slant"]),
        ({"digit": {}, "rotation": {}}, {"select_by": ["rotation", "digit"]}, ["rotation", "digit"]),
    ],
)
def test_which_tasks_choose(tasks, values, chosen):
    run = config(tasks, **values)
    assert selecting_tasks(run, kinds_of(run)) == chosen


def test_a_pretext_task_does_not_outvote_the_task():
    """digit .90 with rotation .60 beat digit .95 with rotation .40."""
    run = config({"digit": {}, "rotation": {}})
    first = selection_score(run, kinds_of(run), {"digit/accuracy": 0.90, "rotation/accuracy": 0.60})
    assert (first, selection_score(run, kinds_of(run), {"digit/accuracy": 0.95, "rotation/accuracy": 0.40})) == (0.90, 0.95)


@pytest.mark.parametrize(
    ("tasks", "values", "measured", "score"),
    [
        ({"digit": {}, "ink": {}}, {}, (0.9, 0.4), (0.9 + 0.4) / 2),
        ({"digit": {"selection_weight": 3}, "ink": {}}, {}, (0.9, 0.4), (3 * 0.9 + 0.4) / 4),
        ({"digit": {}, "ink": {"selection_weight": 3}}, {"select_by": ["digit"]}, (0.9, 0.4), 0.9),  # its weight counts where it chooses
        ({"digit": {}, "ink": {"selection_floor": 0.4}}, {"select_by": ["digit"]}, (0.9, 0.4), 0.9),  # at the floor is not below it
        ({"digit": {}, "ink": {"selection_floor": 0.7}}, {"select_by": ["digit"]}, (0.9, 0.4), -0.3),
        ({"digit": {"selection_floor": 0.95}, "ink": {"selection_floor": 0.7}}, {}, (0.9, 0.4), -(0.05 + 0.3) / 2),
        ({"digit": {"selection_floor": 0.8}, "ink": {"selection_floor": 0.7}}, {}, (0.9, -2.0), -0.7 / 2),  # below 0 counts as 0
    ],
)
def test_the_score_with_weights_and_floors(tasks, values, measured, score):
    run = config(tasks, **values)
    scalars = {"digit/accuracy": measured[0], "ink/r2": measured[1]}
    assert selection_score(run, kinds_of(run), scalars) == pytest.approx(score, abs=1e-15)


def test_an_epoch_that_keeps_the_floors_is_chosen_before_any_other():
    """Random epochs: the highest score belongs to the best digit among those with enough ink, or to the one that misses it least."""
    run = config({"digit": {}, "ink": {"selection_floor": 0.6}}, select_by=["digit"])
    random = np.random.default_rng(0)
    for _ in range(50):
        epochs = random.random((6, 2)).round(2)
        scores = [selection_score(run, kinds_of(run), {"digit/accuracy": digit, "ink/r2": ink}) for digit, ink in epochs]
        kept = [place for place in range(6) if epochs[place, 1] >= 0.6]
        best = max(kept, key=lambda place: epochs[place, 0]) if kept else max(range(6), key=lambda place: epochs[place, 1])
        assert int(np.argmax(scores)) == best
        assert all(-1 < score <= 1 for score in scores)


def test_each_tasks_best_epoch_counts_by_its_main_metric():
    kinds = {"digit": SimpleNamespace(metrics=[Metric("accuracy", "", "", True)]), "ink": SimpleNamespace(metrics=[Metric("mae", "", "", False)])}
    course = [(0.5, 3.0), (0.7, 3.0), (0.7, 2.0), (0.6, 2.5)]
    best: dict[str, float] = {}
    found = [tasks_at_their_best(kinds, {"val/digit/accuracy": digit, "val/ink/mae": ink}, best) for digit, ink in course]
    assert found == [["digit", "ink"], ["digit"], ["ink"], []]
    assert tasks_at_their_best(kinds, {"val/ink/mae": 1.0}, best) == ["ink"]  # digit was not measured
    assert best == {"digit": 0.7, "ink": 1.0}


def test_defaults_leave_a_config_what_it_was():
    """A run of an earlier version serves as a cell of a study, so its fingerprint is that of the config without the keys."""
    run = config({"digit": {}, "slant": {}})
    plain = run.to_dict()
    assert {key: plain["tasks"]["digit"][key] for key in ADDED} == ADDED
    for task in plain["tasks"].values():
        for key in ADDED:
            del task[key]
    assert {key: plain[key] for key in ADDED_TO_RUNS} == ADDED_TO_RUNS
    values = {key: value for key, value in plain.items() if key not in INDIFFERENT and key not in ADDED_TO_RUNS}
    assert fingerprint(run) == hashlib.sha256(json.dumps([values, list(run.tasks)], sort_keys=True).encode()).hexdigest()
    others = [run.with_overrides([change]) for change in ("tasks.digit.selection_weight=2", "tasks.slant.selection_floor=0.5")]
    assert len({fingerprint(each) for each in (run, *others)}) == 3


def test_a_task_that_is_not_there_cannot_choose():
    with pytest.raises(ConfigError, match="select_by: 'count' is not a task of this run"):
        config({"digit": {}}, select_by=["count"])
    run = config({"digit": {}, "slant": {}}, select_by=["slant", "digit"])
    assert run.with_overrides(["tasks.slant=null"]).select_by == ["digit"]


def answered(kind_name: str, values: np.ndarray, statistics: dict, classes=()):
    kind_class = TASK_KINDS.load(kind_name)
    task = Task("t", kind_name, "t", classes)
    kind = kind_class(task, kind_class.Options(), {"image_shape": (3, 8, 8), "targets": {"t": statistics}})
    data = MultiTaskDataset(np.zeros((len(values), 3, 8, 8), np.uint8), {"t": values}, {"t": np.ones(len(values), bool)})
    return constant_answer(kind, data)


def test_what_a_constant_answer_is_worth():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 50)
    assert answered("classification", labels, {"class_counts": [1, 9, 2]}, ("a", "b", "c")) == pytest.approx((labels == 1).mean())
    numbers = random.normal(3, 2, 50).astype(np.float32)
    assert answered("regression", numbers, {"mean": 2.5, "std": 2.0}) == pytest.approx(np.abs(numbers - 2.5).mean(), rel=1e-6)
    there = (random.random((50, 3)) < 0.2).astype(np.uint8)
    everything = f1_score(there, np.ones_like(there), average="macro")
    assert answered("multi_label", there, {"class_counts": [5, 6, 7]}, ("a", "b", "c")) == pytest.approx(everything)
    mask = np.zeros((4, 8, 8), np.uint8)
    mask[:, :2] = 1
    assert answered("segmentation", mask, {"class_counts": [9, 1]}, ("a", "b")) == pytest.approx(0.75 / 2)
    assert answered("detection", np.zeros((4, 1, 5), np.float32), {}, ("a",)) == 0


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression", "segmentation", "depth", "normals", "detection"])
def test_every_supervised_kind_has_a_constant_answer(kind):
    rows = {
        "classification": np.zeros(3, np.int64),
        "multi_label": np.ones((3, 2), np.uint8),
        "regression": np.arange(3, dtype=np.float32),
        "segmentation": np.zeros((3, 8, 8), np.uint8),
        "depth": np.ones((3, 8, 8), np.float32),
        "normals": np.tile(np.array([0, 0, 1], np.float16)[None, :, None, None], (3, 1, 8, 8)),
        "detection": np.zeros((3, 1, 5), np.float32),
    }[kind]
    assert answered(kind, rows, {"mean": 1.0, "std": 1.0, "class_counts": [3, 1]}, ("a", "b")) is not None


def test_boxes_that_no_place_is_responsible_for_are_counted():
    """A 4 pixel box between places of stride 8; one that holds a place; padding."""
    places = torch.tensor([[4.0, 4, 8], [12, 4, 8], [4, 12, 8], [12, 12, 8]])
    boxes = torch.tensor([[[6.0, 6, 10, 10, 0], [2, 2, 7, 7, 1], [0, 0, 0, 0, -1]]])
    assert unclaimed_of(places, boxes) == (1, 2)
