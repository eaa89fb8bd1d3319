"""The sections of the article that this project comes from, and what here shows each of its statements, or where it was measured otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from mtl_core.language import mark

TITLE = "将多任务学习应用于计算机视觉中：提高模型的性能和准确度"


@dataclass(frozen=True)
class Section:
    """One numbered section.

    Attributes:
        number, title: as in the article; the title in English.
        says: what it states.
        here: what this project has for it, or what was measured.
        lesson: name of a lesson that shows it; may be empty.
        page: a page of the dashboard (its file's name); may be empty.
        document: a page in ``docs`` or ``benchmarks``, seen from ``docs``; may be empty.
    """

    number: str
    title: str
    says: str
    here: str
    lesson: str = ""
    page: str = ""
    document: str = ""


SECTIONS = (
    Section(
        "1.1",
        mark("Background"),
        "Vision models meet limits of accuracy; multi-task learning is to raise them.",
        "Measured otherwise in part: whether sharing helps depends on tasks and network. Lessons 2 and 3 have a case of each.",
        "helping_tasks",
        "studies",
        "studies.md",
    ),
    Section(
        "1.2", mark("Purpose"), "Principle, process, examples, optimisation, trends.", "This tour, the lessons, and the guide.", "", "", "guide.md"
    ),
    Section("1.3", mark("Readers"), "Engineers, researchers, beginners.", "Lesson 1 begins without any knowledge of the field.", "one_task"),
    Section(
        "2.1",
        "Basic ideas",
        "Several related tasks are learnt at the same time, with or without labels, and share what they know.",
        "One network with a head for each task; tasks with labels and self-supervised ones in any mixture.",
        "self_supervision",
        "train",
        "self-supervised.md",
    ),
    Section(
        "2.2.1",
        "Algorithm: preprocess, divide, train, evaluate",
        "Noise is removed and data standardised; each task has a subset; each subset has its own strategy, such as Adam or roulette.",
        "Preprocessing with a preview; images shared or divided among tasks; an optimizer for each task; roulette as a balancing method.",
        "missing_labels",
        "train",
        "train.md",
    ),
    Section(
        "2.2.2",
        "Applications in vision",
        "Sharing raises accuracy, speeds up detection and sharpens segmentation.",
        "Measured: in three studies of 5 seeds sharing helped one task of eight (boxes on digit scenes), hurt four, and for three the seeds "
        "cannot tell. One network took 0.5 to 0.65 of the time of a network for each task.",
        "several_seeds",
        "studies",
        "../benchmarks/README.md#the-articles-claims-python--m-benchmarksoutcomesclaims",
    ),
    Section(
        "2.2.3",
        mark("Formula"),
        "theta(t+1) = theta(t) + alpha * sum of theta_i.",
        "Taken literally it diverges, which was measured. With theta_i as the change of a task's own copy it works: the update task_vectors.",
        "",
        "train",
        "task-vectors.md#why-the-articles-formula-is-not-taken-literally",
    ),
    Section(
        "2.2.4",
        "Code of examples",
        "Three programs: an MLP 784-64-32-10 with Adam, 10 epochs, batches of 32; and two named after segmentation and detection.",
        "The presets mnist-mlp (the first as written: one task) and mnist-mlp-tasks (the same network with three tasks). The other two programs "
        "sort four whole numbers into 10 and 2 classes and have no masks or boxes, so they are no presets. The preset digit-scenes trains both.",
        "one_task",
        "train",
        "train.md",
    ),
    Section(
        "3.1",
        mark("Environment"),
        "Keras and TensorFlow are installed.",
        "Two commands of the README; PyTorch in place of Keras.",
        "",
        "",
        "../README.md",
    ),
    Section(
        "3.2",
        "Core modules",
        "Preprocess, divide, choose models such as CNNs, train in parallel, evaluate how tasks generalise.",
        "Backbones from an MLP to vision transformers; train, val and test apart; the generalisation gap on every chart.",
        "overfitting",
        "run",
        "train.md#what-the-tasks-share",
    ),
    Section("3.3", "Integration and test", "The modules become one training process.", "The Train page, and one command.", "", "train", "cli.md"),
    Section("4.1", mark("Scenario"), "Classification gains by multi-task learning.", "A case in which it does, with 5 of 5 seeds.", "helping_tasks"),
    Section(
        "4.2",
        mark("Example"),
        "MNIST is divided and trained for several tasks in parallel.",
        "The article's code trains one task. The preset mnist-mlp-tasks trains three.",
        "fighting_tasks",
        "train",
        "train.md",
    ),
    Section("4.4", "Explanation of the code", "The six steps again.", "As for 3.2.", "sharing_depth", "run", "sharing.md"),
)
# What the article announces in its introduction and does not contain: optimisation, trends, questions and answers.
ANNOUNCED = (
    Section(
        "–",
        mark("Optimisation"),
        "Announced in 1.2; the article has no such section.",
        "Balancing methods, sharing schemes and their measured costs.",
        "conflicting_gradients",
        "race",
        "balancing-gradients.md",
    ),
    Section(
        "–",
        mark("Trends"),
        "Announced in 1.2; the article has no such section.",
        "Affinities and groups of tasks, searched trees.",
        "",
        "studies",
        "studies.md",
    ),
    Section(
        "–",
        "Questions and answers",
        "Announced in 1.2; the article has no such section.",
        "Thirteen questions, answered below from our own runs.",
        "several_seeds",
        "studies",
        "learn.md#questions-and-answers",
    ),
)
