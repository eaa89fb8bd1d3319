"""Questions and answers, which the article announces and does not contain: each is answered from runs of this project, and says from which."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        asked: the question.
        answer: what came out here, and of how many seeds.
        lesson: name of a lesson that trains the runs; may be empty.
        page: a page of the dashboard where one's own tasks answer it; may be empty.
        table: heading of the table in ``benchmarks/README.md`` that has the numbers; may be empty.
        document: page in ``docs``, seen from ``docs``, on how it was measured; may be empty.
    """

    asked: str
    answer: str
    lesson: str = ""
    page: str = ""
    table: str = ""
    document: str = ""


QUESTIONS = (
    Question(
        "Does multi-task learning raise accuracy?",
        "Not in itself: in three studies of 5 seeds one task of eight gained (boxes on digit scenes) and four lost. It does where a second task "
        "brings pictures that the first has no labels for: in lesson 2 with each of 5 seeds.",
        lesson="helping_tasks",
        page="studies",
        table="The article's claims",
        document="studies.md#does-sharing-improve-accuracy-segmentation-and-speed",
    ),
    Question(
        "Is one shared network faster?",
        "Yes. For one image on a CPU it took 0.5 to 0.65 of the time of a network for each task. The page of every run measures this for its "
        "own network, under “Cost”.",
        page="run",
        table="The article's claims",
        document="studies.md#what-it-costs",
    ),
    Question(
        "Can tasks harm each other?",
        "Yes, where they share a network that is too narrow for all. In lesson 3 the slant's error was clearly larger together with each of 5 "
        "seeds, and in the preset digits-fight it was three times that of a network of its own.",
        lesson="fighting_tasks",
        page="studies",
        table="Do the tasks fight, and does a method undo it",
        document="conflict.md",
    ),
    Question(
        "Which loss weights are best?",
        "Often none. In lesson 5 a larger weight made the slant better and the digit worse with each of 5 seeds. A study of weights draws the "
        "front from which one chooses.",
        lesson="weights_by_hand",
        page="studies",
        table="Lessons",
        document="studies.md#search-of-weights",
    ),
    Question(
        "Can a method set the weights?",
        "Yes, but it does not know which task matters. On MultiMNIST, after 5 epochs with 3 seeds, uncertainty weighting was 0.16 points "
        "ahead of equal weights; seven gradient methods could not be told from equal weights.",
        lesson="learnt_weights",
        page="race",
        table="Balancing on MultiMNIST",
        document="balancing-loss-weighting.md",
    ),
    Question(
        "Does a method undo a conflict of gradients?",
        "It changes who pays. In the preset digits-fight Nash-MTL gave back four fifths of what the slant had lost, and the digit lost 9 "
        "points of accuracy; 5 seeds. In lesson 7 PCGrad helped the slant with 3 of 5 seeds.",
        lesson="conflicting_gradients",
        page="race",
        table="Do the tasks fight, and does a method undo it",
        document="balancing-gradients.md",
    ),
    Question(
        "How much should be shared?",
        "As much as the tasks agree on. In lesson 8, with a last layer for each task, all three tasks became clearly better with 3 of 5 "
        "seeds, and two of them with the others, for few further numbers.",
        lesson="sharing_depth",
        page="studies",
        table="Lessons",
        document="sharing.md",
    ),
    Question(
        "Which tasks should be trained together?",
        "That has to be measured for the tasks at hand. A study of groups trains them, or predicts from one run who helps whom, and says how "
        "well the prediction agreed with the gains.",
        page="studies",
        document="studies.md#affinities-which-tasks-together-from-one-run",
    ),
    Question(
        "Must every picture be labelled for every task?",
        "No. In lesson 9, with 3 of 100 of the digit's labels, the digit became worse and the slant did not, with each of 5 seeds.",
        lesson="missing_labels",
        page="data",
        table="Lessons",
        document="train.md",
    ),
    Question(
        "Do tasks without labels help?",
        "Some do. With 5 labels for each digit, features from reconstruction or contrast read 85 to 88% of the digits, a random network 66%, "
        "rotation and jigsaw 56 to 60%; 2 seeds. In lesson 10 the digit gained clearly with 3 of 5 seeds.",
        lesson="self_supervision",
        page="train",
        table="Features without labels",
        document="self-supervised.md",
    ),
    Question(
        "Does the article's formula work?",
        "Not to the letter: with it the parameters doubled in each round and the loss diverged; one seed. With the change of a task's copy in "
        "place of its parameters it trains.",
        page="train",
        document="task-vectors.md#why-the-articles-formula-is-not-taken-literally",
    ),
    Question(
        "How do I see that a network only learns by heart?",
        "From the gap between training pictures and val. In lesson 11 more pictures made it clearly smaller with each of 5 seeds.",
        lesson="overfitting",
        page="run",
        table="Lessons",
        document="train.md#what-the-runs-page-shows",
    ),
    Question(
        "Is one comparison enough?",
        "No. In lesson 12 the interval of 5 pairs of runs left it open whether sharing helps, for each of 5 first seeds. A study of several "
        "seeds says how sure it is.",
        lesson="several_seeds",
        page="studies",
        table="Verdicts of simulated studies",
        document="studies.md#how-far-the-intervals-can-be-trusted",
    ),
)
