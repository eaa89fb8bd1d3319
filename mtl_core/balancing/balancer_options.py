"""Options that every balancing method has, and those that say where a gradient method takes the gradients."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BalancerOptions(BaseModel):
    """Parent of every balancer's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class GradientOptions(BalancerOptions):
    """Options of a gradient method that can work at the parameters or at the features."""

    gradients: Literal["parameters", "features"] = Field(
        "parameters",
        description="'parameters': on all shared parameters, as in the papers; one backward pass through the shared network per task. 'features': "
        "at the features that the heads read; one backward pass in all, but another method (for MGDA the papers' upper bound, MGDA-UB): "
        "tasks that agree at the features may conflict in the parameters.",
    )


class GramianOptions(BalancerOptions):
    """Options of a ``GradientCombination`` that can work at the parameters, there block by block too, or at the features."""

    gradients: Literal["parameters", "blocks", "features"] = Field(
        "parameters",
        description="'parameters': on all shared parameters, as in the papers; one backward pass through the shared network per task. 'blocks': the "
        "same method with less memory, for one more backward pass; only the gradients of one block of parameters at a time are kept. 'features': "
        "at the features that the heads read; one backward pass in all, but another method (for MGDA the papers' upper bound, MGDA-UB): "
        "tasks that agree at the features may conflict in the parameters.",
    )
