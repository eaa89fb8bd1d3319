"""Learning to branch: draws, gradients, the temperature; and the tree that it finds, as a network of its own."""

from __future__ import annotations

import pytest
import torch

from mtl_core.__main__ import main
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, NotPossibleError
from mtl_core.runs.chosen_sharing import chosen_config
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import open_store
from mtl_core.sharing.branch_tree import branch_text, read_branches
from mtl_core.sharing.ltb import Choice
from mtl_core.training.check import problems
from tests.sharing.test_learnt import CONFIG, TASKS, model_of

STAGES = ["stages.0", "stages.1", "stages.2"]


def decided(scores, tasks, **options):
    """A network whose nodes and tasks read what has the highest score: stage 2's nodes, then the tasks."""
    model = model_of("ltb", **options)
    with torch.no_grad():
        model.parents[0].logits.copy_(torch.tensor(scores).flatten())
        for choice, row in zip(model.ends.values(), tasks, strict=True):
            choice.logits.copy_(torch.tensor(row))
    return model.eval()


def test_the_temperature_falls_from_the_first_to_the_last_step():
    model = model_of("ltb", temperature=8.0, last_temperature=0.5)
    found = []
    for step in (1, 3, 5):
        model.at_step(step, 5)
        found.append(model.temperature)
    assert found == pytest.approx([8.0, 2.0, 0.5])


def test_parents_are_drawn_as_often_as_they_are_probable():
    choice, count = Choice(1, 3, speed=2.0).train(), 3000
    with torch.no_grad():
        choice.logits.copy_(torch.tensor([0.5, 0.2, 0.1]).log() / 2)
    torch.manual_seed(0)
    drawn = torch.tensor([choice(1.0).chosen[0] for _ in range(count)]).bincount(minlength=3) / count
    torch.testing.assert_close(drawn, torch.tensor([0.5, 0.2, 0.1]) / 0.8, atol=0.03, rtol=0)
    torch.testing.assert_close(choice.probabilities()[0], torch.tensor([0.5, 0.2, 0.1]) / 0.8)


def test_a_draw_is_one_hot_and_has_the_gradient_of_the_softmax():
    choice, temperature = Choice(2, 3, speed=4.0).train(), 0.7
    with torch.no_grad():
        choice.logits.copy_(torch.linspace(-0.3, 0.4, 6))
    torch.manual_seed(3)
    link = choice(temperature)
    torch.manual_seed(3)
    uniform = (-torch.empty(2, 3).exponential_().log()).double()
    score = 4 * choice.logits.detach().double().view(2, 3) + uniform
    assert link.chosen == tuple(score.argmax(1).tolist())
    assert link.weights.tolist() == [[float(parent == chosen) for parent in range(3)] for chosen in link.chosen]
    against = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0]])
    [found] = torch.autograd.grad((link.weights * against).sum(), [choice.logits])
    soft = (score / temperature).softmax(1)  # d soft_i / d score_k = soft_i (delta_ik - soft_k) / temperature
    inner = (soft * against).sum(1, keepdim=True)
    torch.testing.assert_close(found.double().view(2, 3), 4 * soft * (against - inner) / temperature, rtol=1e-4, atol=1e-6)


def plain_search(model, images):
    """The formula with dense sums, and with torch's own Gumbel-softmax for the draws: no node is left out."""
    draws = [torch.nn.functional.gumbel_softmax(choice.theta(), model.temperature, hard=True, dim=1) for choice in model._choices()]
    value = model.shared[0](images)
    outputs = [column[0](value) for column in model.nodes]
    read = [sum(draws[0][child, parent] * outputs[parent] for parent in range(3)) for child in range(3)]
    outputs = [column[1](value) for column, value in zip(model.nodes, read, strict=True)]
    ends = {task: sum(draws[1 + at][0, parent] * outputs[parent] for parent in range(3)) for at, task in enumerate(TASKS)}
    return {task: model.heads[task]([None, None, value]) for task, value in ends.items()}


def test_a_training_step_is_that_of_the_formula_written_out():
    """Outputs, and the gradients of nodes and probabilities, for several draws. A node that nobody reads has no gradient instead of one of 0."""
    model, images = model_of("ltb", warmup=0.0, speed=3.0), torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        for choice in model._choices():
            choice.logits.copy_(torch.linspace(-0.2, 0.3, choice.logits.numel()))
    model.at_step(3, 5)
    found = {name: [] for name in ("scheme", "formula")}
    for seed in range(4):
        for name, forward in (("scheme", model.train()), ("formula", lambda images: plain_search(model, images))):
            torch.manual_seed(seed)
            model.zero_grad()
            outputs = forward(images)
            sum((weight * output.square().sum() for weight, output in enumerate(outputs.values(), 1)), torch.zeros(())).backward()
            gradients = {key: torch.zeros_like(each) if each.grad is None else each.grad.clone() for key, each in model.named_parameters()}
            found[name].append((outputs, gradients))
    torch.testing.assert_close(found["scheme"], found["formula"], rtol=1e-4, atol=1e-6)


