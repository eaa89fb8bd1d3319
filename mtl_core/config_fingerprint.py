"""The fingerprint of a config: equal for runs that train the same, whatever they are called and however much they record."""

from __future__ import annotations

import hashlib
import json

from mtl_core.config import RunConfig
from mtl_core.machine.device_names import kind_of

# Keys that the fingerprint leaves out. ``seed``, ``precision`` and ``layout`` change the numbers and are compared apart; ``devices`` and
# ``gradient_norms`` change their last digits, as the number of threads does, because sums are added in another order; the others change none.
RECORDING = ("name", "keep_checkpoints", "keep_best_of_tasks", "probe_samples", "conflict_every", "affinity_every", "gradient_norms")
INDIFFERENT = (*RECORDING, "seed", "precision", "layout", "devices")
# Keys that stored fingerprints do not know; a default leaves these as they were.
ADDED = {"selection_weight": 1.0, "selection_floor": None}  # of a task
ADDED_TO_RUNS = {"accumulate": 1}


def fingerprint(config: RunConfig) -> str:
    """The same for configs whose runs give the same numbers with the same seed, precision and layout.

    The order of the tasks counts: the heads draw their initial values in it.
    """
    values = {key: value for key, value in config.to_dict().items() if key not in INDIFFERENT and (key, value) not in ADDED_TO_RUNS.items()}
    values["device"] = kind_of(values["device"])  # the GPUs of a machine give the same numbers
    values["tasks"] = {
        name: {key: value for key, value in task.items() if key not in ADDED or value != ADDED[key]} for name, task in values["tasks"].items()
    }
    return hashlib.sha256(json.dumps([values, list(config.tasks)], sort_keys=True).encode()).hexdigest()
