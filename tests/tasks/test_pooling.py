"""The pooled head's mean and maximum: torch's values, and torch's gradients to the last bit, in each type and memory order."""

from __future__ import annotations

import pytest
import torch

from mtl_core.tasks.heads.pooled_head import PooledHead
from mtl_core.tasks.heads.pooling import highest_over_places, mean_over_places

SHAPES = [(4, 7, 8, 8), (3, 5, 1, 1), (2, 6, 30, 20), (2, 3, 1, 40)]  # 600 places: more than a bf16 counts exactly


def maps_of(shape, kind):
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if kind == "ties":  # after a ReLU many places share the maximum 0
        maps = maps.relu()
        maps[:, ::2] = 0
    if kind == "not finite":
        maps[0, 0, 0, 0], maps[0, 1, 0, 0] = float("nan"), float("inf")
    return maps


def both(maps, mean, highest):
    """Values, and the gradient where both are read from the same map, as the head does."""
    seen = maps.view_as(maps)
    values = torch.cat([mean(seen), highest(seen)], dim=1)
    slopes = torch.randn(values.shape, generator=torch.Generator().manual_seed(1)).to(values.dtype)
    slopes[:, ::3] = 0
    return values, torch.autograd.grad(values, seen, slopes)[0]


def bits(tensor):
    return tensor.contiguous().flatten().clone().view(torch.uint8)


@pytest.mark.parametrize("kind", ["plain", "ties", "not finite"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_values_and_gradients_are_torchs_to_the_last_bit(dtype, layout, kind):
    for shape in SHAPES:
        maps = maps_of(shape, kind).to(dtype).contiguous(memory_format=layout).requires_grad_()
        values, gradient = both(maps, mean_over_places, highest_over_places)
        expected, slope = both(maps, lambda each: each.mean((2, 3)), lambda each: each.amax((2, 3)))
        assert torch.equal(bits(values), bits(expected))
        assert torch.equal(gradient.isnan(), slope.isnan())
        assert torch.equal(bits(gradient.nan_to_num(7.0)), bits(slope.nan_to_num(7.0)))
        assert gradient.stride() == slope.stride()  # a norm over the gradient adds up in this order


def test_the_head_uses_them_in_training_alone():
    head, maps = PooledHead([type("Info", (), {"stride": 4, "channels": 3})()], 2), torch.randn(2, 3, 4, 4, requires_grad=True)

    def nodes(node):
        return {type(node).__name__} | {name for following, _ in node.next_functions if following is not None for name in nodes(following)}

    assert {"_MeanBackward", "_HighestBackward"} <= nodes(head([maps]).grad_fn)
    with torch.no_grad():
        assert torch.equal(head([maps]), head([maps.detach()]))


@pytest.mark.parametrize(
    ("ours", "torchs"), [(mean_over_places, lambda maps: maps.mean((2, 3))), (highest_over_places, lambda maps: maps.amax((2, 3)))]
)
def test_it_can_be_differentiated_twice_as_torchs_own(ours, torchs):
    """A method of another package may need the gradient of a gradient's norm."""
    found = []
    for pool in (ours, torchs):
        maps = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
        [slope] = torch.autograd.grad(pool(maps).pow(3).sum(), maps, create_graph=True)
        found.append(torch.autograd.grad(slope.pow(2).sum(), maps)[0])
    assert torch.allclose(*found, rtol=1e-12, atol=0)
    assert found[0].abs().sum() > 0
