"""The plane: two parameters, two losses, and the balancing methods themselves. To add a landscape: a file here and a line in this table."""

from mtl_core.registry import Registry

LANDSCAPES = Registry(
    "landscape",
    "mtl_core.landscapes",
    {
        "cagrad_toy": "mtl_core.plane.cagrad_toy:CAGradToy",
        "two_bowls": "mtl_core.plane.two_bowls:TwoBowls",
    },
)
