"""Runs on a Ray cluster: what a run needs, its placing on a node, its restart after a node's death. The store stays the only truth about a run."""
