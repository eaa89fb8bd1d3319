"""Processor time of what comes before the first curve of a preset's run on a fresh store, part by part, in a process that has imported nothing yet.

    python -m benchmarks.waiting.first_steps [--preset NAME] [--rounds 3]

Each round is a process of its own. Other load changes processor time less than the time by the clock, but still by a tenth or two: compare two
versions in turn. No browser and no server take part; ``benchmarks.waiting.journey`` measures what a newcomer waits.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

PARTS = {  # what is measured inside the trainer: (module, function)
    "data made": ("mtl_core.training.build", "training_data"),
    "precision and layout timed": ("mtl_core.training.build", "_choose_execution"),
    "facts about the run": ("mtl_core.training.trainer", "run_info"),
}
STEPS = 2  # a line needs two points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="digit-scenes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(one_round(arguments.preset)))
        return
    command = [sys.executable, "-m", "benchmarks.waiting.first_steps", "--once", "--preset", arguments.preset]
    rounds = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(arguments.rounds)]
    for name in rounds[0]:
        found = [seconds[name] for seconds in rounds]
        print(f"{name:<28} {median(found):5.2f} s of a processor ({min(found):.2f} to {max(found):.2f})")


def one_round(preset: str) -> dict[str, float]:
    """Seconds of processor time by part; ``everything`` is more than their sum."""
    from mtl_core.settings import use_threads

    use_threads()
    found: dict[str, float] = {}
    begun = time.process_time()
    import_module("streamlit")  # and the rest as a server has done before the first click
    import_module("ui.shell.library_imports").import_libraries().join()
    import_module("mtl_core.runs.background.engine_import").import_engine()
    found["imports of the server"] = time.process_time() - begun
    for part, (module, function) in PARTS.items():
        _measure(import_module(module), function, part, found)
    _train(preset)
    found["from click to two points"] = time.process_time() - begun - found["imports of the server"]
    found["everything"] = time.process_time() - begun
    return found


def _measure(module: Any, name: str, part: str, found: dict[str, float]) -> None:
    original: Callable[..., Any] = getattr(module, name)

    def measured(*args: Any, **named: Any) -> Any:
        begun = time.process_time()
        try:
            return original(*args, **named)
        finally:
            found[part] = time.process_time() - begun

    setattr(module, name, measured)


def _train(preset: str) -> None:
    from mtl_core.events import Control
    from mtl_core.presets import get_preset

    points = 0
    with tempfile.TemporaryDirectory() as folder:
        (run := Path(folder) / "run").mkdir()
        events = import_module("mtl_core.training.trainer").train(get_preset(preset).config, run, Path(folder) / "cache", Control())
        while points < STEPS:
            points += type(next(events)).__name__ == "StepScalars"
        events.close()


if __name__ == "__main__":
    main()
