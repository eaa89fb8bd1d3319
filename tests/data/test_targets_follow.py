"""Every target follows every move of its picture, or the config is refused in words. Marked and measured in the moved picture itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.config_sections import AugmentationConfig, DataConfig, PreprocessingConfig
from mtl_core.data import DATA_SOURCES, open_source
from mtl_core.data.augmentation import AUGMENTATIONS, WITH_FIELDS, fitting
from mtl_core.data.augmentation.augmentation import Augmentation
from mtl_core.data.augmentation.pipeline import Pipeline
from mtl_core.data.batches import Batches
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.preprocessing.steps import preprocessing
from mtl_core.data.sources.celeba import POINTS
from mtl_core.data.sources.digit_pixels import BOX_TASK, DIGIT_TASK, INK_TASK, SLANT_TASK, ink, slant
from mtl_core.data.target_geometry import FOLLOWING, GEOMETRIES, geometry_of, refusal, resize_misfits
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS
from mtl_core.training.check import problems

HEIGHT, WIDTH = 60, 90  # not square: an exchange of x and y, of height and width shows
MOVES = {
    "flip": {"flip": True},
    "shift": {"shift": 9},
    "crop": {"crop": 0.3},
    "rotation": {"rotation": 40.0},
    "scale": {"scale": 0.3},
    "cutout": {"cutout": 0.5},
    "mixup": {"mixup": 0.5},
    "brightness": {"brightness": 0.2},
    "contrast": {"contrast": 0.2},
    "saturation": {"saturation": 0.2},
}
SIZES = {"resize_stretch": "stretch", "resize_pad": "pad", "resize_crop": "crop"}


def coordinate(name: str, geometry: str) -> Task:
    point = name[0]
    other = {"p": "q", "q": "p"}[point]
    axis = name[1]
    return Task(name, "regression", name, geometry=geometry, beside=f"{point}{'y' if axis == 'x' else 'x'}", mirror=f"{other}{axis}")


def dots(count: int = 24):
    """Pictures with a dot p on the left, in red, and its partner q on the right, in green; and the points that name them."""
    random = np.random.default_rng(0)
    images = np.zeros((count, 3, HEIGHT, WIDTH), np.uint8)
    places = {"p": random.uniform([25, 22], [42, 38], (count, 2)), "q": random.uniform([48, 22], [65, 38], (count, 2))}
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    for channel, point in enumerate("pq"):
        for row, (x, y) in enumerate(places[point]):
            images[row, channel] = np.rint(255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 2.5**2)))
    return images, places


def centre_of(image: np.ndarray) -> np.ndarray:
    """Weighed by brightness, in continuous positions: (x, y)."""
    weight = image.astype(np.float64)
    weight[weight < 8] = 0  # the border of a blurred dot
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


def as_targets(places, shares: bool) -> dict[str, torch.Tensor]:
    size = np.array([WIDTH, HEIGHT]) if shares else 1
    values = {point: place / size for point, place in places.items()}
    return {f"{point}{'xy'[axis]}": torch.from_numpy(values[point][:, axis].astype(np.float32)) for point in "pq" for axis in (0, 1)}


def tasks_of(shares: bool) -> dict[str, Task]:
    return {name: coordinate(name, ("share_" if shares else "") + name[1]) for name in ("px", "py", "qx", "qy")}


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("move", ["flip", "shift", "crop", "rotation", "scale", "cutout", "all"])
def test_a_point_stays_on_its_dot(move, shares):
    images, places = dots()
    settings = {"flip": True, "shift": 5, "crop": 0.1, "rotation": 20.0, "scale": 0.1} if move == "all" else MOVES[move]
    tasks = tasks_of(shares)
    pipeline = Pipeline(AugmentationConfig(**settings), [0.0] * 3, tasks=tasks)
    drawn = pipeline.draw(len(images), (HEIGHT, WIDTH), np.random.default_rng(1))
    moved = pipeline.apply(torch.from_numpy(images), as_targets(places, shares), drawn)
    seen = 0
    size = np.array([WIDTH, HEIGHT]) if shares else 1
    for row in range(len(images)):
        found = {point: np.array([float(moved.targets[f"{point}{axis}"][row]) for axis in "xy"]) * size for point in "pq"}
        flipped = bool(drawn[0]["flip"][row]) if "flip" in settings else False
        for point in "pq":
            channel = "pq".index({"p": "q", "q": "p"}[point] if flipped else point)  # p is the one on the left, whichever colour it has
            picture = moved.images[row, channel].float().numpy()
            inside = (found[point] > 9).all() and (found[point] < [WIDTH - 9, HEIGHT - 9]).all() and picture.max() > 200
            if inside and not (move == "cutout" and np.abs(centre_of(picture) - places[point][row]).max() > 0.5):
                assert np.abs(centre_of(picture) - found[point]).max() < 0.5, (row, point)
                seen += 1
        if flipped and move == "flip":
            assert found["p"][0] < found["q"][0]
    assert seen > 20


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("how", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("new", [(30, 45), (64, 64), (40, 120), (120, 50)])
def test_a_point_stays_on_its_dot_when_its_picture_is_resized(how, new, shares):
    images, places = dots(6)
    apply = preprocessing(PreprocessingConfig(resize=how, height=new[0], width=new[1]))
    size = np.array([new[1], new[0]]) if shares else 1
    for row, image in enumerate(images):
        picture, targets = apply(image, {name: values[row].numpy() for name, values in as_targets(places, shares).items()}, tasks_of(shares))
        for channel, point in enumerate("pq"):
            found = np.array([targets[f"{point}{axis}"] for axis in "xy"]) * size
            margin = 10 * np.array(new[::-1]) / (WIDTH, HEIGHT)
            if (found > margin).all() and (found < np.array(new[::-1]) - margin).all():
                dot = np.where(picture[channel] > 40, picture[channel] - 8.0, 0)  # bars have the mean colour
                assert np.abs(centre_of(dot) - found).max() < 1.0, (row, point)
        assert all(values.dtype == np.float32 for values in targets.values())


def lines(angles) -> np.ndarray:
    """Pictures of a soft line through the middle that leans by an angle."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    turn = np.radians(angles)[:, None, None]
    away = (columns - WIDTH / 2) * np.cos(turn) + (rows - HEIGHT / 2) * np.sin(turn)
    along = (columns - WIDTH / 2) * np.sin(turn) - (rows - HEIGHT / 2) * np.cos(turn)
    return np.rint(255 * np.exp(-(away**2) / 8 - along**2 / 160)).astype(np.uint8)[:, None]


