"""A preflight in a process of its own: its report, and what a process that ends otherwise is said to have done."""

import json

import pytest

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, MTLError
from mtl_core.runs.background import command_process
from mtl_core.runs.background.command_process import report_of
from mtl_core.runs.background.preflight_job import measure
from mtl_core.runs.store import open_store
from mtl_core.training.before_training.expected_time import expected_seconds

CONFIG = {"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "epochs": 2, "batch_size": 100}


def test_a_report_is_passed_on_and_problems_are_told():
    assert report_of(0, '{"steps": 3, "problems": []}', "", "tried a few steps") == {"steps": 3, "problems": []}
    assert report_of(1, '{"steps": 3, "problems": ["wrong"]}', "", "tried a few steps") == {"steps": 3, "problems": ["wrong"]}
    refused = json.dumps({"status": "refused", "problems": [{"field": "batch_size", "message": "too large"}]})
    with pytest.raises(ConfigError, match="batch_size: too large"):
        report_of(2, refused, "", "tried a few steps")


def test_a_killed_process_says_what_to_lower_and_another_its_last_line():
    with pytest.raises(MTLError, match=r"ended by the system\. .*Lower batch_size"):
        report_of(-9, "", "", "tried a few steps", less_memory="Lower batch_size.")
    with pytest.raises(MTLError, match="code 3: the last line"):
        report_of(3, "", "one line\nthe last line\n\n", "tried a few steps")
    with pytest.raises(MTLError, match="code 0: it said nothing"):
        report_of(0, "no JSON", "", "tried a few steps")


def test_the_process_reads_the_config_and_the_store(tmp_path, monkeypatch):
    program = "import os, json, sys; print(json.dumps({'home': os.environ['MTL_HOME'], 'config': open(sys.argv[1]).read()}))"
    popen = command_process.subprocess.Popen
    monkeypatch.setattr(command_process.subprocess, "Popen", lambda command, **more: popen([command[0], "-c", program, command[4]], **more))
    store = open_store(tmp_path)
    config = RunConfig.from_dict(CONFIG)
    report = measure(store, config)
    assert (report["home"], RunConfig.from_yaml(report["config"])) == (str(store.home), config)


def test_a_cancelled_process_is_ended(tmp_path, monkeypatch):
    started = []
    popen = command_process.subprocess.Popen

    def sleeping(command, **more):
        started.append(popen([command[0], "-c", "import time; time.sleep(600)"], **more))
        return started[0]

    monkeypatch.setattr(command_process.subprocess, "Popen", sleeping)
    with pytest.raises(MTLError, match="cancelled"):
        measure(open_store(tmp_path), RunConfig.from_dict(CONFIG), lambda: True)
    assert started[0].poll() is not None


def test_worked_expectation():
    """2 epochs of 10 steps: each 5 ms, and 3 passes of 100 images at 2e10 multiply-adds a second."""
    assert expected_seconds(10_000_000, 1099, RunConfig.from_dict(CONFIG)) == pytest.approx(20 * (0.005 + 0.15))
