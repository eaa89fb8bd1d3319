"""What looking at the tasks' gradients costs: the norms at every step, and the conflict probe at its default interval.

    python -m benchmarks.probes [--preset digit-scenes] [--rounds 7]

Epochs of the same run with both switched off, with the norms, with the probe, and with both are run in turn in one process. Printed are ratios of CPU
time (user + system, all threads) and of wall time to the epoch with both off beside it: the median over rounds. "off again" is a second run
with both off: how far it is from 1 is how far the others can be trusted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mtl_core.events import Control
from mtl_core.presets import get_preset
from mtl_core.training.build import build
from mtl_core.training.changes import Changes
from mtl_core.training.execution import tune_allocator
from mtl_core.training.step import JointStep
from mtl_core.training.trainer import Position, _train_epoch

OFF = ["conflict_every=0", "gradient_norms=false"]
WAYS = {"off": OFF, "off again": OFF, "norms": ["conflict_every=0"], "conflict": ["gradient_norms=false"], "both": []}


def epochs_of(preset: str, settings: list[str], cache: Path) -> Callable[[int], None]:
    """A function that trains the epoch of the given number."""
    setup = build(get_preset(preset).config.with_overrides(settings), cache)
    step, changes = JointStep(setup), Changes(setup, 0)

    def run(number: int) -> None:
        list(_train_epoch(setup, step, changes, Position(epoch=number, step=number * setup.steps_per_epoch), Control()))

    return run


def timed(run: Callable[[int], None], number: int) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    run(number)
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="digit-scenes")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    tune_allocator()
    with tempfile.TemporaryDirectory() as cache:
        ways = {name: epochs_of(arguments.preset, settings, Path(cache)) for name, settings in WAYS.items()}
        for run in ways.values():
            run(0)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(1, arguments.rounds + 1):
            for name in list(ways) if number % 2 else list(ways)[::-1]:
                times[name].append(timed(ways[name], number))
    for name in list(ways)[1:]:
        cpu, wall = (statistics.median(a[kind] / b[kind] for a, b in zip(times[name], times["off"], strict=True)) for kind in (0, 1))
        print(f"{name:10s} / off: CPU {cpu:.3f}   wall {wall:.3f}")


if __name__ == "__main__":
    main()