def axis_of(image: np.ndarray) -> float:
    """Leaning of the longest axis, degrees, from the second moments."""
    weight = np.where(image > 8, image, 0).astype(np.float64)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    x, y = (values - (values * weight).sum() / weight.sum() for values in (columns, rows))
    xx, yy, xy = ((a * b * weight).sum() for a, b in ((x, x), (y, y), (x, y)))
    return float(np.degrees(0.5 * np.arctan2(-2 * xy, yy - xx)))


@pytest.mark.parametrize("move", ["flip", "shift", "crop", "rotation", "scale"])
def test_a_leaning_line_leans_as_its_tilt_says(move):
    angles = np.linspace(-60, 60, 24)
    task = Task("lean", "regression", "lean", geometry="tilt")
    settings = {"shift": 3} if move == "shift" else {"crop": 0.1} if move == "crop" else MOVES[move]
    pipeline = Pipeline(AugmentationConfig(**settings), [0.0], tasks={"lean": task})
    drawn = pipeline.draw(24, (HEIGHT, WIDTH), np.random.default_rng(2))
    moved = pipeline.apply(torch.from_numpy(lines(angles)), {"lean": torch.from_numpy(angles.astype(np.float32))}, drawn)
    assert not np.allclose(moved.targets["lean"], angles) or move in ("shift", "crop", "scale")
    for picture, angle in zip(moved.images[:, 0].float().numpy(), moved.targets["lean"].tolist(), strict=True):
        assert abs((axis_of(picture) - angle + 90) % 180 - 90) < 1.5


@pytest.mark.parametrize("new", [(60, 45), (30, 90)])
def test_a_leaning_line_leans_otherwise_when_it_is_stretched(new):
    angles = np.array([-40.0, -10, 0, 25, 50])
    apply = preprocessing(PreprocessingConfig(resize="stretch", height=new[0], width=new[1]))
    task = Task("lean", "regression", "lean", geometry="tilt")
    for angle, picture in zip(angles, lines(angles), strict=True):
        _, targets = apply(picture, {"lean": np.float32(angle)}, {"lean": task})
        expected = np.degrees(np.arctan(np.tan(np.radians(angle)) * (new[1] / WIDTH) / (new[0] / HEIGHT)))
        assert float(targets["lean"]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("geometry", "power"), [("depth", -1), ("inverse_depth", 1), ("length", 1), ("area", 2)])
