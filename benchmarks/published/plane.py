"""The plane of the Learn page: where balancing methods end on its toy, and how long the server takes for a click.

``python -m benchmarks.published.plane [METHOD ...]`` walks as CAGrad and Nash-MTL do, 35,000 steps of Adam with a step of 0.001 from five starts, and
prints a table; one to ten minutes for each method. ``--nearby`` walks a second program, plain NumPy, in double and in single precision from these
starts and from eleven points within about 0.0001 of each, and prints between which ends it arrives. ``--clicks`` times the click on Step and the
click into the plane.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.published import plain_walk
from mtl_core.balancing import SHOWN_FIRST
from mtl_core.figures.colours import run_styles
from mtl_core.figures.plane_charts import Path, losses_figure, plane_figure
from mtl_core.plane.cagrad_toy import CAGradToy
from mtl_core.plane.walk import Walk

PUBLISHED = {"cagrad": {"c": 0.5}}  # options with which the papers walk
STEPS, STEP, NEAR = 35_000, 0.001, 0.3  # NEAR: distance to the front within which a method has reached it
GRID, REPEATS = 81, 15
NEARBY, MOVED = 12, 1e-4  # starts of each kind, and by how much they are moved


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


def nearby(methods: list[str]) -> None:
    """Print between which ends the second program arrives from starts that are nearly the same."""
    toy, random = CAGradToy(), np.random.default_rng(0)
    moves = np.concatenate([np.zeros((1, 2)), MOVED * random.normal(size=(NEARBY - 1, 2))])
    starts = np.repeat(toy.starts, NEARBY, axis=0) + np.tile(moves, (len(toy.starts), 1))
    front = toy.front()
    for name in methods:
        for precision in (np.float64, np.float32):
            found = plain_walk.walk(name, starts.astype(precision), STEPS, STEP).reshape(len(toy.starts), NEARBY, 2)
            for start, group in zip(toy.starts, found, strict=True):
                reached = sum(float(np.linalg.norm(front - end, axis=1).min()) < NEAR for end in group)
                (low_x, low_y), (high_x, high_y) = group.min(axis=0), group.max(axis=0)
                ends = f"x {low_x:.2f} to {high_x:.2f}, y {low_y:.2f} to {high_y:.2f}"
                print(f"| {name} | {precision.__name__} | {start} | {ends} | {reached} of {NEARBY} |", flush=True)


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
    parser.add_argument("methods", nargs="*", default=list(plain_walk.METHODS))
    parser.add_argument("--nearby", action="store_true", help="walk the second program from points near the starts")
    parser.add_argument("--clicks", action="store_true", help="time clicks instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.clicks:
        clicks(list(SHOWN_FIRST))
    else:
        (nearby if arguments.nearby else ends)(arguments.methods)


if __name__ == "__main__":
    main()
