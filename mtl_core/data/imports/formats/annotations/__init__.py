"""Formats of files that list objects: boxes, outlines, classes."""
