"""Gauges: worked values, and the system's own numbers."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import psutil
import pytest

from mtl_core.machine import free_memory, machine_gauges
from mtl_core.machine.machine_gauges import SAMPLE_SECONDS, Gpu, MachineGauges, parsed_gpus, resident_bytes


def test_the_answer_of_nvidia_smi_is_read():
    text = "NVIDIA H200, 37, 1024, 143771\nTesla, V100, 4, 8, 16\n, [N/A], 10, 20\nbroken line\nA, 1, [N/A], 3\n"
    assert parsed_gpus(text) == (Gpu("NVIDIA H200", 0.37, 1024 * 2**20, 143771 * 2**20), Gpu("", None, 10 * 2**20, 20 * 2**20))
    assert parsed_gpus("") == ()


def test_processor_time_is_the_busy_share_between_two_samples(tmp_path, monkeypatch):
    now = [0.0]
    times = [SimpleTimes(10, 90, 0), SimpleTimes(13, 96, 1), SimpleTimes(13, 96, 1)]
    monkeypatch.setattr(machine_gauges.psutil, "cpu_times", lambda: times.pop(0))
    gauges = MachineGauges(tmp_path, clock=lambda: now[0])
    assert gauges.sample(None).cpu is None
    assert gauges.sample(None).cpu is None  # too early for another sample
    assert len(times) == 2
    now[0] = SAMPLE_SECONDS
    assert gauges.sample(None).cpu == pytest.approx(3 / 10)  # 3 s busy, 6 s idle and 1 s waiting for a disk
    now[0] += SAMPLE_SECONDS
    assert gauges.sample(None).cpu is None  # no time has passed
    assert [sample.cpu is None for sample in gauges.history] == [True, False, True]


class SimpleTimes(tuple):
    def __new__(cls, user, idle, iowait):
        made = super().__new__(cls, (user, idle, iowait))
        made.idle, made.iowait = idle, iowait
        return made


def test_a_sample_has_the_systems_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_gauges.shutil, "which", lambda name: None)
    sample = MachineGauges(tmp_path).sample(os.getpid())
    assert sample.memory_total == free_memory.total_bytes() <= psutil.virtual_memory().total
    assert 0 < sample.process_memory < sample.memory_used < sample.memory_total
    assert sample.disk_total == shutil.disk_usage(tmp_path).total
    assert 0 <= sample.disk_free <= sample.disk_total
    assert sample.gpus == ()


def test_what_cannot_be_read_is_unknown(tmp_path):
    sample = MachineGauges(tmp_path / "gone").sample(2**22 + 1)  # no such process on any Linux
    assert sample.disk_free is None
    assert sample.process_memory is None
    assert resident_bytes(2**22 + 1) is None


def test_gpus_are_asked_in_a_thread_and_part_of_a_later_sample(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(machine_gauges.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(machine_gauges.subprocess, "run", lambda *args, **named: SimpleNamespace(stdout="Card, 50, 1, 2\n"))
    gauges = MachineGauges(tmp_path, clock=lambda: now[0])
    gauges.sample(None)
    gauges._gpu_query.join(10)
    now[0] = SAMPLE_SECONDS
    assert gauges.sample(None).gpus == (Gpu("Card", 0.5, 2**20, 2**21),)
    gauges._gpu_query.join(10)
    monkeypatch.setattr(machine_gauges.subprocess, "run", _fails)
    gauges._query_gpus()
    now[0] += SAMPLE_SECONDS
    assert gauges.sample(None).gpus == ()


def _fails(*args, **named):
    raise machine_gauges.subprocess.TimeoutExpired("nvidia-smi", 10)


def test_total_memory_is_that_of_the_control_group_if_it_is_less(tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory, "CGROUPS", tmp_path)
    (tmp_path / "cgroup").write_text("0::/\n")
    monkeypatch.setattr(free_memory, "OWN_CGROUPS", tmp_path / "cgroup")
    assert free_memory.total_bytes() == psutil.virtual_memory().total
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory.total_bytes() == psutil.virtual_memory().total
    (tmp_path / "memory.max").write_text("1048576\n")
    assert free_memory.total_bytes() == 1048576
