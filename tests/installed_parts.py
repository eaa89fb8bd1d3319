"""A package of parts as somebody else would write it. ``test_installed_parts.py`` installs it with an entry point for each registry."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from mtl_core.analysis.evaluation.findings import Findings, KindEvaluation
from mtl_core.backbones.mlp import MLP
from mtl_core.balancing.balancer import LossWeighting
from mtl_core.config import RunConfig
from mtl_core.data.augmentation.augmentation import Augmentation, AugmentationOptions
from mtl_core.data.data_source import DataSource, SourceOptions
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.imports.formats import Format, FormatOptions, Guess, Targets
from mtl_core.data.preprocessing.denoiser import Denoiser, DenoiserOptions
from mtl_core.data.target_geometry import GEOMETRIES
from mtl_core.events import Metric
from mtl_core.lessons.lesson import Lesson, Outcome
from mtl_core.plane.landscape import Landscape
from mtl_core.sharing.model import Group, Learnt, MultiTaskModel, SharingOptions
from mtl_core.studies.study_kind import Cell, Comparison, StudyKind
from mtl_core.tasks.kind import TaskKind
from mtl_core.tasks.pretext.rotation import Rotation
from mtl_core.tasks.regression import Regression
from mtl_core.training.step import JointStep

USED: set[str] = set()
PLAIN = {
    **{"data": {"name": "theirs"}, "tasks": {"level": {}}, "backbone": {"name": "mlp"}, "batch_size": 16, "epochs": 1, "device": "cpu"},
    **{"precision": "fp32", "layout": "contiguous", "probe_samples": 2},
}


class Balancer(LossWeighting):
    """A sum."""

    title = summary = "Theirs"

    def combine(self, losses, present):
        USED.add("mtl_core.balancers")
        return losses[present].sum()


class Backbone(MLP):
    """An MLP."""

    def forward(self, images):
        USED.add("mtl_core.backbones")
        return super().forward(images)


class SharingChoices(SharingOptions):
    """Options of late cross-stitch."""

    own: float = Field(0.9, ge=0, le=1, description="Share of its own network in what a head reads at first.")


class Sharing(MultiTaskModel):
    """Late cross-stitch: a network for each task; each head reads a learnt mixture of all networks' features (after Misra et al. 2016, eq. 1)."""

    title, summary, Options = "Late cross-stitch", "A network for each task, mixed once before the heads.", SharingChoices

    def build_features(self, make_backbone, options):
        count = len(self.tasks)
        self.columns = torch.nn.ModuleList(make_backbone() for _ in self.tasks)
        start = torch.full((count, count), (1 - options.own) / max(1, count - 1)).fill_diagonal_(options.own if count > 1 else 1.0)
        self.units = torch.nn.ParameterList(start.clone() for _ in self.columns[0].features)
        return self.columns[0].features

    def features(self, images, tasks):
        USED.add("mtl_core.sharing_schemes")
        levels = [torch.stack(level) for level in zip(*(column(images) for column in self.columns), strict=True)]
        rows = {task: self.tasks.index(task) for task in tasks}
        return {task: [torch.tensordot(unit[row], level, 1) for unit, level in zip(self.units, levels, strict=True)] for task, row in rows.items()}

    def groups(self):
        columns = zip(self.tasks, self.columns, strict=True)
        mixing = [Group(f"unit {number}", [unit], self.tasks) for number, unit in enumerate(self.units)]
        return [*(Group(f"column of {task}", column.parameters(), self.tasks) for task, column in columns), *mixing, *self.head_groups()]

    def learnt(self, images):
        return [Learnt(f"unit {number}", self.tasks, self.tasks, unit.detach().cpu()) for number, unit in enumerate(self.units)]


class Update(JointStep):
    """The joint step."""

    def __call__(self, batch, number):
        USED.add("mtl_core.updates")
        return super().__call__(batch, number)


class Kind(Regression):
    """A number, as it is."""

    def __init__(self, task, options, statistics):
        TaskKind.__init__(self, task, options, statistics)
        self.mean, self.std = 0.0, 1.0

    def loss(self, output, target):
        USED.add("mtl_core.task_kinds")
        return super().loss(output, target)


class Evaluation(KindEvaluation):
    """How many images there were."""

    count = 0

    def update(self, predictions, targets, rows):
        self.count += len(rows)

    def compute(self):
        USED.add("mtl_core.evaluations")
        return Findings([(Metric("count", "Images", "", True), self.count)])


