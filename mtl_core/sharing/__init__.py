"""Sharing schemes: which parameters the tasks have in common. To add one: a file here and a line in this table."""

from mtl_core.registry import Registry

SHARING_SCHEMES = Registry("sharing scheme", "mtl_core.sharing_schemes", {"hard": "mtl_core.sharing.hard:HardSharing"})
