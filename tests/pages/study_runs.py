"""Runs of a study of two tasks that have ended, without training."""

from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs.claims import claim
from mtl_core.studies import study_actions as studies
from tests.pages.conftest import config

METRICS = {
    "accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": True},
    "mae": {"title": "Mean error", "unit": "", "higher_is_better": False},
}

MAIN = {"digit": "accuracy", "slant": "mae"}


def base():
    return config(name="A *bold* question", tasks={"digit": {}, "slant": {}}, precision="fp32", layout="contiguous")


def finish(store, study, steps=0.01):
    """Every run ends: together, accuracy is 0.09 to 0.11 higher (by ``steps``) and the error 0.5 to 1.5 higher."""
    studies.start(store, study.id)
    for (cell, seed), run in studies.runs_of(store, study).items():
        end(store, cell, seed, run, steps)


def end(store, cell, seed, run, steps=0.01):
    claim(store, run.id, "cpu", alone=False)
    tasks = {task: {"main_metric": MAIN[task], "metrics": METRICS} for task in run.config.tasks}
    store.append(run.id, RunStarted(2, {"tasks": tasks, "precision": "fp32", "layout": "contiguous", "device": "cpu"}))
    joint = cell == "joint"
    values = {"digit": 0.8 + joint * (0.1 + steps * (seed % 3 - 1)) + 0.01 * seed, "slant": 2.0 + joint * (0.5 + 0.5 * seed)}
    store.append(run.id, EpochMetrics(2, 1, {f"val/{task}/{MAIN[task]}": values[task] for task in tasks} | {"selection/score": 0.5}))
    store.append(run.id, RunEnded("finished", 2, 1.0, 8.0, 1.0))
