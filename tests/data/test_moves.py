"""The property of every move: the picture of a dot, and whatever names the dot, land together. Sizes, places and moves are hypothesis' choice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from mtl_core.config_sections import AugmentationConfig, PreprocessingConfig
from mtl_core.data.augmentation.pipeline import Pipeline
from mtl_core.data.dataset import PADDING, Task
from mtl_core.data.imports.checking.frames import RESIZES, place_boxes, place_image, place_map, placement
from mtl_core.data.moves import moved
from mtl_core.data.preprocessing.steps import preprocessing
from mtl_core.data.target_geometry import FOLLOWING, GEOMETRIES, refusal
from mtl_core.inference.fit import HOW, fit, into_frame, moved_back
from mtl_core.tasks.keypoints import Keypoints
from tests.data.example_settings import ADDED, GENTLE

AUGMENTATIONS = {
    "flip": {"flip": True},
    "shift": {"shift": 6},
    "crop": {"crop": 0.4},
    "rotation": {"rotation": 60.0},
    "scale": {"scale": 0.3},
    "brightness": {"brightness": 0.2},
    "all": {"flip": True, "shift": 4, "crop": 0.2, "rotation": 20.0, "scale": 0.2},
    **{name: GENTLE[name] for name in ADDED},
}
FOLLOWS = {setting: augmentation.follows for augmentation in ADDED.values() for setting in augmentation.settings}
PLACES = {"x": lambda x, y, h, w: x, "y": lambda x, y, h, w: y, "share_x": lambda x, y, h, w: x / w, "share_y": lambda x, y, h, w: y / h}
MAPS = ("mask", "depth", "inverse_depth", "normals")
RADIUS = 3.0  # of the dot, in pixels

sides = st.integers(32, 64)
pairs = st.tuples(sides, sides)  # height, width
shares = st.floats(0.25, 0.75)
quick = settings(max_examples=30, deadline=None, derandomize=True)


def the_dot(size: tuple[int, int], x: float, y: float) -> np.ndarray:
    """uint8 (1, H, W): bright within ``RADIUS`` of a place, with a soft edge."""
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    away = np.hypot(columns - x, rows - y)
    return np.rint(255 * np.clip(RADIUS + 0.5 - away, 0, 1)).astype(np.uint8)[None]


def targets_of(dot: np.ndarray, x: float, y: float) -> tuple[dict[str, np.ndarray], dict[str, Task]]:
    """The dot in every geometry that names a place, one row each."""
    (height, width), on = dot.shape[1:], dot[0] > 127
    tasks = {name: Task(name, "regression", name, geometry=name) for name in PLACES}
    for one, other in (("x", "y"), ("y", "x"), ("share_x", "share_y"), ("share_y", "share_x")):
        tasks[one] = Task(one, "regression", one, geometry=one, beside=other)
    tasks |= {"points": Task("points", "keypoints", "points", ("dot",)), "boxes": Task("boxes", "detection", "boxes", ("dot",))}
    tasks |= {name: Task(name, {"mask": "segmentation", "normals": "normals"}.get(name, "depth"), name, geometry=name) for name in MAPS}
    targets = {name: np.float32(place(x, y, height, width)) for name, place in PLACES.items()}
    targets["points"] = np.array([[x / width, y / height, 2]], np.float32)
    targets["boxes"] = np.array([[x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS, 0], [0, 0, 0, 0, PADDING]], np.float32)
    targets["mask"] = on.astype(np.uint8)
    targets["depth"] = np.where(on, 9, 1).astype(np.float32)
    targets["inverse_depth"] = targets["depth"]
    targets["normals"] = np.stack([on, np.zeros_like(on), ~on]).astype(np.float16)
    return targets, tasks


def centre(weight: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


def seen(picture: np.ndarray) -> np.ndarray:
    """Where the dot is in a moved picture (H, W); the example is left out where its edge is near the picture's."""
    weight = np.where(picture > 100, picture.astype(np.float64), 0)
    assume(weight.any())
    rows, columns = np.nonzero(weight)
    height, width = picture.shape
    assume(rows.min() > 1 and columns.min() > 1 and rows.max() < height - 2 and columns.max() < width - 2)
    return centre(weight)


def named(targets: dict[str, np.ndarray], geometry: str, size: tuple[int, int]) -> np.ndarray:
    """Where a target says that the dot is, in pixels; NaN for a coordinate that it does not name."""
    value = np.asarray(targets[geometry], np.float64)
    height, width = size
    if geometry in PLACES:
        pixels = float(value) * {"share_x": width, "share_y": height}.get(geometry, 1)
        return np.array([pixels, np.nan] if geometry.endswith("x") else [np.nan, pixels])
    if geometry == "points":
        assert value[0, 2] == 2
        return value[0, :2] * (width, height)
    if geometry == "boxes":
        assert value[0, 4] == 0
        return (value[0, :2] + value[0, 2:4]) / 2
    if geometry == "normals":
        return centre(np.abs(value[0]) > 0.5)
    return centre(value == 1) if geometry == "mask" else centre(np.nan_to_num(value) > (np.nanmin(value) + np.nanmax(value)) / 2)


