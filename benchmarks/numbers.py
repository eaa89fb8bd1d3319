"""The exact numbers of many small runs: recorded before a change of the training code, compared after it. No measurement of speed.

    python -m benchmarks.numbers --write /tmp/numbers.json     # before the change
    python -m benchmarks.numbers --compare /tmp/numbers.json   # after it; ends with code 1 where a number differs

A run's numbers are every scalar but those that are times, its hashed weights and probes. What a run says in words, and facts that it gives about
its tasks, are compared too, but a difference there is only printed. The numbers are those of one machine and one build of torch, so the file is
not kept in the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.events import Control, Event, RunEnded, RunStarted
from mtl_core.presets import load_presets
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.trainer import train

SHORT = {"epochs": 2, "precision": "fp32", "layout": "contiguous", "device": "cpu", "probe_samples": 4, "conflict_every": 3}
BASE: dict[str, Any] = {
    **SHORT,
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "slant": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "batch_size": 128,
}
SCENES: dict[str, Any] = {
    **SHORT,
    "data": {"name": "digit_scenes", "train_size": 96, "val_size": 40, "test_size": 24, "max_digits": 2},
    "tasks": {"present": {}, "count": {}, "boxes": {}, "segments": {}, "depth": {}, "count_class": {}},
    "backbone": {"name": "small_cnn", "width": 8},
    "augmentation": {"shift": 3, "brightness": 0.2, "contrast": 0.2},
    "batch_size": 32,
}
OWN = {"name": "sgd", "lr": 0.02, "momentum": 0.9}
FEWER = {"digit": {"label_fraction": 0.3}, "slant": {}, "ink": {"label_fraction": 0.05}}
TIMED = ("digit", {"start_epoch": 2}), ("slant", {"stop_epoch": 1}), ("ink", {})
WORDS = re.compile(r"/events/\d+/(info/.*: None -> |info/heads: |text: )|/failed: ")  # facts that are new, and sentences; the rest are numbers
CHANGES = [{"step": 3, "key": "optimizer.lr", "value": 0.01}, {"step": 12, "key": "tasks.ink.loss_weight", "value": 0.0}]


def configs() -> dict[str, dict[str, Any]]:
    """Name -> config of every run, all of them short."""
    found: dict[str, dict[str, Any]] = {}
    for preset in load_presets():
        values = {**preset.config.to_dict(), **SHORT}
        if values["data"]["name"] == "digit_scenes":
            values["data"] |= {"train_size": 96, "val_size": 40, "test_size": 24}
        if values["data"]["name"] == "mnist":
            values["data"] |= {"train_size": 400, "val_size": 100, "test_size": 100}
        found[f"preset {preset.name}"] = values
    for name in BALANCERS:
        found[f"method {name}"] = {**BASE, "balancing": {"name": name}}
        if "gradients" in BALANCERS.load(name).Options.model_fields:
            found[f"method {name} at the features"] = {**BASE, "balancing": {"name": name, "gradients": "features"}}
    found |= {
        "scenes": SCENES,
        "scenes mixed": {**SCENES, "tasks": {"present": {}, "count": {}, "count_class": {}}, "augmentation": {"mixup": 0.4}},
        "scenes in bf16": {**SCENES, "precision": "bf16", "layout": "channels_last"},
        "one task": {**BASE, "tasks": {"digit": {}}},
        "loss weights": {**BASE, "tasks": {"digit": {"loss_weight": 0.3}, "slant": {"loss_weight": 0.0}, "ink": {}}},
        "own optimizers": {**BASE, "tasks": {"digit": {"optimizer": OWN}, "slant": {}, "ink": {"optimizer": {"name": "adam", "lr": 0.004}}}},
        "constant schedule": {**BASE, "schedule": {"name": "constant", "warmup_fraction": 0.3}},
        "fewer labels": {**BASE, "tasks": FEWER},
        "fewer labels by pcgrad": {**BASE, "tasks": FEWER, "balancing": {"name": "pcgrad"}},
        "disjoint": {**BASE, "data": {"name": "digits", "partition": {"kind": "disjoint"}}},
        "own epochs": {**BASE, "tasks": dict(TIMED)},
        "changes": {**BASE, "changes": CHANGES},
        "clipped": {**BASE, "gradient_clip": 0.1},
        "clipped shared": {**BASE, "gradient_clip": 0.1, "gradient_clip_over": "shared"},
        "skip": {**BASE, "on_non_finite": "skip"},
        "skipping": {
            **BASE,
            "on_non_finite": "skip",
            "epochs": 1,
            "optimizer": {"name": "sgd", "lr": 10.0},
            "tasks": {"slant": {"loss_weight": 1e38}},
        },
        "sgd": {**BASE, "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9}},
        "no gradient norms": {**BASE, "gradient_norms": False, "conflict_every": 0},
        "task vectors": {**BASE, "update": {"name": "task_vectors", "local_steps": 4}},
        "task vectors with own": {
            **BASE,
            "update": {"name": "task_vectors", "local_steps": 4, "alpha": 0.4},
            "tasks": {"digit": {"optimizer": OWN}, "slant": {"start_epoch": 2}, "ink": {"label_fraction": 0.05}},
            "changes": CHANGES[:1],
        },
        "task vectors of scenes": {**SCENES, "update": {"name": "task_vectors", "local_steps": 2}, "gradient_clip": 1.0},
        "select by": {**BASE, "select_by": ["ink"]},
    }
    for name in SELF_SUPERVISED:
        found[f"self-supervised {name}"] = {**SCENES, "tasks": {"count_class": {}, name: {}}, "augmentation": {}}
    return found


class StopAt(Control):
    """Asks to stop, or to pause and go on at once, when it has been looked at so many times."""

    def __init__(self, looks: int, pause: bool = False):
        super().__init__()
        self.looks, self.pause_only = looks, pause

    @property
    def interrupted(self) -> bool:
        self.looks -= 1
        if self.looks == 0:
            self.pause() if self.pause_only else self.stop()
        return super().interrupted

    def wait_while_paused(self, proceeds: int) -> None:
        self.proceed()


def numbers(config: RunConfig, folder: Path, cache: Path, controls: list[Control]) -> dict[str, Any]:
    """Everything that the run gives, started once per control."""
    folder.mkdir(parents=True)
    said = [_plain(event) for control in controls for event in train(config, folder, cache, control)]
    index = read_index(folder)
    return {
        "events": said,
        "weights": {which: _hash(folder / "checkpoints" / index[which]) for which in ("last", "best")},
        "probes": {path.name: _hash_arrays(path) for path in sorted((folder / "probes").glob("*.npz"))},
    }


def _plain(event: Event) -> dict[str, Any]:
    values = {"event": type(event).__name__, **asdict(event)}
    if isinstance(event, RunEnded):
        values |= {"steps_per_second": 0.0, "seconds": 0.0}
    if isinstance(event, RunStarted):
        values["info"] = {key: value for key, value in values["info"].items() if key != "device_name"}
    return json.loads(json.dumps(values))


def _hash(checkpoint: Path) -> str:
    tensors = load_file(checkpoint / "model.safetensors")
    sums = hashlib.sha256()
    for name in sorted(tensors):
        sums.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return sums.hexdigest()


def _hash_arrays(path: Path) -> str:
    sums = hashlib.sha256()
    with np.load(path, allow_pickle=False) as arrays:
        for name in sorted(arrays.files):
            sums.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return sums.hexdigest()


def runs(chosen: str) -> Iterator[tuple[str, dict[str, Any], list[Control]]]:
    """Name, config and controls; some are stopped and resumed, or paused."""
    for name, values in configs().items():
        if chosen in name:
            yield name, values, [Control()]
        if f"{name}, stopped" and chosen in f"{name}, stopped" and not name.startswith("preset"):
            is_light = values["data"]["name"] == "digits" and name.split()[0] != "method"
            if is_light or name in ("method uncertainty", "method pcgrad", "method dwa", "method gradnorm", "method famo", "scenes"):
                yield f"{name}, stopped", values, [StopAt(6), StopAt(6), StopAt(9), Control()]
                yield f"{name}, paused", values, [StopAt(6, pause=True)]


def main() -> int:
    """Record, or compare with what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--compare", type=Path)
    parser.add_argument("--only", default="", help="runs whose name holds this")
    parser.add_argument("--cache", type=Path, help="folder for prepared data, kept for the next time")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    before = json.loads(arguments.compare.read_text()) if arguments.compare else {}
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary) / "cache"
        for number, (name, values, controls) in enumerate(runs(arguments.only)):
            folder = Path(temporary) / str(number)
            try:
                found[name] = numbers(RunConfig.from_stored(values), folder, cache, controls)
            except Exception as error:  # a run that fails has to fail in the same way
                found[name] = {"failed": f"{type(error).__name__}: {error}".replace(temporary, "")}
            found[name] = json.loads(json.dumps(found[name]))
            print(
                name,
                found[name].get("failed", found[name].get("weights", {}).get("last", ""))[:100],
                _said(before.get(name), found[name]),
                flush=True,
            )
    if arguments.write:
        arguments.write.write_text(json.dumps(found, indent=1))
    compared = [name for name in found if name in before]
    differing = [name for name in compared if _number_differences(before[name], found[name])]
    if before:
        print(f"{len(compared) - len(differing)} of {len(compared)} runs have identical numbers; {len(found) - len(compared)} are new")
    return 1 if differing else 0


def _said(before: Any, now: Any) -> str:
    if before is None:
        return ""
    numbers = _number_differences(before, now)
    words = [each for each in _differences(before, now) if each not in numbers]
    told = f"; says otherwise: {'; '.join(words[:6])}" if words else ""
    return f"DIFFERS: {'; '.join(numbers[:6])}{told}" if numbers else f"identical{told}"


def _number_differences(before: Any, now: Any) -> list[str]:
    return [each for each in _differences(before, now) if not WORDS.match(each)]


def _differences(before: Any, now: Any, place: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [each for key in {**before, **now} for each in _differences(before.get(key), now.get(key), f"{place}/{key}")]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [each for number, pair in enumerate(zip(before, now, strict=True)) for each in _differences(*pair, f"{place}/{number}")]
    return [] if before == now else [f"{place}: {before!s:.60} -> {now!s:.60}"]


if __name__ == "__main__":
    sys.exit(main())
