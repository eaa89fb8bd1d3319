"""What every kind of study promises, and the cells of each."""

import pytest

from mtl_core.config_fingerprint import fingerprint
from mtl_core.studies import study_actions as studies
from mtl_core.studies.kinds import STUDY_KINDS
from mtl_core.studies.study_kind import simplex

EXAMPLES = {
    "share": {},
    "methods": {"methods": ["pcgrad", {"name": "cagrad", "c": 0.4}], "sweep": 4},
    "together": {},
    "weights": {"parts": 4},
    "labels": {"fractions": [0.5, 1.0]},
    "axes": {"axes": {"optimizer.lr": [0.001, 0.01], "backbone": [{"name": "mlp"}, {"name": "small_cnn"}]}},
}


def drafted(kind, base, **options):
    return studies.draft(kind, base, {"options": EXAMPLES[kind] | options}, range(3))


def test_every_kind_has_an_example():
    assert set(EXAMPLES) == set(STUDY_KINDS)


@pytest.mark.parametrize("kind", list(STUDY_KINDS))
def test_cells_are_different_and_comparisons_name_them(base, kind):
    study = drafted(kind, base)
    keys = [cell.key for cell in study.cells]
    assert len(set(keys)) == len({cell.label for cell in study.cells}) == len({fingerprint(cell.config) for cell in study.cells}) == len(keys)
    assert study.comparisons
    configs = {cell.key: cell.config for cell in study.cells}
    for comparison in study.comparisons:
        assert comparison.cell in keys
        for task, baseline in comparison.baselines.items():
            assert task in configs[comparison.cell].tasks
            assert task in configs[baseline].tasks
    assert study.part.title.endswith("?")
    assert study.part.summary.endswith(".")
    for name, field in study.part.Options.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize(
    ("kind", "options", "labels"),
    [
        ("methods", {"methods": ["nash_mtl", {"name": "cagrad", "c": 0.4}]}, ["fixed weights", "Nash-MTL", "CAGrad (c 0.4)"]),
        ("axes", {"axes": {"optimizer.lr": [0.01], "backbone": ["mlp", {"name": "small_cnn", "width": 8}]}}, None),
        ("axes", {"axes": {"sharing": ["cross_stitch", "mtan"], "tasks.ink.loss_weight": [2]}}, ["Cross-stitch, ink ×2", "Attention (MTAN), ink ×2"]),
        ("axes", {"axes": {"balancing.name": ["dwa", "db_mtl"], "batch_size": [16]}}, None),
    ],
)
def test_cells_are_named_in_words_and_not_by_keys(base, kind, options, labels):
    found = [cell.label for cell in drafted(kind, base, **options).cells]
    assert not any(sign in label for label in found for sign in "_{}[]'")
    assert labels is None or found[: len(labels)] == labels


@pytest.mark.parametrize("kind", list(STUDY_KINDS))
def test_a_study_is_made_again_from_the_store(store, base, kind):
    made = studies.create(store, drafted(kind, base))
    assert [(cell.key, cell.config) for cell in studies.get(store, made.id).cells] == [(cell.key, cell.config) for cell in drafted(kind, base).cells]


def test_share_has_equal_epochs_or_equal_compute(base):
    equal = {cell.key: cell.config for cell in drafted("share", base).cells}
    assert {config.epochs for config in equal.values()} == {2}
    compute = {cell.key: cell.config for cell in drafted("share", base, budget="compute").cells}
    assert {key: config.epochs for key, config in compute.items()} == {"alone.digit": 2, "alone.slant": 2, "alone.ink": 2, "joint": 6}


def test_a_task_alone_has_no_method_and_its_own_images(base):
    base = base.with_overrides(["balancing.name=pcgrad", "tasks.ink.loss_weight=3", "data.partition.kind=disjoint", "select_by=[digit]"])
    alone = {cell.key: cell.config for cell in drafted("share", base).cells}["alone.ink"]
    assert (list(alone.tasks), alone.balancing.name, alone.tasks["ink"].loss_weight, alone.select_by) == (["ink"], "fixed", 1.0, [])
    assert alone.data.partition.among == ["digit", "slant", "ink"]


def test_every_group_of_three_tasks(base):
    assert [cell.key for cell in drafted("together", base).cells] == [
        "digit",
        "slant",
        "ink",
        "digit+slant",
        "digit+ink",
        "slant+ink",
        "digit+slant+ink",
    ]


def test_label_fractions_multiply_what_the_config_has(base):
    base = base.with_overrides(["tasks.digit.label_fraction=0.5"])
    cells = {cell.key: cell.config for cell in drafted("labels", base).cells}
    assert cells["digit.0.5"].tasks["digit"].label_fraction == 0.25
    assert cells["slant.0.5"].tasks["digit"].label_fraction == 0.5


def test_the_grid_of_weights():
    assert simplex(2, 4) == [(0.5, 1.5), (1.0, 1.0), (1.5, 0.5)]
    assert len(simplex(3, 6)) == 10
    assert all(sum(point) == pytest.approx(3) for point in simplex(3, 6))
    assert simplex(3, 2) == []


def test_methods_keep_their_options_and_meet_a_sweep(base):
    cells = {cell.key: cell for cell in drafted("methods", base).cells}
    assert cells["method.cagrad.c=0.4"].config.balancing.options == {"c": 0.4}
    assert [key for key, cell in cells.items() if cell.weights] == ["baseline", *(key for key in cells if key.startswith("weights."))]
    assert len([key for key in cells if key.startswith("weights.")]) == 3


def test_another_order_of_the_tasks_is_another_run(base):
    other = base.model_copy(update={"tasks": dict(reversed(base.tasks.items()))})
    assert list(other.tasks) != list(base.tasks)
    assert fingerprint(other) != fingerprint(base) == fingerprint(base.model_copy(update={"name": "another"}))
