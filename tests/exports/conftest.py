"""What all tests of exports share."""

from contextlib import suppress
from functools import cache

import pytest


@pytest.fixture(scope="session", autouse=True)
def _operators_translated_once():
    """PyTorch's exporter translates ONNX's 500 operators from their source anew for each file: a fifth of the time that a file takes."""
    with suppress(ImportError, AttributeError):  # it is no part of PyTorch's public interface
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
            yield
            return
    yield
