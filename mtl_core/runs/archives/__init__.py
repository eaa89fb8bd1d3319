"""Runs that leave a store: archives that another store takes in, and what pruning frees."""
