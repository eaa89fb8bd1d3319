"""The evaluation of a run's checkpoint."""
