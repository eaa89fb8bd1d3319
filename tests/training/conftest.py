"""What several files of training's tests begin with: a run's folder with checkpoints, and a backbone's values."""

import pytest


@pytest.fixture
def folder(tmp_path):
    """A run's folder."""
    return tmp_path / "run"


@pytest.fixture
def three(folder, write_checkpoint):
    """Names of the states of epochs 1 (kept), 2 (the best) and 3."""
    return [write_checkpoint(folder, 1, 10), write_checkpoint(folder, 2, 20, best=True, keep=False), write_checkpoint(folder, 3, 30, keep=False)]


@pytest.fixture
def tensors():
    import torch

    from mtl_core.backbones.small_cnn import SmallCNN, SmallCNNOptions
    from tests.training.test_starting_weights import SMALL

    torch.manual_seed(5)
    return SmallCNN(SmallCNNOptions(**SMALL), (1, 8, 8)).state_dict()
