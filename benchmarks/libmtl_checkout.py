"""LibMTL as a module, from the checkout that LIBMTL names: ``LIBMTL=<checkout>[:<folder of its packages>]``.

    git clone https://github.com/median-research-group/LibMTL
    pip install ecos        # only for its Nash-MTL, whose solver cvxpy does not bring along

LibMTL imports torch_geometric, which it uses for one data set of molecules only. Where it is not installed an empty module stands in its place.
Two calls of LibMTL are gone from the present torch and NumPy. They get their successors here, so that its methods run unchanged.
"""

from __future__ import annotations

import os
import sys
import types
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

SUCCESSORS = {  # what LibMTL calls -> what does the same today
    (torch, "symeig"): lambda matrix, eigenvectors=True: torch.linalg.eigh(matrix),  # Aligned-MTL
    (np, "alltrue"): np.all,  # SDMGrad
}
METHODS = {  # our method -> LibMTL's; all that both have
    "fixed": "EW",
    "uncertainty": "UW",
    "dwa": "DWA",
    "random": "RLW",
    "geometric_mean": "GLS",
    "famo": "FAMO",
    "stch": "STCH",
    "pcgrad": "PCGrad",
    "upgrad": "UPGrad",
    "mgda": "MGDA",
    "cagrad": "CAGrad",
    "nash_mtl": "Nash_MTL",
    "fairgrad": "FairGrad",
    "imtl_g": "IMTL",
    "aligned_mtl": "Aligned_MTL",
    "gradnorm": "GradNorm",
    "gradvac": "GradVac",
    "graddrop": "GradDrop",
    "db_mtl": "DB_MTL",
    "moco": "MoCo",
    "modo": "MoDo",
    "sdmgrad": "SDMGrad",
    "excess_mtl": "ExcessMTL",
}
THREE_BATCHES = ("MoDo", "SDMGrad")  # LibMTL's take three batches for a step
AT_FEATURES = ("GradDrop",)  # LibMTL's works at the features only


def is_named() -> bool:
    """Whether LIBMTL names a checkout."""
    return "LIBMTL" in os.environ


def libmtl() -> Any:
    """The module ``LibMTL``."""
    sys.path[:0] = [path for path in os.environ["LIBMTL"].split(os.pathsep) if path not in sys.path]
    if "torch_geometric" not in sys.modules and find_spec("torch_geometric") is None:
        sys.modules["torch_geometric"] = types.ModuleType("torch_geometric")
    for (module, name), successor in SUCCESSORS.items():
        setattr(module, name, successor)
    import LibMTL  # pyright: ignore[reportMissingImports]

    return LibMTL


def options_of(method: str) -> dict[str, Any]:
    """LibMTL's own default options of one of its methods. STCH leaves its warm-up after one epoch, as the epochs measured here are short.

    Raises:
        SystemExit: the solver of Nash-MTL is missing, without which it keeps its first weights and says nothing.
    """
    if method == "Nash_MTL":
        import cvxpy

        if "ECOS" not in cvxpy.installed_solvers():
            raise SystemExit("LibMTL's Nash-MTL needs the solver ECOS: pip install ecos")
    config = libmtl().config
    chosen = config.LibMTL_args.parse_args(["--weighting", method])
    options = config.prepare_args(chosen)[0]["weight_args"]
    return options | ({"STCH_warmup_epoch": 0} if method == "STCH" else {})
