"""The registry of balancing methods. To add one: a file here and a line in this table."""

from mtl_core.registry import Registry

BALANCERS = Registry(
    "balancer",
    "mtl_core.balancers",
    {
        # loss weighting: one backward pass
        "fixed": "mtl_core.balancing.fixed:Fixed",
        "mean": "mtl_core.balancing.mean:MeanLoss",
        "uncertainty": "mtl_core.balancing.uncertainty:UncertaintyWeighting",
        "imtl_l": "mtl_core.balancing.imtl_l:ImpartialLosses",
        "dwa": "mtl_core.balancing.dwa:DynamicWeightAverage",
        "random": "mtl_core.balancing.random_weights:RandomLossWeighting",
        "roulette": "mtl_core.balancing.roulette:Roulette",
        "geometric_mean": "mtl_core.balancing.geometric_mean:GeometricMeanOfLosses",
        "famo": "mtl_core.balancing.famo:AdaptiveLogLosses",
        "stch": "mtl_core.balancing.stch:SmoothTchebycheff",
        "cosmos": "mtl_core.balancing.cosmos:CosinePenalty",
        "pbi": "mtl_core.balancing.pbi:BoundaryIntersection",
        # gradient aggregation: one backward pass per task, or one in all at the features
        "pcgrad": "mtl_core.balancing.pcgrad:PCGrad",
        "upgrad": "mtl_core.balancing.upgrad:UPGrad",
        "dualproj": "mtl_core.balancing.dualproj:DualProj",
        "mgda": "mtl_core.balancing.mgda:MGDA",
        "cagrad": "mtl_core.balancing.cagrad:CAGrad",
        "nash_mtl": "mtl_core.balancing.nash_mtl:NashMTL",
        "fairgrad": "mtl_core.balancing.fairgrad:FairGrad",
        "imtl_g": "mtl_core.balancing.imtl_g:ImpartialGradients",
        "config": "mtl_core.balancing.conflict_free:ConFIG",
        "aligned_mtl": "mtl_core.balancing.aligned_mtl:AlignedMTL",
        "gradnorm": "mtl_core.balancing.gradnorm:GradNorm",
        "gradvac": "mtl_core.balancing.gradvac:GradVac",
        "graddrop": "mtl_core.balancing.graddrop:GradDrop",
        "cr_mogm": "mtl_core.balancing.cr_mogm:SmoothedWeights",
        "pcd": "mtl_core.balancing.pcd:PriorityConstrainedDescent",
        "db_mtl": "mtl_core.balancing.db_mtl:DualBalancing",
        "moco": "mtl_core.balancing.moco:MoCo",
        "modo": "mtl_core.balancing.modo:MoDo",
        "sdmgrad": "mtl_core.balancing.sdmgrad:SDMGrad",
        "excess_mtl": "mtl_core.balancing.excess_mtl:ExcessMTL",
        "auto_lambda": "mtl_core.balancing.auto_lambda:AutoLambda",
    },
)

PLAIN = "fixed"  # the weighted sum of the losses, which other methods are compared with
RACED_AT_FIRST = ("fixed", "uncertainty", "pcgrad")  # fixed weights, weighted losses, combined gradients
# What a comparison on the Learn page begins with: the plain sum, and methods of four different ideas.
SHOWN_FIRST = ("fixed", "mgda", "pcgrad", "cagrad", "nash_mtl")
