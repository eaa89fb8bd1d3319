"""Training: the loop, evaluation, probes, checkpoints. Nothing is imported here: run readers do without torch."""