@pytest.mark.parametrize("move", ["crop", "scale"])
def test_what_depends_on_the_enlargement_follows_it(move, geometry, power):
    is_map = geometry.endswith("depth")
    task = Task("t", "depth" if is_map else "regression", "t", geometry=geometry)
    pipeline = Pipeline(AugmentationConfig(**MOVES[move]), [0.0], tasks={"t": task})
    drawn = pipeline.draw(8, (HEIGHT, WIDTH), np.random.default_rng(0))
    zoom = np.sqrt(np.linalg.det(drawn[0]["forward"][:, :2, :2]))
    target = torch.full((8, HEIGHT, WIDTH), 0.25) if is_map else torch.full((8,), 0.25)
    moved = pipeline.apply(torch.zeros(8, 1, HEIGHT, WIDTH, dtype=torch.uint8), {"t": target}, drawn).targets["t"]
    expected = torch.from_numpy(0.25 * zoom**power).float()
    torch.testing.assert_close(moved, expected.view(-1, 1, 1).expand_as(moved) if is_map else expected, rtol=1e-5, atol=0)


def test_inverse_depth_is_one_over_the_depth_of_the_same_picture():
    tasks = {"near": Task("near", "depth", "near"), "inverse": Task("inverse", "depth", "inverse", geometry="inverse_depth")}
    depth = torch.rand(4, HEIGHT, WIDTH) + 1
    pipeline = Pipeline(AugmentationConfig(flip=True, shift=4, crop=0.5, rotation=20, scale=0.3), [0.0], tasks=tasks)
    drawn = pipeline.draw(4, (HEIGHT, WIDTH), np.random.default_rng(0))
    moved = pipeline.apply(torch.zeros(4, 1, HEIGHT, WIDTH, dtype=torch.uint8), {"near": depth, "inverse": 1 / depth}, drawn).targets
    torch.testing.assert_close(moved["inverse"] * moved["near"], torch.ones_like(depth))


@pytest.mark.parametrize("move", ["shift", "crop", "rotation", "scale", "cutout", "flip"])
@pytest.mark.parametrize(("task", "measure"), [(INK_TASK, ink), (SLANT_TASK, slant)])
def test_what_is_measured_from_the_pixels_follows_or_is_refused(move, task, measure):
    """Measured anew on the moved picture: R2 of ink under the largest shift was 0.54."""
    data = open_source(DataConfig(name="digits", image_size=16))
    split = data.build("test", lambda share, what: None)
    config = AugmentationConfig(**({"shift": 4} if move == "shift" else MOVES[move]))
    if fitting.misfits(config, [task], (16, 16)):
        return
    pipeline = Pipeline(config, [0.1], tasks={task.target: task})
    drawn = pipeline.draw(len(split), (16, 16), np.random.default_rng(0))
    moved = pipeline.apply(torch.from_numpy(split.images), {task.target: torch.from_numpy(split.targets[task.target])}, drawn)
    anew = measure(moved.images.round().to(torch.uint8).numpy())
    said = moved.targets[task.target].numpy()
    assert 1 - np.square(said - anew).sum() / np.square(anew - anew.mean()).sum() > 0.99


@pytest.mark.parametrize("move", list(FOLLOWING))
@pytest.mark.parametrize("name", list(DATA_SOURCES))
def test_every_task_of_every_data_set_has_a_say_on_every_move(name, move):
    """Nothing is passed that no table knows."""
    source_class = DATA_SOURCES.load(name)
    for task in source_class(source_class.Options()).tasks():
        assert geometry_of(task) in GEOMETRIES, task
        if geometry_of(task) not in FOLLOWING[move]:
            assert refusal(move, task)


def test_every_kind_is_known_or_refused():
    for kind in TASK_KINDS:
        if kind in SELF_SUPERVISED:
            continue
        task = Task("t", kind, "t")
        assert geometry_of(task) in GEOMETRIES or all(refusal(move, task) for move in ("flip", "shift", "crop", "rotation", "scale", "cutout"))
    assert {TASK_KINDS.load(kind).geometry for kind in TASK_KINDS} <= {"", *GEOMETRIES}
    assert set(MOVES) | set(SIZES) == set(FOLLOWING)
    assert {setting for name in WITH_FIELDS for setting in AUGMENTATIONS.load(name).settings} == set(MOVES)


