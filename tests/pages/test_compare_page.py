"""The Compare page: charts per task, groups of seeds, a baseline, columns, predictions side by side."""

import json

import pytest

from mtl_core.events import RunEnded, RunStarted
from mtl_core.runs import actions
from mtl_core.runs.claims import held_by_us
from tests.pages.conftest import INFO, config
from ui.compare.compare_groups import curve_of, groups_of
from ui.compare.compare_predictions import nearest
from ui.compare.fitting_columns import ROOM, fitting, short_heads
from ui.compare.table_columns import TableColumns, from_text, to_text
from ui.drawing.run_charts import scalars_feed
from ui.drawing.table_sizes import head_width
from ui.shell.run_picker import LETTERS, box_texts, names_apart


@pytest.fixture
def seeds(in_state, store):
    """Two seeds of one config and a run with another batch size."""
    return [in_state("finished", name="", seed=seed) for seed in (0, 1)] + [in_state("finished", name="another", batch_size=8)]


def test_one_run_is_said_in_the_singular(open_page, in_state, texts):
    in_state("finished")
    said = texts(open_page("compare"))
    assert "1 run · the newest is selected" in said


def test_boxes_have_the_name_alone_until_two_are_alike(in_state):
    one, other = in_state("finished", name="a"), in_state("finished", name="b")
    assert list(names_apart([one, other]).values()) == ["a", "b"]
    same = in_state("finished", name="a")
    told = names_apart([one, other, same])
    assert told[other.id] == "b"
    assert [told[run.id].split("  ·  ")[::2] for run in (one, same)] == [["a", one.id[-4:]], ["a", same.id[-4:]]]


def test_boxes_show_both_ends_of_long_names(in_state):
    """Those of one sweep begin alike. Two that differ only in their middle have their ids."""
    long = "all tasks in one network, learning rate {rate}, width 16, batches of 64 images, seed {seed}"
    runs = [in_state("finished", name=long.format(rate=rate, seed=seed)) for rate, seed in ((0.1, 1), (0.1, 2), (0.3, 2))]
    told = names_apart(runs)
    ends = ["seed 1", *(f"seed 2  ·  {run.id[-4:]}" for run in runs[1:])]
    for run, end in zip(runs, ends, strict=True):
        assert (told[run.id][:16], told[run.id][-len(end) :]) == ("all tasks in one", end)
    assert max(map(len, told.values())) <= LETTERS


def test_any_part_of_a_long_name_finds_its_run(in_state, open_page):
    """In a box by what is typed, which looks for the text of the choice, and in the search of Compare."""
    name = "all tasks in one network, learning rate 0.1, width 16, batches of 64 images, seed 1"
    run, other = in_state("finished", name=name), in_state("finished", name="a")
    told = box_texts([run, other])
    assert name in told[run.id]
    assert told[other.id] == "a"
    assert told[run.id].startswith(names_apart([run, other])[run.id])  # what the closed box shows
    boxes = [box for page in ("compare", "run", "predictions") for box in open_page(page, run=run.id).selectbox]
    of_runs = [[text for text in box.options if text.startswith("all tasks")] for box in boxes]
    assert sum(map(len, of_runs)) >= 2
    assert all(name in text for texts in of_runs for text in texts)
    app = open_page("compare")
    app.text_input(key="filter.text").set_value("width 16, batches").run()
    [table] = app.dataframe
    assert len(table.value) == 1


def charts(app):
    return sum(element.proto.component_name == "live_plot" for element in app.get("bidi_component"))


def test_a_chart_for_each_task_and_metric(open_page, seeds):
    app = open_page("compare", runs=",".join(run.id for run in seeds))
    assert charts(app) == 2
    app.multiselect(key="compare.metrics").set_value(["main metric", "loss"]).run()
    assert not app.exception
    assert charts(app) == 4
    app.toggle(key="compare.anything").set_value(True).run()
    assert charts(app) == 5


def test_runs_with_other_numbers_of_steps_per_epoch_say_so(open_page, seeds, store, texts):
    chosen = ",".join(run.id for run in seeds)
    assert "An epoch has" not in texts(open_page("compare", runs=chosen))
    store.append(seeds[2].id, RunStarted(6, {**INFO, "steps_per_epoch": 1200}))
    store.append(seeds[2].id, RunEnded("finished", 4, 2.0, 10.0, 1.0))
    app = open_page("compare", runs=chosen)
    assert "An epoch has 2 to 1,200 steps in these runs" in texts(app)
    app.segmented_control(key="view.axis").set_value("epoch").run()
    assert not app.exception
    assert "An epoch has" not in texts(app)


