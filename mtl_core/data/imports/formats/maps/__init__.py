"""Masks and depth maps: a value for every pixel."""