@pytest.mark.parametrize("task", [Task("n", "regression", "n", unit="pixels"), Task("k", "kind_of_nobody", "k")])
@pytest.mark.parametrize("move", ["flip", "shift", "crop", "rotation", "scale", "cutout"])
def test_a_target_of_which_nothing_is_said_is_refused(task, move):
    [problem] = fitting.misfits(AugmentationConfig(**MOVES[move]), [task], (64, 64))
    assert problem.field == f"augmentation.{move}"
    assert f"{task.name} can't follow: nothing says what" in problem.message
    assert resize_misfits("stretch", [task], (64, 64), (32, 48))
    assert not resize_misfits("none", [task], (64, 64), (32, 48))
    stated = replace(task, geometry="whole")
    assert not fitting.misfits(AugmentationConfig(**MOVES[move]), [stated], (64, 64))


def test_an_augmentation_from_outside_takes_along_what_it_names(monkeypatch):
    class Swirl(Augmentation):
        title, summary, settings = "Swirl", "Stirs the picture.", ("shift",)

    task = Task("n", "classification", "n")
    assert refusal("swirl", task, Swirl.follows)
    Swirl.follows = frozenset({"whole"})
    assert not refusal("swirl", task, Swirl.follows)


@pytest.mark.parametrize(("settings", "task"), [({"rotation": 180}, DIGIT_TASK), ({"rotation": 90}, BOX_TASK)])
def test_a_six_turned_round_is_a_nine(settings, task):
    [problem] = fitting.misfits(AugmentationConfig(**settings), [task], (32, 32))
    assert "at most 45" in problem.message
    assert not fitting.misfits(AugmentationConfig(rotation=20), [task], (32, 32))


def config(**values) -> RunConfig:
    return RunConfig.from_dict(
        {"data": {"name": "digits", "image_size": 16}, "tasks": {"slant": {}, "ink": {}, "digit": {}}, "backbone": {"name": "small_cnn"}, **values}
    )


def test_the_config_is_refused_in_words():
    found = {problem.field for problem in problems(config(augmentation={"shift": 2, "cutout": 0.3}))}
    assert found == {"augmentation.shift", "augmentation.cutout"}
    resized = {"name": "digits", "image_size": 16, "preprocessing": {"resize": "crop", "height": 16, "width": 32}}
    [first, second] = problems(config(data=resized))
    assert first.field == second.field == "data.preprocessing.resize"


def test_a_geometry_that_only_the_config_states_is_not_resized_in_silence(tmp_path):
    """What is prepared knows the data set's tasks only."""
    number = Task("n", "regression", "n")
    for geometry, refused in (("", True), ("x", True), ("whole", False), ("count", False)):
        stated = replace(number, geometry=geometry)
        assert bool(resize_misfits("stretch", [stated], (64, 64), (32, 32), {"n": number})) == refused


def test_half_the_size_halves_the_landmark():
    """It stayed at 60 of 64 pixels."""
    source = open_source(DataConfig(name="celeba"))
    tasks = {task.target: task for task in source.tasks()}
    apply = preprocessing(PreprocessingConfig(resize="stretch", height=64, width=64))
    _, moved = apply(np.zeros((3, 128, 128), np.uint8), {name: np.float32(60) for name in POINTS}, tasks)
    assert moved == dict.fromkeys(POINTS, 30)


def test_a_run_that_learns_one_coordinate_reads_its_companions():
    """A turn needs y, a mirror needs the right eye; neither is a task of the run."""
    source = open_source(DataConfig(name="celeba"))
    tasks = {task.name: task for task in source.tasks()}
    values = {name: np.full(8, 20.0 + place, np.float32) for place, name in enumerate(POINTS)}
    data = MultiTaskDataset(np.zeros((8, 3, 64, 64), np.uint8), values, {name: np.ones(8, bool) for name in POINTS})
    statistics = {"mean": [0.5] * 3, "std": [0.2] * 3}
    batches = Batches(data, ["left_eye_x"], statistics, 8, augmentation=AugmentationConfig(flip=True), tasks=tasks)
    found = next(iter(batches.epoch(0))).targets["left_eye_x"].tolist()
    assert set(found) == {20.0, 64 - 22.0}  # as it is, and where the right eye stood
