"""Heads: modules from the backbone's features to a task's output."""
