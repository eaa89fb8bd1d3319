"""A rough expectation of how long a run trains, from its config and the size of its network. It decides whether a trial comes first."""

from __future__ import annotations

from mtl_core.config import RunConfig

# From the benchmarks of the presets on 2 CPU cores.
MULTIPLY_ADDS_PER_SECOND = 2e10
SECONDS_PER_STEP = 0.005  # beside the multiply-adds
PASSES = 3  # forward, and backward, which costs about two
LONG = 180.0  # seconds: a run that is expected to take longer is tried first


def expected_seconds(multiply_adds: float, images: int, config: RunConfig) -> float:
    """A rough guess of how long a run trains on a CPU.

    Args:
        multiply_adds: of the network, for one image. images: of train.
    """
    steps = config.epochs * (images // config.batch_size)
    return steps * (SECONDS_PER_STEP + PASSES * config.batch_size * multiply_adds / MULTIPLY_ADDS_PER_SECOND)
