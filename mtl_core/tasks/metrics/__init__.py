"""Metrics that measure predictions while a run trains."""
