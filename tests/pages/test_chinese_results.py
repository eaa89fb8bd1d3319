"""Comparisons, races, studies, evaluations and predictions in Chinese: nothing is English there but names, and the same numbers are said."""

import json
import re

import pytest

from mtl_core.balancing import BALANCERS
from mtl_core.events import RunEnded
from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.html_report import report
from mtl_core.language import speaking
from mtl_core.lessons.lesson_runs import new_learner
from mtl_core.lessons.lesson_runs import train as train_lesson
from mtl_core.runs import method_race
from mtl_core.runs.status import RunStatus
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.paper_table import to_csv, to_latex
from mtl_core.studies.study_report import study_report
from tests.pages import test_threshold
from tests.pages.english_texts import DRAWN, english_left, english_words
from tests.pages.test_evaluation import stored
from tests.pages.test_race_page import train
from tests.pages.test_studies_page import base, finish
from ui.drawing.contact_sheets import probe_sheet

pytestmark = pytest.mark.usefixtures("in_chinese")
CODE = re.compile(  # names of runs, data, tasks, cells, methods, devices and papers, values that are code, parts of an address
    r"[^\n]* · seed \d+ · .*|[^\n]* · s\w*…\\?\*bold\\?\* question|\bink\b|"
    r"\*\*Uncertainty weighting · a run\*\*|a test(&#x27;|&#39;|')s processor|\w+ et al\.|it broke|"
    r"the other|\d+-\d+-\w+|\d\d  ·  \w+|A \\?\*bold\\?\* question|Which digit|Which are there|Slant|Mean error|"
    r"\b(present|boxes|segments|count|equal)\b|\d degrees?|"
    r"(run|studies)\?\S*|(run|study)=\(\.\+\)\$|\b(run|race|study)\\?-\w+|'[a-z_]+'|options\\?\.\w+|例如 \w+|\bbca\b|percent|validation|hard|fixed|"
    r"Student|Spearman|Holm|Mann-Whitney|LibMTL|Nash-MTL|Standley|Grad-CAM|Kurin|Xin|Ctrl|MNIST|localhost|https|"
    r"\b(PCGrad|Optuna|MLP|IQM|float32|cpu|fp32|bf16)\b|预设：.*|%\{.*?\}"
)


def left(app):
    """What is English. A column that has a head of its own is not read by its name."""
    found = english_left(app)
    for element in app.dataframe:
        about = json.loads(element.proto.columns or "{}")
        found -= {name for name in map(str, element.value.columns) if about.get(name, {}).get("label", name) != name}
    return sorted(text for text in found if english_words(CODE.sub(" ", text)))


def all_chinese(app):
    assert not app.exception
    found = [text for text in left(app) if text not in BALANCERS]  # their names are options of a form
    assert not found, "\n".join(found)
    return app


def texts_of(app):
    return "\n".join(str(element.value) for element in (*app.markdown, *app.caption, *app.info))


def test_a_race_while_it_trains_and_when_it_has_ended(open_in_chinese, store):
    race = method_race.start(store, base().model_copy(update={"name": "a run"}), ["fixed", "uncertainty", "pcgrad"])
    runs = method_race.runs_of(store, race)
    train(store, runs[0], end="finished")
    train(store, runs[1], epochs=1)
    app = all_chinese(open_in_chinese("race", race=race))
    assert "1 / 3 个已结束" in texts_of(app)
    for run in runs[1:]:
        store.end(run.id, RunStatus.FAILED, {"kind": "bug", "message": "it broke", "cure": "Report it.", "trace": ""})
    assert "尚无可比较的内容" in texts_of(all_chinese(open_in_chinese("race", race=race)))


def test_runs_that_differ_side_by_side(open_in_chinese, store, in_state):
    in_state("finished", name="a run")
    in_state("queued", name="a run", balancing={"name": "pcgrad"}, backbone={"name": "mlp", "width": 32}, optimizer={"name": "sgd", "lr": 0.1})
    [lesson] = train_lesson(store, "one_task", new_learner(), 2)
    app = open_in_chinese("compare", runs=",".join(run.id for run in store.runs()))
    app.toggle(key="compare.anything").set_value(True).run()
    all_chinese(app)
    assert lesson.name == "One network for one task: 2 passes"  # kept with the run; no part of the page has it


def test_a_picture_is_drawn_for_each_language(store, finished, open_in_chinese):
    """The pages keep pictures. ``open_in_chinese`` has the words read that are drawn."""
    folder, info = store.folder(finished.id), finished.info["tasks"]["digit"]
    drawn = {}
    for spoken in ("en", "zh", "en", "zh"):
        DRAWN.clear()
        with speaking(spoken):
            probe_sheet(folder, 2, "digit", info, columns=4)
        drawn.setdefault(spoken, []).append(set(DRAWN))
    assert [words >= {"target", "predicted", "no target"} for words in drawn["en"]] == [True, False]
    assert [words >= {"目标值", "预测", "无目标值"} for words in drawn["zh"]] == [True, False]
    assert [len(drawn[spoken][1]) for spoken in drawn] == [0, 0]  # the second time it is the kept one


