"""Losses and metrics of every task on held-out images."""

from __future__ import annotations

import math

import torch

from mtl_core.data.batches import Batches
from mtl_core.events import Control
from mtl_core.training.build import Setup
from mtl_core.training.losses import labelled_part


@torch.no_grad()
def evaluate(setup: Setup, batches: Batches, control: Control) -> dict[str, float] | None:
    """``{"<task>/loss": ..., "<task>/<metric>": ...}`` over all images of ``batches``; the loss is the mean over labelled images.

    Returns:
        None if a stop or a pause was asked for meanwhile. A metric that is not defined (no image has the target) is left out.
    """
    setup.model.eval()
    measurements = {name: kind.measurement() for name, kind in setup.kinds.items()}
    sums = dict.fromkeys(setup.kinds, 0.0)
    counts = dict.fromkeys(setup.kinds, 0)
    for batch in batches.epoch(0):
        if control.interrupted:
            return None
        with setup.execution.autocast():
            outputs = setup.model(batch.images, batch.parts)
        for name, kind in setup.kinds.items():
            output, target = labelled_part(kind, outputs[name], batch, setup.complete)
            if len(target):
                measurements[name].update(output, target)
                sums[name] += float(kind.loss(output, target)) * len(target)
                counts[name] += len(target)
    scalars = {f"{name}/loss": sums[name] / counts[name] for name in setup.kinds if counts[name]}
    for name, measurement in measurements.items():
        if control.interrupted:  # matching boxes over a large split takes seconds
            return None
        scalars |= {f"{name}/{metric}": value for metric, value in measurement.compute().items()}
    return {key: value for key, value in scalars.items() if math.isfinite(value)}


def selection_score(setup: Setup, scalars: dict[str, float]) -> float:
    """Mean over tasks of each one's selection metric on val, each at most 1; below 0, or not defined, counts as 0.

    So one lost task can't drown the others, and scores of all epochs are means over the same tasks.
    """
    values = [scalars.get(f"{name}/{kind.selection_metric}", 0.0) for name, kind in setup.kinds.items()]
    return sum(max(0.0, value) for value in values) / len(values)
