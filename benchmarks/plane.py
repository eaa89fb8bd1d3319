"""Where balancing methods end on the plane's toy, walked as CAGrad and Nash-MTL do: 35,000 steps of Adam with a step of 0.001, five starts.

``python -m benchmarks.plane [METHOD ...]`` prints a table; a minute or more for each method.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from mtl_core.balancing import SHOWN_FIRST
from mtl_core.plane.cagrad_toy import CAGradToy
from mtl_core.plane.walk import Walk

PUBLISHED = {"cagrad": {"c": 0.5}}  # options with which the papers walk
STEPS, STEP, NEAR = 35_000, 0.001, 0.3  # NEAR: distance to the front within which a method has reached it


def main(methods: list[str]) -> None:
    torch.set_num_threads(1)
    toy = CAGradToy()
    front = toy.front()
    for name in methods:
        for start in toy.starts:
            walk = Walk(toy, name, start, PUBLISHED.get(name), step=STEP)
            walk.advance(STEPS)
            end = np.array(walk.points[-1])
            reached = float(np.linalg.norm(front - end, axis=1).min()) < NEAR
            print(f"| {name} | {start} | ({end[0]:.2f}, {end[1]:.2f}) | {'yes' if reached else 'no'} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(SHOWN_FIRST))
