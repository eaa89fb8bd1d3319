"""Artifacts of runs in an object store, with a folder on each machine as the cache."""
