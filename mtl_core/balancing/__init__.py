"""Balancing methods: how losses or gradients of several tasks become one update. To add one: a file here and a line in this table."""

from mtl_core.registry import Registry

BALANCERS = Registry(
    "balancer",
    "mtl_core.balancers",
    {
        "fixed": "mtl_core.balancing.fixed:Fixed",
        "uncertainty": "mtl_core.balancing.uncertainty:UncertaintyWeighting",
        "dwa": "mtl_core.balancing.dwa:DynamicWeightAverage",
        "pcgrad": "mtl_core.balancing.pcgrad:PCGrad",
    },
)
