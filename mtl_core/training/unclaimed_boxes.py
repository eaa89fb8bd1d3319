"""Warning about training boxes that no place of the feature maps is responsible for. The network learns nothing from them."""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.sharing.model import MultiTaskModel
from mtl_core.tasks.detection import Detection
from mtl_core.tasks.heads.fcos import assign
from mtl_core.training.build import evenly_spaced_rows
from mtl_core.training.setup import Run

MOST_IMAGES = 500  # of the training split, evenly spread
WORTH_SAYING = 0.01  # share of unclaimed boxes from which a run warns


def unclaimed_boxes(run: Run, model: MultiTaskModel) -> list[str]:
    """A sentence for each detection task in which more than ``WORTH_SAYING`` of the training boxes are too small for the network's maps."""
    said = []
    for name, kind in run.kinds.items():
        if not isinstance(kind, Detection):
            continue
        rows = evenly_spaced_rows(run.data.train, MOST_IMAGES)
        rows = rows[np.asarray(run.data.train.labelled[kind.task.target])[rows]]
        unclaimed, boxes = unclaimed_of(_places(run, model, name), torch.from_numpy(np.array(run.data.train.targets[kind.task.target][rows])))
        if boxes and unclaimed > WORTH_SAYING * boxes:
            said.append(
                f"{name}: no place of the network's maps is responsible for {unclaimed:,} of {boxes:,} training boxes "
                f"checked ({unclaimed / boxes:.0%}), so the network learns nothing from them. "
                "They are too small or lie under smaller ones; larger images help"
            )
    return said


@torch.no_grad()
def _places(run: Run, model: MultiTaskModel, name: str) -> torch.Tensor:
    """Places (A, 3) of the maps, on the CPU. They depend on the image size only."""
    was_training = model.training
    model.eval()
    blank = torch.zeros(1, *run.data.statistics["image_shape"], device=run.execution.device)
    places = model(blank.contiguous(memory_format=run.execution.memory_format))[name]["places"].cpu()
    model.train(was_training)
    return places


def unclaimed_of(places: torch.Tensor, targets: torch.Tensor) -> tuple[int, int]:
    """Numbers of (unclaimed, all) boxes of targets (n, M, 5). Places (A, 3) as in ``assign``."""
    unclaimed = total = 0
    for start in range(0, len(targets), 32):
        rows = targets[start : start + 32]
        claimed = assign(places, rows[..., :4], rows[..., 4].long())
        for image, owner in zip(rows, claimed, strict=True):
            real = torch.nonzero(image[:, 4] >= 0)[:, 0]
            total += len(real)
            unclaimed += len(set(real.tolist()) - set(owner[owner >= 0].tolist()))
    return unclaimed, total