def test_seeds_are_one_line_and_can_be_separated(open_page, seeds, texts):
    app = open_page("compare", runs=",".join(run.id for run in seeds))
    assert "one standard deviation over the seeds" in texts(app)
    app.toggle(key="compare.by_seed").set_value(False).run()
    assert "one standard deviation over the seeds" not in texts(app)


def test_a_baseline_is_subtracted(open_page, seeds, texts):
    app = open_page("compare", runs=",".join(run.id for run in seeds))
    app.selectbox(key="compare.baseline").set_value(seeds[2].id).run()
    assert not app.exception
    assert "Values minus those of another" in texts(app)
    assert "above 0 is better than the baseline" in texts(app)
    assert "below 0 is better than the baseline" in texts(app)


def test_what_is_drawn_is_what_is_stored(store, seeds):
    chosen = [store.get(run.id) for run in seeds]
    groups = groups_of(chosen, store.places([run.id for run in chosen]), by_seed=True)
    assert [len(group.runs) for group in groups] == [2, 1]
    assert [group.name for group in groups] == ["without ink · 3 epochs · 2 seeds", "another"]
    frames = {run.id: scalars_feed(store, run.id)["rows"] for run in chosen}
    pair = curve_of(groups[0], frames, "val/digit/accuracy", "epoch")
    assert list(pair.x) == [1, 2]
    assert list(pair.y) == pytest.approx([0.5, 0.6])
    assert [list(edge) for edge in pair.band] == [pytest.approx([0.5, 0.6])] * 2  # both seeds have the same values here
    less = curve_of(groups[1], frames, "val/digit/accuracy", "epoch", groups[0])
    assert list(less.y) == pytest.approx([0.0, 0.0])


def test_runs_of_different_names_are_called_as_the_first_without_its_seed(store, in_state):
    runs = [store.get(in_state("finished", name=name, seed=seed).id) for name, seed in (("mine · seed 7", 7), ("another", 8))]
    [group] = groups_of(runs, store.places([run.id for run in runs]), by_seed=True)
    assert group.name == "mine · 2 seeds"


def test_a_second_run_of_a_seed_is_no_further_seed(store, in_state):
    runs = [store.get(in_state("finished", name="mine", seed=seed).id) for seed in (7, 8, 7)]
    groups = groups_of(runs, store.places([run.id for run in runs]), by_seed=True)
    assert [[run.config.seed for run in group.runs] for group in groups] == [[7, 8], [7]]
    assert [group.name for group in groups] == ["mine · 2 seeds", "mine"]


def test_the_names_of_settings_that_differ_are_not_cut_off(open_page, in_state):
    runs = [in_state("finished", conflict_every=every) for every in (10, 20)]
    app = open_page("compare", runs=",".join(run.id for run in runs))
    [table] = app.table  # unlike a dataframe it wraps its texts
    assert list(table.value.index) == ["Steps between measurements of conflict"]
    assert sorted(table.value.to_numpy()[0]) == ["10", "20"]


@pytest.mark.parametrize("count", [2, 6])
def test_the_whole_names_of_runs_stand_above_their_settings(open_page, in_state, count):
    names = [f"a network of {number} tasks · seed {number} · Should these many tasks share one network, or not?" for number in range(count)]
    runs = [in_state("finished", conflict_every=10 + place, name=name) for place, name in enumerate(names)]
    app = open_page("compare", runs=",".join(run.id for run in runs))
    [table] = app.table
    assert sorted(head.replace("\\", "") for head in table.value.columns) == names


def test_columns_are_chosen_and_kept(open_page, seeds):
    app = open_page("compare")
    chosen = app.multiselect(key="compare.columns").value
    assert "Accuracy of digit ↑ best" in chosen
    assert not any(name.endswith(" last") for name in chosen)
    app.multiselect(key="compare.columns").set_value(["status", "Accuracy of digit ↑ last"]).run()
    assert not app.exception
    app.text_input(key="filter.text").set_value("another").run()
    assert app.multiselect(key="compare.columns").value == ["status", "Accuracy of digit ↑ last"]
    other = open_page("compare")  # another viewer, or the same one tomorrow
    assert other.multiselect(key="compare.columns").value == ["status", "Accuracy of digit ↑ last"]


def columns_of(app):
    """Column of the table of runs -> its settings, for those that are shown."""
    proto = app.dataframe[0].proto
    found = json.loads(proto.columns)
    return {name: found[name] for name in proto.column_order}


