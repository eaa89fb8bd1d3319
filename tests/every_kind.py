"""The run with a task of every kind, small enough to train in seconds. Tests of the engine and journeys look at it."""

from __future__ import annotations

from typing import Any

EVERY_KIND: dict[str, Any] = {
    "name": "every kind",
    "data": {"name": "digit_scenes", "train_size": 96, "val_size": 24, "test_size": 24, "max_digits": 2},
    "tasks": {name: {} for name in ("present", "count", "boxes", "segments", "depth", "count_class")},
    "backbone": {"name": "small_cnn", "width": 8},
    "balancing": {"name": "pcgrad"},
    "epochs": 2,
    "batch_size": 32,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 4,
    "device": "cpu",
}