def lands(targets: dict[str, np.ndarray], picture: np.ndarray, left_out: tuple[str, ...] = ()) -> None:
    place = seen(picture)
    for geometry in (*PLACES, "points", "boxes", *MAPS):
        if geometry not in left_out:
            assert np.nanmax(np.abs(named(targets, geometry, picture.shape) - place)) < 1.0, geometry


@pytest.mark.parametrize("move", list(AUGMENTATIONS))
@quick
@given(height=sides, width=sides, x=shares, y=shares, seed=st.integers(0, 10_000))
def test_the_dot_and_its_names_land_together_under_augmentation(move, height, width, x, y, seed):
    dot = the_dot((height, width), x * width, y * height)
    targets, tasks = targets_of(dot, x * width, y * height)
    used = AUGMENTATIONS[move]
    refused = tuple(name for name, task in tasks.items() if any(refusal(setting, task, FOLLOWS.get(setting)) for setting in used))
    pipeline = Pipeline(AugmentationConfig(**used), [0.0], tasks=tasks)
    drawn = pipeline.draw(1, (height, width), np.random.default_rng(seed))
    after = pipeline.apply(torch.from_numpy(dot)[None], {name: torch.from_numpy(np.asarray(value)[None]) for name, value in targets.items()}, drawn)
    lands({name: value[0].numpy() for name, value in after.targets.items()}, after.images[0, 0].float().numpy(), refused)


@pytest.mark.parametrize("how", ["stretch", "pad", "crop"])
@quick
@given(height=sides, width=sides, x=shares, y=shares, new=st.tuples(sides, sides))
def test_the_dot_and_its_names_land_together_when_resized(how, height, width, x, y, new):
    dot = the_dot((height, width), x * width, y * height)
    targets, tasks = targets_of(dot, x * width, y * height)
    picture, after = preprocessing(PreprocessingConfig(resize=how, height=new[0], width=new[1]))(dot, targets, tasks)
    lands(after, picture[0])


@pytest.mark.parametrize("how", list(RESIZES))
@quick
@given(height=sides, width=sides, x=shares, y=shares, new=st.tuples(sides, sides))
def test_the_dot_and_its_names_land_together_when_imported(how, height, width, x, y, new):
    dot, place = the_dot((height, width), x * width, y * height), placement(how, (width, height), new[::-1])
    targets, _ = targets_of(dot, x * width, y * height)
    picture = np.asarray(place_image(Image.fromarray(dot[0]), (width, height), place))
    point = np.array([[x * width, y * height, 2.0]])
    after = {
        "points": Keypoints.imported_row(np.zeros((1, 3), np.float32), point, place),
        "boxes": place_boxes(targets["boxes"][:1], place),
        "mask": place_map(targets["mask"], place, 255),
        "depth": place_map(targets["depth"], place, np.nan),
    }
    where = seen(picture)
    for geometry in after:
        assert np.abs(named(after, geometry, picture.shape) - where).max() < 1.0, geometry


@pytest.mark.parametrize("how", HOW)
@quick
@given(height=sides, width=sides, x=shares, y=shares, new=st.tuples(sides, sides))
def test_what_is_found_in_the_frame_lies_on_the_dot_of_the_image(how, height, width, x, y, new):
    dot, placed = the_dot((height, width), x * width, y * height), fit((height, width), new, how)
    frame = into_frame(dot[0, :, :, None], placed)[..., 0]
    at = seen(frame)
    across, down = placed.factors[1] * RADIUS, placed.factors[0] * RADIUS
    found = {
        "points": np.array([[at[0] / new[1], at[1] / new[0], 2.0]]),
        "boxes": np.array([[at[0] - across, at[1] - down, at[0] + across, at[1] + down, 0, 0.9]]),
        "mask": (frame > 127).astype(np.uint8),
        "depth": np.where(frame > 127, 9, 1).astype(np.float32),
        "inverse_depth": np.where(frame > 127, 9, 1).astype(np.float32),
    }
    for geometry, row in found.items():
        back = moved_back(row, geometry, placed)
        assert np.abs(named({geometry: back}, geometry, (height, width)) - (x * width, y * height)).max() < 1.5, geometry


