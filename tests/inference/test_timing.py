"""Times are taken when the device has done its work, whichever it is."""

from __future__ import annotations

import pytest
import torch

from mtl_core.inference import timing
from mtl_core.training import execution


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
@pytest.mark.parametrize("timed", ["sharing", "precision"])
def test_a_clock_is_read_after_the_device_is_done(monkeypatch, device, timed):
    happened = []
    module = timing if timed == "sharing" else execution
    monkeypatch.setattr(torch.cuda, "synchronize", lambda which: happened.append(str(which)))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: happened.append("mps"))
    for clock in ("perf_counter", "thread_time"):  # the second is that of steps on a CPU
        monkeypatch.setattr(module.time, clock, lambda: happened.append("clock") or 0.0)
    if timed == "sharing":
        timing._timed(lambda: happened.append("work"), device)
    else:
        execution._time(execution.Execution(device, "fp32", "contiguous"), torch.nn.Identity(), lambda model, how: happened.append("work"))
    assert happened == ["clock", "work", *([device] if device != "cpu" else []), "clock"]
