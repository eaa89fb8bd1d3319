"""The plane of the Learn page: where balancing methods end on its toy, and how long the server takes for a click.

``python -m benchmarks.plane [METHOD ...]`` walks as CAGrad and Nash-MTL do, 35,000 steps of Adam with a step of 0.001 from five starts, and
prints a table; a minute or more for each method. ``python -m benchmarks.plane --clicks`` times the click on Step and the click into the plane.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from mtl_core.balancing import SHOWN_FIRST
from mtl_core.figures.colours import run_styles
from mtl_core.figures.plane_charts import Path, losses_figure, plane_figure
from mtl_core.plane.cagrad_toy import CAGradToy
from mtl_core.plane.walk import Walk

PUBLISHED = {"cagrad": {"c": 0.5}}  # options with which the papers walk
STEPS, STEP, NEAR = 35_000, 0.001, 0.3  # NEAR: distance to the front within which a method has reached it
GRID, REPEATS = 81, 15


def ends(methods: list[str]) -> None:
    """Print where each method ends from each start."""
    toy = CAGradToy()
    front = toy.front()
    for name in methods:
        for start in toy.starts:
            walk = Walk(toy, name, start, PUBLISHED.get(name), step=STEP)
            walk.advance(STEPS)
            end = np.array(walk.points[-1])
            reached = float(np.linalg.norm(front - end, axis=1).min()) < NEAR
            print(f"| {name} | {start} | ({end[0]:.2f}, {end[1]:.2f}) | {'yes' if reached else 'no'} |", flush=True)


def clicks(methods: list[str]) -> None:
    """Print the processor time of what a click computes: the methods' steps, and both charts, without Streamlit's own part."""
    toy = CAGradToy()
    grid, front, styles = toy.grid(GRID), toy.front(), run_styles(methods)
    print("| steps at once | methods move, ms | charts, ms |\n|---|---|---|")
    for amount in (1, 5, 20):
        walks = {name: Walk(toy, name, toy.starts[0]) for name in methods}

        def move(walks: dict[str, Walk] = walks, amount: int = amount) -> None:
            for walk in walks.values():
                walk.advance(amount)

        def draw(walks: dict[str, Walk] = walks) -> None:
            paths = [Path(name, *styles[name], np.array(walk.points), np.array(walk.losses)) for name, walk in walks.items()]
            plane_figure(grid, front, paths, toy.starts[0], None).to_json()
            losses_figure(front, paths).to_json()

        print(f"| {amount} | {milliseconds(move)} | {milliseconds(draw)} |", flush=True)


def milliseconds(action: Callable[[], None]) -> str:
    """Median and largest processor time."""
    action()  # the first time imports
    found = []
    for _ in range(REPEATS):
        began = time.process_time()
        action()
        found.append(1000 * (time.process_time() - began))
    return f"{np.median(found):.0f}, at most {max(found):.0f}"


def main() -> None:
    """Read the arguments, and measure with one thread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(SHOWN_FIRST))
    parser.add_argument("--clicks", action="store_true", help="time clicks instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (clicks if arguments.clicks else ends)(arguments.methods)


if __name__ == "__main__":
    main()
