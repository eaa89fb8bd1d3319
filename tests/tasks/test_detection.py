"""FCOS: which place takes which box, the loss against torchvision's own, decoding and suppression."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS
from torchvision.models.detection.image_list import ImageList

from mtl_core.data.dataset import PADDING, Task
from mtl_core.tasks.detection import Detection, DetectionOptions
from mtl_core.tasks.heads.fcos import anchors_of, assign, grid

CLASSES = tuple("0123456789")
STATISTICS = {"image_shape": (3, 64, 64), "targets": {"boxes": {"class_counts": [1] * 10}}}


def kind(**options) -> Detection:
    return Detection(Task("boxes", "detection", "boxes", CLASSES), DetectionOptions(**options), STATISTICS)


def places_of(*strides: int) -> torch.Tensor:
    return torch.cat([grid(torch.Size([64 // stride, 64 // stride]), stride, torch.device("cpu")) for stride in strides])


def test_places_are_the_centres_of_the_cells():
    places = places_of(32)
    assert places.tolist() == [[16, 16, 32], [48, 16, 32], [16, 48, 32], [48, 48, 32]]
    assert anchors_of(places)[0].tolist() == [0, 0, 32, 32]


def test_a_place_takes_the_smallest_box_around_it():
    boxes = torch.tensor([[[0.0, 0, 64, 64], [20, 20, 44, 44], [0, 0, 0, 0]]])
    taken = assign(places_of(8), boxes, torch.tensor([[3, 5, -1]]))
    centre = [(place, int(row)) for place, row in zip(places_of(8).tolist(), taken[0], strict=True) if row >= 0]
    # The place at (28, 28) lies within 1.5 strides of both centres; the smaller box wins wherever it contains the place.
    assert ([28, 28, 8], 1) in centre
    assert all(row == 1 for (x, y, _), row in centre if 20 < x < 44 and 20 < y < 44)


def test_padding_takes_no_place_even_when_it_has_a_size():
    assert (assign(places_of(8), torch.tensor([[[0.0, 0, 64, 64]]]), torch.tensor([[-1]])) == -1).all()


def test_no_boxes_at_all():
    assert (assign(places_of(8), torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.long)) == -1).all()


def random_targets(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 5, 2, generator=generator) * 40
    size = 4 + torch.rand(count, 5, 2, generator=generator) * 36
    label = torch.randint(-1, 10, (count, 5, 1), generator=generator).float()
    return torch.cat([corner, (corner + size).clamp(max=64), label], dim=2)


def test_assignment_and_loss_equal_torchvisions():
    """The same maps and boxes through torchvision's FCOS.compute_loss, image by image, and through ours, all at once."""
    strides, targets = (4, 8), random_targets(6, seed=1)
    places = places_of(*strides)
    generator = torch.Generator().manual_seed(2)
    output = {
        "cls_logits": torch.randn(6, len(places), 10, generator=generator),
        "bbox_regression": torch.rand(6, len(places), 4, generator=generator) * 4,
        "bbox_ctrness": torch.randn(6, len(places), 1, generator=generator),
    }
    theirs = _torchvision_losses(output, targets, strides)
    ours = kind().loss({**output, "places": places}, targets)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def _torchvision_losses(output, targets, strides) -> torch.Tensor:
    class Backbone(torch.nn.Module):
        out_channels = 32

    generator = AnchorGenerator(sizes=tuple((stride,) for stride in strides), aspect_ratios=((1.0,),) * len(strides))
    model = FCOS(Backbone(), num_classes=10, anchor_generator=generator)
    counts = [(64 // stride) ** 2 for stride in strides]
    maps = [torch.zeros(len(targets), 32, 64 // stride, 64 // stride) for stride in strides]
    anchors = generator(ImageList(torch.zeros(len(targets), 3, 64, 64), [(64, 64)] * len(targets)), maps)
    # torchvision's anchors stand at the upper left corners of the cells; FCOS's places are their centres.
    centred = [
        per_image + torch.cat([torch.full((count, 4), stride / 2.0) for count, stride in zip(counts, strides, strict=True)]) for per_image in anchors
    ]
    dicts = [{"boxes": rows[rows[:, 4] >= 0][:, :4], "labels": rows[rows[:, 4] >= 0][:, 4].long()} for rows in targets]
    losses = model.compute_loss(dicts, output, centred, counts)
    return sum(losses.values())


def test_decoding_gives_back_the_boxes_that_perfect_maps_say():
    detection = kind(max_boxes=4)
    places = places_of(8)
    target = torch.tensor([[[10.0, 10, 34, 34, 3], [40, 36, 60, 60, 7], [0, 0, 0, 0, PADDING]]])
    taken = assign(places, target[..., :4], target[..., 4].long())[0]
    logits = torch.full((1, len(places), 10), -20.0)
    sides = torch.zeros(1, len(places), 4)
    for place, row in enumerate(taken.tolist()):
        if row >= 0:
            x, y, stride = places[place]
            x1, y1, x2, y2, label = target[0, row]
            logits[0, place, int(label)] = 20.0
            sides[0, place] = torch.stack([x - x1, y - y1, x2 - x, y2 - y]) / stride
    rows = detection.decode(
        {"cls_logits": logits, "bbox_regression": sides, "bbox_ctrness": torch.full((1, len(places), 1), 20.0), "places": places}
    )[0]
    found = sorted(rows[rows[:, 4] >= 0][:, :5].round(3).tolist())
    assert found == [[10, 10, 34, 34, 3], [40, 36, 60, 60, 7]]
    assert (rows[2:, 4] == PADDING).all()


def test_boxes_stay_with_their_image_and_best_come_first():
    detection = kind(max_boxes=2)
    rows = torch.tensor([[0.0, 0, 9, 9, 1, 0.5], [20, 20, 30, 30, 1, 0.9], [40, 40, 50, 50, 1, 0.7], [0, 0, 9, 9, 2, 0.6], [0, 0, 9, 9, 2, 0.01]])
    kept = detection._suppress(rows, torch.tensor([0, 0, 0, 2, 2]), images=3)
    assert kept.shape == (3, 2, 6)
    np.testing.assert_allclose(kept[0, :, 5].numpy(), [0.9, 0.7])
    assert (kept[1, :, 4] == PADDING).all()
    assert kept[2, :, 4].tolist() == [2, PADDING]


def test_a_doubled_box_is_suppressed_within_its_class_only():
    rows = torch.tensor([[0.0, 0, 10, 10, 1, 0.9], [0, 0, 10, 11, 1, 0.8], [0, 0, 10, 11, 2, 0.7]])
    kept = kind()._suppress(rows, torch.zeros(3, dtype=torch.long), images=1)[0]
    assert kept[kept[:, 4] >= 0][:, 5].tolist() == [0.8999999761581421, 0.699999988079071]


def test_one_class_per_place_suppresses_across_classes():
    rows = torch.tensor([[0.0, 0, 10, 10, 1, 0.9], [0, 0, 10, 11, 1, 0.8], [0, 0, 10, 11, 2, 0.7], [20, 20, 30, 30, 2, 0.6]])
    kept = kind(one_class_per_place=True)._suppress(rows, torch.tensor([0, 0, 0, 0]), images=1)[0]
    assert kept[kept[:, 4] >= 0][:, 4:].tolist() == rows[[0, 3], 4:].tolist()
    of_two_images = kind(one_class_per_place=True)._suppress(rows, torch.tensor([0, 1, 1, 1]), images=2)
    assert [int((boxes[:, 4] >= 0).sum()) for boxes in of_two_images] == [1, 2]


def test_map_of_perfect_and_of_wrong_boxes():
    detection = kind()
    target = torch.tensor([[[10.0, 10, 34, 34, 3]]])
    for shown, expected in (([10.0, 10, 34, 34, 3, 0.9], 1.0), ([40.0, 40, 60, 60, 3, 0.9], 0.0)):
        measurement = detection.measurement()
        measurement.boxes = lambda output: output
        measurement.update(torch.tensor([[shown]]), target)
        assert measurement.compute() == {"map": expected, "map_50": expected}
