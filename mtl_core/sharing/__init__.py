"""Sharing schemes: which parameters the tasks have in common. To add one: a file here and a line in this table."""

from mtl_core.registry import Registry

SHARING_SCHEMES = Registry(
    "sharing scheme",
    "mtl_core.sharing_schemes",
    {
        "hard": "mtl_core.sharing.hard:HardSharing",
        "branched": "mtl_core.sharing.branched:Branched",
        "separate": "mtl_core.sharing.separate:Separate",
        "cross_stitch": "mtl_core.sharing.cross_stitch:CrossStitch",
        "mtan": "mtl_core.sharing.mtan:MTAN",
        "mmoe": "mtl_core.sharing.mmoe:MMoE",
        "cgc": "mtl_core.sharing.cgc:CGC",
        "ple": "mtl_core.sharing.ple:PLE",
        "nddr": "mtl_core.sharing.nddr:NDDR",
        "adapters": "mtl_core.sharing.adapters:Adapters",
        "dselect_k": "mtl_core.sharing.dselect_k:DSelectK",
        "ltb": "mtl_core.sharing.ltb:LearningToBranch",
        "tree": "mtl_core.sharing.branch_tree:BranchTree",
    },
)
