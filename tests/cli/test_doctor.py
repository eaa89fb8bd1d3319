"""``doctor`` says what is there, and what is wrong ends with code 1."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple

import pytest

from mtl_core.__main__ import main
from mtl_core.catalogue import REGISTRIES
from mtl_core.cli import doctor
from mtl_core.machine import free_memory
from mtl_core.registry import Registry

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _enough(monkeypatch, tmp_path):
    """A machine with which nothing is wrong, whatever this one is like."""
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 8 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 << 30, 50 << 30, 50 << 30))
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    monkeypatch.setenv("MTL_DATA_ROOT", str(tmp_path))
    monkeypatch.delenv("MTL_TEST_DATA", raising=False)


@pytest.fixture
def asked(capsys):
    """Run ``doctor --json``: exit code and findings by name."""

    def ask() -> tuple[int, dict]:
        code = main(["doctor", "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["status"] == ("wrong" if code else "ok")
        return code, {finding["name"]: finding for finding in found["findings"]}

    return ask


def test_a_sound_machine(asked, home):
    code, found = asked()
    assert code == 0, [finding for finding in found.values() if finding["state"] == "wrong"]
    assert {finding["group"] for finding in found.values()} >= {"versions", "device", "precision", "threads", "folders", "browser", "settings"}
    assert found["MTL_HOME"]["found"] == str(home)
    assert found["runs (MTL_HOME)"]["found"] == f"{home}, is made when it is needed, 50.0 GB free"
    assert found["memory"]["found"] == "8.0 GB free"
    assert {"torch", "streamlit", "onnx", "Python", "auto", "fp32", "bf16", "PyTorch"} <= set(found)
    assert not home.exists(), "looking makes nothing"


def test_the_answer_in_words(capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  - Chromium ") and line.endswith("not found") for line in lines)
    assert any(line.strip() == "Only the browser tests need it. The dashboard opens in any browser." for line in lines)
    notes = sum(line.startswith("  - ") for line in lines)  # Ray, which tests do without, may be missing too
    assert lines[-1] == "Nothing is wrong. " + ("One thing to know (-)." if notes == 1 else f"{notes} things to know (-).")


def _small_disk(monkeypatch, home):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 << 30, 100 << 30, 100 << 20))


def _full_memory(monkeypatch, home):
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 200 << 20)


def _wrong_setting(monkeypatch, home):
    monkeypatch.setenv("MTL_EXECUTOR", "proces")


def _misspelt_setting(monkeypatch, home):
    monkeypatch.setenv("MTL_EXECUTR", "thread")


def _a_file_for_a_folder(monkeypatch, home):
    home.write_text("not a folder")


def _not_writable(monkeypatch, home):
    monkeypatch.setattr(doctor, "_is_writable", lambda folder: False)


def _damaged_store(monkeypatch, home):
    home.mkdir()
    (home / "store.sqlite").write_bytes(b"this is no database" * 100)


def _missing_package(monkeypatch, home):
    monkeypatch.setattr(doctor, "required", lambda: [(doctor.Requirement("no-such-package>=1"), "")])


def _old_package(monkeypatch, home):
    monkeypatch.setattr(doctor, "required", lambda: [(doctor.Requirement("numpy>=9999"), "")])


def _broken_part(monkeypatch, home):
    monkeypatch.setitem(REGISTRIES, "backbones", Registry("backbone", "mtl_core.backbones", {"mine": "no_such_package.backbone:Mine"}))


def _taken_name(monkeypatch, home):
    monkeypatch.setitem(REGISTRIES["backbones"].hidden, "mlp", "their_package.backbone:MLP")


def _a_look_that_fails(monkeypatch, home):
    def _broken_look():
        raise OSError("no such device")
        yield

    monkeypatch.setattr(doctor, "LOOKS", (_broken_look, *doctor.LOOKS))


@pytest.mark.parametrize(
    ("spoil", "name", "said"),
    [
        (_small_disk, "runs (MTL_HOME)", "Free some space"),
        (_full_memory, "memory", "End other programs"),
        (_wrong_setting, "MTL_EXECUTOR", "did you mean 'process'?"),
        (_misspelt_setting, "MTL_EXECUTR", "did you mean MTL_EXECUTOR?"),
        (_a_file_for_a_folder, "runs (MTL_HOME)", "is a file"),
        (_not_writable, "runs (MTL_HOME)", "cannot be written"),
        (_damaged_store, "list of runs", "store.sqlite"),
        (_missing_package, "no-such-package", "pip install 'no-such-package>=1'"),
        (_old_package, "numpy", ">=9999 is required"),
        (_broken_part, "backbones: mine", "cannot be loaded"),
        (_taken_name, "backbones: mlp", "give its entry point another name"),
        (_a_look_that_fails, "broken look", "OSError: no such device"),
    ],
)
def test_what_is_wrong_is_said_and_ends_with_1(asked, monkeypatch, home, spoil, name, said):
    spoil(monkeypatch, home)
    code, found = asked()
    assert (code, found[name]["state"]) == (1, "wrong")
    assert said in found[name]["found"] + found[name]["advice"]


def test_a_missing_package_that_only_exports_need_is_no_fault(asked, monkeypatch):
    monkeypatch.setattr(doctor, "required", lambda: [(doctor.Requirement("no-such-package>=1"), "export")])
    code, found = asked()
    assert (code, found["no-such-package"]["state"]) == (0, "note")
    assert "multitask-vision-dashboard[export]" in found["no-such-package"]["advice"]


def test_more_threads_than_cores_is_told(asked, monkeypatch):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    code, found = asked()
    assert (code, found["PyTorch"]["state"]) == (0, "note")
    assert "MTL_THREADS" in found["PyTorch"]["advice"]