@pytest.mark.parametrize("second", HOW)
@pytest.mark.parametrize("first", HOW)
@quick
@given(size=pairs, source=pairs, frame=pairs, x=shares, y=shares)
def test_a_point_found_after_two_placements_lies_on_the_dot_of_the_image(first, second, size, source, frame, x, y):
    """The data set resizes the image, then preprocessing does."""
    dot, one = the_dot(size, x * size[1], y * size[0]), fit(size, source, first)
    two = replace(fit(source, frame, second), before=one)
    at = seen(into_frame(into_frame(dot[0, :, :, None], one), two)[..., 0])
    back = moved_back(np.array([[at[0] / frame[1], at[1] / frame[0], 0.9]]), "points", two)
    assert np.abs(back[0, :2] * size[::-1] - (x * size[1], y * size[0])).max() < 2.0  # two roundings to pixels
    assert back[0, 2] == 0.9


@pytest.mark.parametrize("resized", list(RESIZES))
@pytest.mark.parametrize("imported", list(RESIZES))
@quick
@given(size=pairs, source=pairs, frame=pairs, x=shares, y=shares, seed=st.integers(0, 10_000))
def test_an_imported_point_stays_on_its_dot_through_preprocessing_and_augmentation(imported, resized, size, source, frame, x, y, seed):
    dot, place = the_dot(size, x * size[1], y * size[0]), placement(imported, size[::-1], source[::-1])
    tasks = {"points": Task("points", "keypoints", "points", ("dot", "other"), mirror_points=(0, 1))}
    picture = np.array(place_image(Image.fromarray(dot[0]), size[::-1], place))[None]
    point = Keypoints.imported_row(np.zeros((2, 3), np.float32), np.array([[x * size[1], y * size[0], 2.0]]), place)
    seen(picture[0])
    steps = preprocessing(PreprocessingConfig(resize=resized, height=frame[0], width=frame[1]))
    picture, after = steps(picture, {"points": point}, tasks)
    seen(picture[0])
    pipeline = Pipeline(AugmentationConfig(**AUGMENTATIONS["all"]), [0.0], tasks=tasks)
    drawn = pipeline.draw(1, frame, np.random.default_rng(seed))
    ended = pipeline.apply(torch.from_numpy(picture.copy())[None], {"points": torch.from_numpy(after["points"])[None]}, drawn)
    at = seen(ended.images[0, 0].float().numpy())
    rows = ended.targets["points"][0].numpy()
    assert rows[1].tolist() == [0, 0, 0]  # the file has one point fewer than the task
    assert np.abs(named({"points": rows}, "points", frame) - at).max() < 1.5


def test_a_mirror_changes_the_points_that_are_each_others_image_and_no_padding():
    points = torch.tensor([[[0.2, 0.5, 2.0], [0.7, 0.4, 1.0], [0.0, 0.0, 0.0]]] * 2)
    task = Task("p", "keypoints", "p", ("left", "right", "top"), mirror_points=(1, 0, 2))
    pipeline = Pipeline(AugmentationConfig(flip=True), [0.0], tasks={"p": task})
    after = pipeline.apply(torch.zeros(2, 1, 10, 30, dtype=torch.uint8), {"p": points}, [{"flip": np.array([True, False])}]).targets["p"]
    torch.testing.assert_close(after[0], torch.tensor([[0.3, 0.4, 1.0], [0.8, 0.5, 2.0], [0.0, 0.0, 0.0]]))
    assert torch.equal(after[1], points[1])


def test_a_point_that_leaves_the_picture_is_absent_and_one_under_a_hole_is_hidden():
    task = Task("p", "keypoints", "p", ("a", "b"))
    points = torch.tensor([[[0.95, 0.5, 2.0], [0.5, 0.5, 2.0]]])
    shifted = Pipeline(AugmentationConfig(shift=5), [0.0], tasks={"p": task})
    after = shifted.apply(torch.zeros(1, 1, 20, 40, dtype=torch.uint8), {"p": points}, [{"shift": np.array([[4, 0]])}]).targets["p"]
    torch.testing.assert_close(after, torch.tensor([[[0.0, 0.0, 0.0], [0.6, 0.5, 2.0]]]))
    hole = Pipeline(AugmentationConfig(cutout=0.5), [0.0], tasks={"p": task})
    after = hole.apply(torch.zeros(1, 1, 20, 40, dtype=torch.uint8), {"p": points}, [{"hole": np.array([[15, 5, 25, 15]])}]).targets["p"]
    assert after[0, :, 2].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("move", list(FOLLOWING))
@pytest.mark.parametrize("geometry", list(GEOMETRIES))
def test_what_cannot_follow_is_refused_in_words(move, geometry):
    task = Task("t", "a kind from elsewhere", "t", geometry=geometry, beside="other")
    assert bool(refusal(move, task)) == (geometry not in FOLLOWING[move])


def test_what_says_nothing_of_places_is_left_alone():
    values = np.arange(3)
    assert moved(values, "whole", None) is values  # type: ignore[arg-type]
    assert moved(values, "", None) is values  # type: ignore[arg-type]