@pytest.fixture
def of_two_sets(store):
    """Runs with seven tasks in all."""
    for data, names in (("digit_scenes", ["present", "boxes", "segments", "count"]), ("digits", ["digit", "slant", "ink"])):
        values = config(name=data, data={"name": data}, tasks={name: {} for name in names}, backbone={"name": "small_cnn"})
        run = store.create(values, columns=held_by_us("cpu"))
        store.append(run.id, RunStarted(6, {**INFO, "tasks": dict.fromkeys(names, INFO["tasks"]["digit"])}))
        store.append(run.id, RunEnded("finished", 4, 2.0, 10.0, 1.0))
    return run


def test_the_first_columns_stand_beside_each_other_at_1280(open_page, store, of_two_sets, in_state):
    """The metrics have short heads, and what is the same in all rows is left out."""
    app = open_page("compare")
    shown = columns_of(app)
    metrics = ["digit ↑", "slant ↑", "ink ↑", "present ↑", "boxes ↑", "segments ↑", "count ↑"]
    assert [each["label"] for each in shown.values()] == ["Run", "Further settings", *metrics, "time"]
    assert sum(each["width"] for each in shown.values()) <= ROOM
    actions.pin(store, of_two_sets.id)
    in_state("stopped", name="another")
    shown = columns_of(app.run())
    assert list(shown)[:3] == ["pin", "name", "status"]
    assert sum(each["width"] for each in shown.values()) <= ROOM


def test_chosen_columns_are_shown_however_wide_they_are(open_page, of_two_sets):
    app = open_page("compare")
    choice = app.multiselect(key="compare.columns")
    choice.set_value([*choice.value, "epochs", "data", "backbone", "balancing", "made"]).run()
    assert not app.exception
    assert list(columns_of(app))[-5:] == ["epochs", "data", "backbone", "balancing", "made"]
    assert sum(each.get("width") for each in columns_of(app).values()) > ROOM


def test_few_metrics_are_named_in_full(open_page, seeds):
    assert [each["label"] for each in columns_of(open_page("compare")).values()][1:] == [
        *("Further settings", "status", "epochs", "Accuracy of digit ↑", "MAE of slant ↓", "time", "made")
    ]


def test_columns_are_left_out_as_far_as_the_room_asks():
    widths = {"a": 100, "b": 200, "c": 300, "d": 50}
    needed = ["c", "b", "a", "d"]
    assert fitting(widths, needed, 650) == ["a", "b", "c", "d"]
    assert fitting(widths, needed, 649) == ["a", "b", "c"]
    assert fitting(widths, needed, 599) == ["b", "c", "d"]
    assert fitting(widths, needed, 50) == ["d"]
    assert head_width("ink") == 80
    assert head_width("Accuracy of digit") == 26 + 7 * 17
    assert head_width("准确率准确率") == 26 + 14 * 6
    heads = {"x": ("Accuracy of x ↑", "x ↑"), "y": ("F1 of x ↑", "x ↑"), "z": ("F1 of z ↑", "z ↑")}
    assert short_heads(heads, 0, 1000) == {"x": "Accuracy of x ↑", "y": "F1 of x ↑", "z": "F1 of z ↑"}
    assert short_heads(heads, 1000, 1000) == {"x": "Accuracy of x ↑", "y": "F1 of x ↑", "z": "z ↑"}  # two metrics of x cannot be told apart else


def test_what_was_chosen_of_columns_is_read_back():
    chosen = TableColumns(("status", "a"), ("status", "a", "b"), "wide")
    assert from_text(to_text(chosen)) == chosen
    assert chosen.among(["a", "b", "new", "status"], ["a", "b", "new"]) == ["status", "a", "new"]  # b was taken away, new has just appeared
    for text in ("", "[", "3", '{"shown": 3, "known": [1], "width": "huge"}', "x" * 30_000):
        assert from_text(text) == TableColumns()


def test_columns_are_as_wide_as_was_chosen(open_page, seeds):
    app = open_page("compare")

    def width() -> int:
        return json.loads(app.dataframe[0].proto.columns)["name"]["width"]

    assert width() == 243, "the longest name and no more, for which there is room"
    app.segmented_control(key="compare.columns.width").set_value("narrow").run()
    assert not app.exception
    assert width() == 170


def test_predictions_stand_beside_each_other(open_page, seeds, texts):
    app = open_page("compare", runs=",".join(run.id for run in seeds))
    assert "Predictions on the same images" in texts(app)
    assert texts(app).count("after epoch 2") == 3
    app.select_slider[0].set_value(1).run()
    assert not app.exception
    assert texts(app).count("after epoch 1") == 3


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0), (3, 2), (4, 4), (9, 4)])
def test_a_run_without_that_epoch_shows_the_one_before(epoch, expected):
    assert nearest([0, 2, 4], epoch) == expected
