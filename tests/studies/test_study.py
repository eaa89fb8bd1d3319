"""Studies in the store: cells are queued once, existing runs are taken, a killed process loses and doubles nothing."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mtl_core.__main__ import main
from mtl_core.errors import ConfigError, StoreError
from mtl_core.runs import actions, study_cells
from mtl_core.runs.claims import claim
from mtl_core.runs.jobs import execute
from mtl_core.runs.status import RunStatus
from mtl_core.studies import study_actions as studies
from mtl_core.studies.estimate import estimate

ROOT = Path(__file__).parents[2]

FAKE = Path(__file__).with_name("fake_engine.py")


def train_all(store):
    while waiting := store.queued():
        execute(store, waiting[0].id)


def test_every_cell_and_seed_is_queued_once(store, made):
    for _ in range(2):
        studies.start(store, made.id)
    runs = studies.runs_of(store, made)
    assert sorted(runs) == sorted((cell.key, seed) for cell in made.cells for seed in range(3))
    assert len(store.runs()) == 12
    assert {(run.config.seed, tuple(run.config.tasks)) for run in runs.values()} >= {(2, ("digit",)), (0, ("digit", "slant", "ink"))}
    assert [run.config.seed for run in store.queued()] == [0] * 4 + [1] * 4 + [2] * 4  # pairs are complete early


def test_a_second_click_finds_the_same_study(store, base):
    draft = studies.draft("share", base, {}, [0])
    assert studies.create(store, draft, "click").id == studies.create(store, draft, "click").id
    assert len(studies.studies(store)) == 1


def test_seeds_are_added_once_for_a_click_that_runs_twice(store, made):
    for _ in range(2):
        found = studies.add_seeds(store, made.id, 3, had=3)
    assert found.seeds == (0, 1, 2, 3, 4, 5)
    assert studies.add_seeds(store, made.id, 1).seeds[-1] == 6
    with pytest.raises(ConfigError, match="at least one more seed"):
        studies.add_seeds(store, made.id, 0)


def test_all_cells_are_computed_alike(store, made, engine):
    studies.start(store, made.id)
    first = store.queued()[0]
    execute(store, first.id)
    assert {(run.config.precision, run.config.layout) for run in store.runs()} == {engine.MEASURED}
    found = studies.get(store, made.id)
    assert (found.precision, found.layout) == engine.MEASURED
    studies.add_seeds(store, made.id, 1)
    studies.start(store, made.id)
    assert (store.runs()[0].config.precision, store.runs()[0].config.layout) == engine.MEASURED


def test_a_run_that_exists_is_taken(store, base, made, engine):
    alone = studies.draft("together", base, {"options": {"groups": "pairs"}}, range(3)).cells[0]
    same = alone.config.model_copy(update={"name": "another name", "seed": 1, "probe_samples": 8})
    other = alone.config.model_copy(update={"seed": 1, "epochs": 3})
    for config in (other, same):
        execute(store, store.create(config).id)
    taken = store.runs()[0]
    assert estimate(store, made).existing == 1
    found = studies.start(store, made.id)
    assert (found.precision, found.layout) == engine.MEASURED
    assert studies.runs_of(store, found)["alone.digit", 1].id == taken.id
    assert len(store.runs()) == 2 + 11


def test_a_run_in_another_precision_is_not_taken(store, base, engine):
    execute(store, store.create(base.model_copy(update={"precision": "fp32", "layout": "contiguous"})).id)
    config = base.model_copy(update={"precision": "bf16", "layout": "contiguous"})
    studies.start(store, studies.create(store, studies.draft("share", config, {}, [0])).id)
    assert len(store.runs()) == 1 + 4


def test_a_deleted_run_is_made_again(store, made):
    studies.start(store, made.id)
    gone = store.queued()[3]
    actions.stop(store, gone.id)
    actions.delete_run(store, gone.id)
    studies.start(store, made.id)
    assert len(store.runs()) == 12
    assert len(studies.runs_of(store, made)) == 12


def test_stopped_and_started_again(store, made):
    studies.start(store, made.id)
    assert studies.stop(store, made.id).state == "stopped"
    assert {str(run.status) for run in store.runs()} == {"stopped"}
    assert studies.start(store, made.id).state == "running"
    assert {str(run.status) for run in store.runs()} == {"queued"}
    assert len(store.runs()) == 12


def test_the_queue_resumes_only_runs_of_running_studies(store, made, base):
    studies.start(store, made.id)
    ours, other = store.queued()[0], store.create(base)
    for run in (ours, other):
        token = claim(store, run.id, "cpu", alone=False)
        store.end(run.id, RunStatus.INTERRUPTED, token=token)
    assert study_cells.resume_interrupted(store) == [ours.id]
    assert (store.get(ours.id).status, store.get(other.id).status) == ("queued", "interrupted")
    for _ in range(5):
        token = claim(store, ours.id, "cpu", alone=False)
        if token:
            store.end(ours.id, RunStatus.INTERRUPTED, token=token)
        study_cells.resume_interrupted(store)
    assert store.get(ours.id).status == "interrupted"  # a run that ends its process each time is not tried for ever


def run_study(home, study_id, dies_at=None):
    environment = {**os.environ, "MTL_HOME": str(home), "PYTHONPATH": str(ROOT), **({"DIES_AT": str(dies_at)} if dies_at else {})}
    return subprocess.run(
        [sys.executable, str(FAKE), "study", "run", study_id], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_kill_9_loses_and_doubles_nothing(store, made, tmp_path):
    for place in (3, 7):  # epochs until the process kills itself: in the second run, then in the third after it
        dies = tmp_path / "dies"
        dies.write_text(str(place))
        assert run_study(store.home, made.id, dies).returncode == -9
    done = run_study(store.home, made.id)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{made.id}  12 of 12 runs have finished"), done.stderr
    runs = studies.runs_of(store, made)
    assert len(store.runs()) == len(runs) == len({run.id for run in runs.values()}) == 12
    assert {str(run.status) for run in runs.values()} == {"finished"}
    ends = Counter(run.id for run in runs.values() for line in store.log(run.id) if line.text.startswith("finished after"))
    assert set(ends.values()) == {1}  # nothing was trained to its end twice


def test_stop_and_drop_as_commands(store, made, engine, capsys):
    studies.start(store, made.id)
    assert main(["study", "stop", made.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"
    runs = list(studies.runs_of(store, made).values())
    assert {str(run.status) for run in runs} == {"stopped"}
    assert main(["study", "drop", runs[0].id, "depth"]) == 2
    assert "'depth' is not a task of the run" in capsys.readouterr().err
    assert main(["study", "drop", runs[0].id, next(iter(runs[0].config.tasks))]) == 2
    assert "no checkpoint of a whole epoch yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "settings", "seeds", "said"),
    [
        ("shares", {}, [0], "did you mean 'share'"),
        ("share", {"band": 2}, [0], "band"),
        ("share", {"options": {"bugdet": "epochs"}}, [0], "budget"),
        ("share", {"options": {"tasks": ["digits"]}}, [0], "digits"),
        ("share", {}, [0, 0], "different"),
        ("share", {}, [], "at least one"),
        ("methods", {"options": {"methods": ["pcgrat"]}}, [0], "pcgrad"),
        ("methods", {"options": {"methods": ["pcgrad", "pcgrad"]}}, [0], "twice"),
        ("methods", {"options": {"methods": ["fixed"]}}, [0], "baseline"),
        ("axes", {"options": {"axes": {"seed": [1, 2]}}}, [0], "no axis"),
        ("axes", {"options": {"axes": {"optimizer.lr": [0.1, 0.1]}}}, [0], "same config"),
        ("axes", {"options": {"axes": {"optimizer.rate": [0.1, 0.2]}}}, [0], "rate"),
        ("labels", {"options": {"fractions": [0.5, 0.25, 1.0]}}, [0], "ascending"),
        ("weights", {"options": {"parts": 20}}, [0], "expected 2 to 60"),
        ("axes", {"options": {"axes": {"optimizer.lr": [0.1, 0.2]}}}, list(range(501)), "1000 runs"),
    ],
)
def test_what_does_not_fit_is_refused(base, kind, settings, seeds, said):
    with pytest.raises(ConfigError, match=said):
        studies.draft(kind, base, settings, seeds)


def test_one_task_is_no_study_of_sharing(base):
    for kind in ("share", "together", "weights"):
        with pytest.raises(ConfigError, match=r"at least 2 tasks|2 to 5 tasks"):
            studies.draft(kind, base.with_overrides(["tasks.slant=null", "tasks.ink=null"]), {}, [0])


def test_an_unknown_study_is_named(store, made):
    with pytest.raises(StoreError, match=f"no study 'study-x'. The newest studies are: {made.id}"):
        studies.get(store, "study-x")
    assert studies.get(store, made.id[:8]).id == made.id


def test_a_forgotten_study_leaves_its_runs(store, made):
    studies.start(store, made.id)
    studies.forget(store, made.id)
    assert (studies.studies(store), len(store.runs())) == ([], 12)


def test_the_commands(store, home, base, engine, capsys, tmp_path):
    def ask(*arguments, code=0):
        assert main(["study", *arguments]) == code
        return capsys.readouterr().out

    path = tmp_path / "config.yaml"
    path.write_text(base.to_yaml())
    made = json.loads(
        ask(
            "new",
            "axes",
            str(path),
            "--axis",
            "optimizer.lr=0.001, 0.01",
            "--axis",
            "backbone={name: mlp},{name: small_cnn}",
            "--seeds",
            "3",
            "--json",
        )
    )
    assert [cell["label"] for cell in made["cells"]][:2] == ["learning rate 0.001, MLP", "learning rate 0.001, Small CNN"]
    assert made["estimate"] | {"basis": ""} == {"runs": 12, "existing": 0, "seconds": None, "basis": ""}
    assert json.loads(ask("run", made["study"], "--json"))["precision"] == engine.MEASURED[0]
    shown = json.loads(ask("show", made["study"], "--json"))
    assert Counter(run["status"] for run in shown["runs"]) == {"finished": 12}
    assert json.loads(ask("list", "--json"))[0]["stage"] == "finished"
    said = json.loads(ask("verdict", made["study"], "--json"))
    assert {line["verdict"] for line in said["comparisons"]} == {"no difference that matters"}
    assert "no difference that matters" in ask("verdict", made["study"])
    assert ask("table", made["study"], "--format", "latex").startswith(f"% {made['study']}")
    assert ask("table", made["study"], "--format", "html").startswith("<!doctype html>")
    ask("new", "shares", str(path), code=2)
    ask("show", "study-x", code=2)
    ask("new", "axes", str(path), "--axis", "optimizer.lr", code=2)


def test_more_seeds_are_held_to_the_limits_of_a_new_study(store, base):
    made = studies.create(store, studies.draft("share", base, {}, [2**31 - 2], "near the end"))
    assert studies.add_seeds(store, made.id, 1).seeds == (2**31 - 2, 2**31 - 1)
    with pytest.raises(ConfigError, match="expected different whole numbers from 0 to 2147483647"):
        studies.add_seeds(store, made.id, 1)
    large = studies.create(store, studies.draft("share", base, {}, range(240), "large"))  # of 4 cells
    assert len(studies.add_seeds(store, large.id, 10).seeds) == 250
    for more in (1, 10**12):
        with pytest.raises(ConfigError, match=r"more than 1000 runs|at most 1,000 seeds"):
            studies.add_seeds(store, large.id, more)
    assert [len(study.seeds) for study in studies.studies(store)] == [250, 2]


def test_no_run_is_stored_whose_config_cannot_be_read(store, base):
    """A run that no version of the program reads stays in every list as a fault."""
    with pytest.raises(ConfigError, match="seed: expected less than 2,147,483,648, found 2147483648"):
        store.create(base.model_copy(update={"seed": 2**31}))
    assert (store.runs(), list((store.home / "runs").glob("*"))) == ([], [])
