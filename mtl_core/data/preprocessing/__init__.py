"""Preprocessing of images and their targets, done once before training. To add a denoiser: a file here and a line in this table."""

from __future__ import annotations

from mtl_core.config_sections import PartConfig
from mtl_core.data.preprocessing.denoiser import Denoiser
from mtl_core.registry import Registry, validated

DENOISERS = Registry(
    "denoiser",
    "mtl_core.denoisers",
    {
        "none": "mtl_core.data.preprocessing.keep_noise:KeepNoise",
        "median": "mtl_core.data.preprocessing.median:Median",
        "gaussian": "mtl_core.data.preprocessing.gaussian:Gaussian",
        "non_local_means": "mtl_core.data.preprocessing.non_local_means:NonLocalMeans",
        "bilateral": "mtl_core.data.preprocessing.bilateral:Bilateral",
    },
)


def open_denoiser(part: PartConfig) -> Denoiser:
    """The denoiser that a config names, with its options checked.

    Raises:
        ConfigError: unknown denoiser or option.
    """
    denoiser = DENOISERS.load(part.name, "data.preprocessing.denoise.name")
    return denoiser(validated(denoiser.Options, part.options, "data.preprocessing.denoise"))