def test_the_machine_and_its_store(open_in_chinese, store):
    app = open_in_chinese("studies")
    app.session_state["machine"] = True
    app.run()
    assert "运行库" in texts_of(app)
    found = [text for text in left(app) if str(store.home) not in text]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("kind", ["share", "methods", "together", "weights", "labels", "axes"])
def test_the_form_of_every_question(open_in_chinese, store, kind):
    app = open_in_chinese("studies")
    app.selectbox(key="study.kind").set_value(kind).run()
    all_chinese(app)


def test_a_study_with_its_verdict_and_the_names_of_its_runs(open_in_chinese, store):
    made = studies.create(store, studies.draft("share", base(), {}, range(3)))
    finish(store, made)
    app = all_chinese(open_in_chinese("studies", study=made.id))
    said = texts_of(app)
    assert "有益" in said
    assert "好 0.1" in said
    assert {run.name for run in studies.runs_of(store, made).values()} >= {f"digit alone · seed 0 · {made.title}"}, (
        "names are kept, so they are English"
    )
    all_chinese(open_in_chinese("studies"))


def test_a_front_a_division_a_prediction_and_label_curves(open_in_chinese, store):
    kinds = {"weights": [{"parts": 3}], "together": [{}, {"groups": "one_run"}], "labels": [{"fractions": [0.5, 1.0]}]}
    for kind, options in ((kind, options) for kind, several in kinds.items() for options in several):
        study = studies.create(store, studies.draft(kind, base(), {"options": options}, range(2)))
        finish(store, study)
        all_chinese(open_in_chinese("studies", study=study.id))


def test_a_study_that_waits(open_in_chinese, store):
    study = studies.create(store, studies.draft("methods", base(), {"options": {"methods": ["pcgrad"]}}, range(1)))
    all_chinese(open_in_chinese("studies", study=study.id))
    studies.start(store, study.id)
    all_chinese(open_in_chinese("studies", study=study.id))


@pytest.fixture
def pair(store, finished, keep, make_run, monkeypatch):
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    keep(finished, 1, 2, best=2)
    other = keep(make_run(name="the other", seed=1), 1, 2, best=2)
    store.append(other.id, RunEnded("finished", 4, 2.0, 10.0, 1.0))
    return finished, other


def test_evaluations_of_two_runs(open_in_chinese, store, pair):
    run, other = pair
    app = all_chinese(open_in_chinese("run", run=run.id, view="evaluation"))
    splits = ["训练集", "验证集", "测试集"]
    assert app.button_group(key=f"evaluation.split.{run.id}").options == splits
    assert list(app.dataframe[0].value.columns)[2:5] == splits
    stored(store, run)
    stored(store, other)
    app = all_chinese(open_in_chinese("run", run=run.id, view="evaluation", beside=other.id))
    assert "**2 → 7**：1 张图像" in texts_of(app)


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_threshold(open_in_chinese, store, pair, split):
    for each in ("train", "val", "test"):
        test_threshold.stored(store, pair[0], each)
    all_chinese(open_in_chinese("run", run=pair[0].id, view="evaluation", images=split, threshold="digit.0.3"))


@pytest.mark.parametrize("query", [{}, {"sample": "1"}, {"sample": "99"}, {"view": "own"}, {"images": "val"}])
def test_predictions(open_in_chinese, store, finished, make_run, query):
    make_run(name="the other")
    app = all_chinese(open_in_chinese("predictions", run=finished.id, **query))
    if not query:
        app.selectbox(key="gallery.sort").set_value("slant").run()
        [gallery] = [each for each in app.get("bidi_component") if each.proto.component_name == "error_gallery"]
        shown = json.loads(gallery.proto.json)["words"][0]
        assert shown["title"].startswith("打开图像 1")
        assert not [text for text in shown.values() if english_words(CODE.sub(" ", text))]


def test_reports_are_in_the_language_that_was_asked_for_and_tables_in_english(store):
    made = studies.create(store, studies.draft("share", base(), {}, range(3)))
    finish(store, made)
    answer = answer_of(store, made)
    page = study_report(store, answer, "zh")
    assert '<html lang="zh">' in page
    assert not [text for text in said_in(page) if english_words(CODE.sub(" ", text))]
    assert '<html lang="en">' in study_report(store, answer, "en")
    assert "digit alone" in to_latex(answer)
    assert "all tasks in one network" in to_csv(answer)
    assert not re.search("[\u4e00-\u9fff]", to_latex(answer) + to_csv(answer))


def test_the_report_of_a_run(store, finished):
    page = report(ExportSource(store, finished, language="zh"))
    assert '<html lang="zh">' in page
    assert not [text for text in said_in(page) if english_words(CODE.sub(" ", text))]
    assert '<html lang="en">' in report(ExportSource(store, finished))


def said_in(page):
    """The texts of a report, without settings, log, style, keys and pictures."""
    body = page.partition("<body>")[2]
    return re.sub(r"<(code|style|metadata|pre)\b.*?</\1>|<[^>]*>", "\n", body, flags=re.DOTALL).split("\n")