def test_in_the_warm_up_nothing_is_chosen_and_every_node_is_trained():
    model, seen = model_of("ltb", warmup=0.5).train(), set()
    torch.manual_seed(0)
    for _ in range(20):
        model.zero_grad()
        sum(output.sum() for output in model(torch.rand(2, 1, 8, 8)).values()).backward()
        assert all(choice.logits.grad is None for choice in model._choices())
        seen |= {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert seen == {name for name, _ in model.named_parameters() if "logits" not in name}
    model.at_step(6, 10)  # 5 of 9: behind the warm-up
    sum(output.sum() for output in model(torch.rand(2, 1, 8, 8)).values()).backward()
    assert any(choice.logits.grad is not None for choice in model._choices())


def test_nodes_that_nobody_reads_in_a_step_have_no_gradient():
    model = decided([[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]], [[9.0, 0, 0], [9.0, 0, 0], [0, 9.0, 0]], warmup=0.0, speed=100.0).train()
    sum(output.sum() for output in model(torch.rand(2, 1, 8, 8)).values()).backward()
    trained = [all(parameter.grad is not None for stage in column for parameter in stage.parameters()) for column in model.nodes]
    unread = [parameter.grad for stage in model.nodes[2] for parameter in stage.parameters()]
    assert trained == [True, True, False]
    assert unread == [None] * len(unread)


def test_the_chosen_tree_computes_what_the_search_computes():
    """a and c share node 2 of the last stage, b has node 1; both come from node 3 of the stage before."""
    model = decided([[0, 0, 1.0], [0, 0, 1.0], [1.0, 0, 0]], [[0, 1.0, 0], [1.0, 0, 0], [0, 1.0, 0]])
    assert model.chosen() == {"name": "tree", "branches": "a, c | b"}
    tree = model_of("tree", branches="a, c | b")
    for own, other in [(tree.nodes[0][0], model.shared[0]), (tree.nodes[1][0], model.nodes[2][0])]:
        own.load_state_dict(other.state_dict())
    tree.nodes[2][0].load_state_dict(model.nodes[1][1].state_dict())
    tree.nodes[2][1].load_state_dict(model.nodes[0][1].state_dict())
    tree.heads.load_state_dict(model.heads.state_dict())
    images = torch.rand(2, 1, 8, 8)
    for task, output in model(images).items():
        assert torch.equal(tree(images)[task], output), task


def test_loading_another_state_changes_the_choice():
    model, other = model_of("ltb"), decided([[1.0, 0, 0]] * 3, [[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]])
    assert model.chosen() is None
    model.load_state_dict(other.state_dict())
    images = torch.rand(2, 1, 8, 8)
    assert model.chosen() == other.chosen() == {"name": "tree", "branches": "a | b | c"}
    assert all(torch.equal(one, two) for one, two in zip(model(images).values(), other(images).values(), strict=True))


@pytest.mark.parametrize(
    "levels",
    [
        [[["a", "b", "c"]]] * 3,
        [[["a", "b", "c"]], [["a", "c"], ["b"]], [["a"], ["c"], ["b"]]],
        [[["a"], ["b", "c"]]] * 3,
    ],
)
def test_a_tree_is_read_as_it_is_written(levels):
    assert read_branches(branch_text(levels), TASKS, STAGES) == levels


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a, b", "'c' is missing"),
        ("a, b | c, d", "'d' is no task of this run"),
        ("a, b | c, a", "'a' is named twice"),
        ("a, b | c | ", "a name is empty"),
        ("a, b | c ; a, c | b", "a and c share stages.2, but not the stage before it"),
        ("a | b | c ; a | b | c ; a | b | c ; a | b | c", "the backbone has 3 stages"),
    ],
)
def test_what_is_no_tree_is_refused_in_words(text, said):
    with pytest.raises(ConfigError, match=r"sharing\.branches") as caught:
        read_branches(text, TASKS, STAGES)
    assert said in str(caught.value)
    config = RunConfig.from_dict({**CONFIG, "sharing": {"name": "tree", "branches": "digit | slant"}})
    assert ["'ink' is missing" in problem.message for problem in problems(config)] == [True]


@pytest.mark.parametrize(("text", "like"), [("", {"name": "hard"}), ("a | b | c ; a | b | c", {"name": "branched", "shared_stages": 1})])
def test_special_trees_are_hard_sharing_and_branched(text, like):
    name = like.pop("name")
    other, tree = model_of(name, **like), model_of("tree", branches=text)
    tree.load_state_dict(other.state_dict())
    images = torch.rand(2, 1, 8, 8)
    assert all(torch.equal(one, two) for one, two in zip(tree(images).values(), other(images).values(), strict=True))
    assert [(group.users, len(group.parameters)) for group in tree.groups()] != []
    assert sorted(map(sorted, (group.users for group in tree.groups()))) == sorted(map(sorted, (group.users for group in other.groups())))


def test_what_a_run_has_found_is_a_config_that_trains(home, shared_cache, capsys):
    store = open_store(home)
    store.cache = shared_cache
    searched = RunConfig.from_dict({**CONFIG, "sharing": {"name": "ltb", "warmup": 0.0}, "epochs": 1})
    run, plain = (execute(store, store.create(config).id) for config in (searched, RunConfig.from_dict(CONFIG)))
    found = chosen_config(store, run.id)
    assert problems(found) == []
    assert found.sharing.name == "tree"
    assert {**found.to_dict(), "sharing": None} == {**searched.to_dict(), "sharing": None}
    assert main(["runs", "branch", run.id]) == 0
    assert RunConfig.from_yaml(capsys.readouterr().out) == found
    with pytest.raises(NotPossibleError, match="'hard'"):
        chosen_config(store, plain.id)
    assert main(["runs", "branch", plain.id]) == 2
    assert "has chosen no network" in capsys.readouterr().err
