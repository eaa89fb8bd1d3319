"""Data sources, one per file, and what several of them share."""