class Pretext(Rotation):
    """Rotation."""

    def view(self, images, generator):
        USED.add("mtl_core.self_supervised_tasks")
        return super().view(images, generator)


class Smoother(Denoiser):
    """Nothing is done."""

    title, summary, source, Options = "Theirs", "Theirs.", "", DenoiserOptions

    def __call__(self, image):
        USED.add("mtl_core.denoisers")
        return image


class Source(DataSource):
    """Grey images and how bright they are."""

    title, summary, Options = "Theirs", "Theirs.", SourceOptions

    def tasks(self):
        return (Task("level", "regression", "level"), Task("own", "their_kind", "level"))

    def image_shape(self):
        return (1, 8, 8)

    def split_sizes(self):
        return {"train": 32, "val": 8, "test": 8}

    def build(self, split, progress):
        USED.add("mtl_core.data_sources")
        count = self.split_sizes()[split]
        images = np.random.default_rng(len(split)).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
        return MultiTaskDataset(images, {"level": images.mean((1, 2, 3)).astype(np.float32) / 255}, {"level": np.ones(count, bool)})


class Shapes(Format):
    """The first letter of an image's name is its class."""

    title, summary, Options = "Theirs", "Theirs.", FormatOptions

    @classmethod
    def guess(cls, context, images):
        return [Guess({}, labelled={"letter": len(context.index.keys)})]

    def read(self, context):
        USED.add("mtl_core.import_formats")
        return [Targets("letter", "classification", ("a", "b"), values={key: "ab".index(key[0]) for key in context.index.keys})]


class NegativeOptions(AugmentationOptions):
    """When it is done."""

    negative: float = Field(0.0, ge=0, le=1, description="Share of the images that become their negative.")
    softly: bool = Field(False, description="Half-way only.")


class Negative(Augmentation):
    """Negatives."""

    title, summary, Options = "Negative", "Theirs.", NegativeOptions
    follows = frozenset(GEOMETRIES)  # nothing moves

    def draw(self, count, size, random):
        return {"negative": random.random(count) < self.config.negative}

    def apply(self, sample, drawn):
        USED.add("mtl_core.augmentations")
        assert self.config.softly is False
        sample.images = torch.where(drawn["negative"][:, None, None, None], 255 - sample.images, sample.images)


class Plain(Landscape):
    """A slope for each task."""

    title, summary, bounds, starts, step = "Theirs", "Theirs.", (-1.0, 1.0, -1.0, 1.0), ((0.0, 0.0),), 0.1

    def losses(self, points):
        USED.add("mtl_core.landscapes")
        return points

    def lowest(self):
        return -100.0, -100.0


class Question(StudyKind):
    """One cell more for twice the epochs."""

    title, summary = "Are more epochs better?", "Trains the config as it is and with twice its epochs."

    @staticmethod
    def cells(base, options):
        USED.add("mtl_core.study_kinds")
        return [Cell("once", "once", base), Cell("twice", "twice", base.with_overrides([f"epochs={2 * base.epochs}"]))]

    @staticmethod
    def comparisons(base, options, cells):
        return [Comparison("twice", "twice against once", dict.fromkeys(base.tasks, "once"))]


class Course(Lesson):
    """A lesson without runs."""

    def config(self, value):
        return RunConfig.from_dict(PLAIN)

    def outcome(self, first, second):
        return Outcome("yes")

    def outcome_of(self, first, second):
        USED.add("mtl_core.lessons")
        return Outcome("yes")


ENTRIES = {
    "mtl_core.balancers": {"theirs": "Balancer"},
    "mtl_core.backbones": {"theirs": "Backbone"},
    "mtl_core.sharing_schemes": {"theirs": "Sharing"},
    "mtl_core.updates": {"theirs": "Update"},
    "mtl_core.task_kinds": {"their_kind": "Kind"},
    "mtl_core.evaluations": {"their_kind": "Evaluation"},
    "mtl_core.self_supervised_tasks": {"theirs": "Pretext"},
    "mtl_core.denoisers": {"theirs": "Smoother"},
    "mtl_core.data_sources": {"theirs": "Source"},
    "mtl_core.import_formats": {"theirs": "Shapes"},
    "mtl_core.augmentations": {"negative": "Negative"},
    "mtl_core.landscapes": {"theirs": "Plain"},
    "mtl_core.study_kinds": {"theirs": "Question"},
    "mtl_core.lessons": {"theirs": "Course"},
}
