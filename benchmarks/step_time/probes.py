"""What looking at the tasks' gradients costs: the norms at every step, and the conflict probe at its default interval.

    python -m benchmarks.step_time.probes [--preset digit-scenes] [--rounds 60]

The same run in four copies: with both switched off, off again, with the norms, and with the conflict probe at every step. They are stepped in turn,
five steps at a time and in changing order, so that what else the machine does falls on all. Printed are the medians over rounds of CPU time (user +
system, all threads) and wall time relative to "off" beside it; the probe's excess is divided by its default interval. "off again" says how far the
others can be trusted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from benchmarks.step_time.step import timed
from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.presets import get_preset
from mtl_core.training.build import Setup, build
from mtl_core.training.execution import tune_allocator
from mtl_core.training.parts import resolve

OFF = ["conflict_every=0", "gradient_norms=false"]
WAYS = {"off": OFF, "off again": OFF, "norms": ["conflict_every=0"], "probe": ["gradient_norms=false", "conflict_every=1"]}
STEPS = 5


def stepping(preset: str, settings: list[str], cache: Path) -> Callable[[], None]:
    """A function that does the next few steps of a run, and what the trainer does with their numbers."""
    setup = build(resolve(get_preset(preset).config.with_overrides(settings)), cache)
    setup.network.model.train()
    step, batches, number = setup.update, _endless(setup), count(1)

    def run() -> None:
        for _ in range(STEPS):
            at = next(number)
            setup.progress.window.add(step(next(batches), at))
        setup.progress.window.close(at)

    return run


def _endless(setup: Setup) -> Iterator[Batch]:
    for epoch in count():
        yield from setup.run.train_batches.epoch(epoch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="digit-scenes")
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    tune_allocator()
    with tempfile.TemporaryDirectory() as cache:
        ways = {name: stepping(arguments.preset, settings, Path(cache)) for name, settings in WAYS.items()}
        for run in ways.values():
            run()
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        names = list(ways)
        for number in range(arguments.rounds):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                times[name].append(timed(ways[name]))
    report(times)


def report(times: dict[str, list[tuple[float, float]]]) -> None:
    every = RunConfig.model_fields["conflict_every"].default
    print(f"off: {statistics.median(wall for _, wall in times['off']) / STEPS * 1000:.2f} ms a step")
    for name in list(times)[1:]:
        cpu, wall = (statistics.median(a[kind] / b[kind] for a, b in zip(times[name], times["off"], strict=True)) for kind in (0, 1))
        print(f"{name:10s} / off: CPU {cpu:.3f}   wall {wall:.3f}")
    print(f"probe every {every} steps / off: CPU {1 + (cpu - 1) / every:.3f}   wall {1 + (wall - 1) / every:.3f}")


if __name__ == "__main__":
    main()
