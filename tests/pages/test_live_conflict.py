"""The panel on conflict of a live run: its words, its map and its matrix come with the charts."""

import html
from itertools import combinations

import pytest

from mtl_core.analysis.conflict_summary import reading
from mtl_core.events import Message, RunStarted, StepScalars
from tests.pages.conftest import INFO
from tests.pages.html_words import html_words
from tests.pages.test_live_page import drawn, fed_texts  # noqa: F401 - a fixture


def test_sentences_on_conflict_come_with_the_charts(drawn, store, open_page):  # noqa: F811
    """Their part itself is drawn anew at every third refresh only."""

    def measured(step, cosine):
        values = {"conflict/digit/slant": cosine, "conflict_share/digit/slant": float(cosine < 0)}
        store.append(drawn.run.id, StepScalars(step, step / 2, values))
        store.append(drawn.run.id, Message("which stores the step at once"))

    def shown(app):
        bodies = [str(each.proto.body) for each in app.get("html")]
        return {name: next((body for body in bodies if name in body), "") for name in ("conflict-meaning", "conflict-pairs", "conflict-step")}

    assert not {"conflict-meaning", "conflict-pairs"} & set(fed_texts(drawn.page))  # nothing is measured yet: the part says why
    measured(5, -0.5)
    app = open_page("run", run=drawn.run.id)
    page = drawn.pages[-1]
    assert "digit and slant are below 0 at the only measurement." in shown(app)["conflict-meaning"]
    assert "measured only once," in shown(app)["conflict-pairs"]
    drawn.feed(page)
    assert not [name for name in drawn.sent[-1]["texts"] if name.startswith("conflict-")]
    for step in (6, 7):
        measured(step, -0.5)
    for _ in range(2):  # again at the second refresh: the browser may have missed the first message
        drawn.feed(page)
        fed = {name: text for name, text in drawn.sent[-1]["texts"].items() if name.startswith("conflict-")}
        assert "100% of 3 measurements" in fed["conflict-meaning"]
        assert fed["conflict-pairs"].startswith("digit and slant are in conflict")
    later = shown(open_page("run", run=drawn.run.id))
    assert [html.unescape(later[name]).partition(">")[2].partition("</div>")[0] for name in fed] == list(fed.values())


def test_the_matrix_of_the_newest_step_comes_with_the_charts_and_one_under_a_slider_is_drawn_with_it(drawn, store, open_page):  # noqa: F811
    def measured(step):
        store.append(drawn.run.id, StepScalars(step, step / 2, {"conflict/digit/slant": step / 10, "conflict_share/digit/slant": 0.0}))
        store.append(drawn.run.id, Message("which stores the step at once"))

    def fed():
        sent = drawn.feed(drawn.pages[-1])
        page = drawn.pages[-1]
        built = [page.charts[name].build(page.moment().feed["rows"]) for name in sent["charts"] if name == "conflict_whole"]
        return sent["texts"].get("conflict-step"), [figure.data[0].z[1][0] for figure in built]

    measured(5)
    measured(6)
    app = open_page("run", run=drawn.run.id)
    assert "Training step" not in [each.label for each in app.select_slider]
    assert fed() == (None, [])
    measured(7)
    assert fed() == ("At step 7", [pytest.approx(0.7)])
    assert "conflict" not in drawn.pages[-1].outdated(drawn.pages[-1].moment())
    app.toggle(key=f"conflict.chosen.{drawn.run.id}").set_value(True).run()
    slider = next(each for each in app.select_slider if each.label == "Training step")
    assert (slider.options, slider.value) == (["step 5", "step 6", "step 7"], 7)
    page = drawn.pages[-1]
    assert page.outdated(page.moment()) == []
    measured(8)
    assert fed() == (None, []), "no newer matrix stands below an older slider"
    assert page.outdated(page.moment()) == ["conflict"]
    app.run()
    slider = next(each for each in app.select_slider if each.label == "Training step")
    assert slider.value == 8


def test_the_map_of_conflict_comes_with_the_charts(drawn, store, open_page):  # noqa: F811
    def measured(step):
        parts = {f"conflict/digit/slant/layers.{layer}": -0.3 for layer in range(3)}
        store.append(drawn.run.id, StepScalars(step, step / 2, {"conflict/digit/slant": -0.3, "conflict_share/digit/slant": 1.0, **parts}))
        store.append(drawn.run.id, Message("which stores the step at once"))

    measured(5)
    app = open_page("run", run=drawn.run.id)
    app.segmented_control(key=f"conflict.block.{drawn.run.id}").set_value("map").run()
    page = drawn.pages[-1]
    [name] = [each for each in page.charts if each.startswith("conflict_map")]
    for step in range(6, 26):
        measured(step)
    drawn.feed(page)
    fed = drawn.sent[-1]
    assert name in fed["charts"]
    assert page.charts[name].build(page.moment().feed["rows"]).data[0].customdata[0][0][3] == 21  # points
    assert "digit and slant are in conflict most often in all shared layers" in fed["texts"]["conflict-worst"]


def test_further_pairs_are_folded_and_come_with_the_charts(drawn, store, open_page, make_run):  # noqa: F811
    """Of four tasks, with six pairs."""
    names = ["present", "boxes", "segments", "count"]
    run = make_run(filled=False, data={"name": "digit_scenes"}, tasks={name: {} for name in names}, backbone={"name": "small_cnn"})
    store.append(run.id, RunStarted(6, {**INFO, "tasks": dict.fromkeys(names, INFO["tasks"]["digit"])}))

    def measured(step, *cosines):
        pairs = ("/".join(pair) for pair in combinations(names, 2))
        store.append(run.id, StepScalars(step, step / 2, {f"conflict/{pair}": cosine for pair, cosine in zip(pairs, cosines, strict=True)}))
        store.append(run.id, Message("which stores the step at once"))

    def folded():
        return next((words for words in html_words(open_page("run", run=run.id)) if "more" in words and "aligned" in words), "")

    for step in (1, 2, 3):
        measured(step, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0)
    assert not folded(), "three sentences on aligned pairs, and one on the others"
    for step in (4, 5, 6):
        measured(step, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
    assert folded().startswith("2 more, from conflicting to aligned pairs")
    page = drawn.pages[-1]
    for step in range(7, 40):
        measured(step, 0.9, 0.8, 0.7, 0.6, 0.0, 0.0)
    texts = drawn.feed(page)["texts"]
    assert texts["conflict-more"] == "1 more"
    assert texts["conflict-further"].splitlines() == reading(store.scalars(run.id), names)[4:]
    assert "conflict" not in page.outdated(page.moment())
