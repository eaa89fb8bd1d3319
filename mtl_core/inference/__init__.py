"""Inference: loads a trained network from the store or an exported folder and predicts any image."""
