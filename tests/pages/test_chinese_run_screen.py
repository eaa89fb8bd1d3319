"""The Train form, the page of a run and the frame around all pages in Chinese, in the states that have texts of their own."""

import html
import re

import pytest

from mtl_core.events import CheckpointSaved, EpochMetrics, Message, Paused, Resumed, RunEnded, RunStarted, SettingChanged, StepScalars
from mtl_core.runs.alerts.run_alerts import ALERT
from tests.pages.conftest import INFO
from tests.pages.english_texts import english_left, english_words
from ui.shell.state import EXPORT
from ui.train import sample_preview

# What stays as it is: names of tasks, runs and parts of networks, values of settings, and what the log and the settings say as text.
OWN = (
    "a run|Digit scenes: 4 tasks|Digit scenes|without ink · 3 epochs|digits?|slant|ink|present|boxes|segments|count|depth|centres|colourisation|"
    r"contrastive|jigsaw|reconstruction|rotation|count\\?_class|Handwritten digits|Pascal VOC|Oxford-IIIT Pet|Fashion-MNIST|Apple GPU|NVIDIA GPU|"
    "mps|cuda|Adam|Mixup|Dropout|Swin-T|Sigma|contiguous|small_cnn|mlp|cpu|zip|line 1|[Ii]t broke|Report it|a test&#x27;s processor"
)
QUOTED = r"'[\w.+-]+'|[A-Za-z]+_\w+|\b(?:lr|dropout|safetensors|scikit-learn|autocast|cross-stitch|px)\b"
AS_TEXT = re.compile(r"^<div class=\"run-log\"|^(?:python -m|import|from|# )|^\w+: |^[a-z_]+:\n|\n  ")
NAMED = re.compile(rf"{QUOTED}|(?<!\w)(?:{OWN})(?!\w)")


def left_on(app, *names):
    """The English texts of a page, without code and names."""
    texts = {text for text in english_left(app) if not AS_TEXT.search(text)}
    left = {text for text in texts if english_words(NAMED.sub("", text)) and text not in names}
    return "\n".join(sorted(left))


def with_sample(app):
    """The page once its sample is drawn: a thread prepares the data."""
    for _ in range(200):
        if app.get("image"):
            return app
        if "preparing" in app.session_state:
            sample_preview._job(*app.session_state["preparing"])["thread"].join()
        app.run()
    raise AssertionError("no sample is drawn")


def test_the_train_form(open_in_chinese, in_chinese):
    assert not left_on(with_sample(open_in_chinese("train")))


@pytest.mark.parametrize("how", ["fork", "clone"])
def test_a_fork_and_a_clone(open_in_chinese, in_chinese, in_state, how):
    run = in_state("stopped")
    app = with_sample(open_in_chinese("train", **{how: run.id}))
    named = [text.placeholder for text in app.text_input if text.placeholder] if how == "fork" else []
    assert not left_on(app, *named)


@pytest.mark.parametrize("status", ["queued", "running", "paused", "stopping", "stopped", "failed", "interrupted"])
def test_a_run_in_each_state(open_in_chinese, in_state, make_run, status):
    run = make_run() if status == "running" else in_state(status)
    app = open_in_chinese("run", run=run.id)
    assert not left_on(app)


def test_gradients_alerts_and_thresholds(store, open_in_chinese, make_run):
    run = make_run()
    for step in range(1, 5):
        scalars = {"conflict/digit/slant": -0.3, "conflict_share/digit/slant": 0.75}
        scalars |= {f"{what}/{task}": 0.5 for what in ("gradient_share", "gradient_norm") for task in ("digit", "slant")}
        scalars |= {f"conflict/digit/slant/{place}": -0.1 * step for place in ("stem", "stages.0", "stages.1", "gate of digit")}
        store.append(run.id, StepScalars(step, step / 2, scalars))
    store.append(run.id, Message("Accuracy of digit (val) is above 0.9: 0.95 after epoch 2", ALERT))
    app = open_in_chinese("run", run=run.id)
    assert not left_on(app)
    assert "digit 与 slant" in "".join(str(element.proto.body) for element in app.get("html"))


@pytest.mark.parametrize("end", ["finished", "stopped"])
def test_the_log_has_the_lines_of_a_run_in_chinese(store, open_in_chinese, make_run, end):
    run = make_run()
    for event in (
        SettingChanged(3, 1.5, "optimizer.lr", 0.01, 0.001, replayed=False),
        SettingChanged(3, 1.5, "optimizer.lr", 0.01, 0.001, replayed=True),
        Paused(3, 1.5),
        Resumed(3, 1.5),
        EpochMetrics(4, 2, {"selection/score": 0.25}),
        EpochMetrics(4, 2, {"test/digit/accuracy": 0.25}),
        CheckpointSaved(4, 2, "a file", best=True),
        CheckpointSaved(4, 2, "a file", best=False),
        RunStarted(6, INFO, step=3, epoch=1),
        RunEnded(end, 4, 2.0, 10.0, 1.0),
    ):
        store.append(run.id, event)
    [log] = [str(block.proto.body) for block in open_in_chinese("run", run=run.id).get("html") if 'class="run-log"' in str(block.proto.body)]
    log = html.unescape(log.partition(">")[2].removesuffix("</div>"))
    said = [re.sub(r"^\S+  \w+ +", "", line) for line in log.splitlines()]
    assert [line for line in said if english_words(re.sub(r"a test's processor|optimizer\.lr", "", line))] == ["a line of the log"]
    assert len(said) == len(store.log(run.id))


@pytest.mark.parametrize("kind", ["describe", "delete", EXPORT])
def test_dialogs_of_a_run(open_in_chinese, finished, kind):
    app = open_in_chinese("run", run=finished.id)
    app.session_state["dialog"] = {"kind": kind, "runs": [finished.id], "page": "run"}
    app.run()
    assert not app.exception
    assert not left_on(app)


def test_the_page_says_its_language_to_the_browser(open_in_chinese, monkeypatch):
    told = []
    monkeypatch.setattr("ui.shell.language_choice._teller", lambda: lambda **given: told.append(given["data"]))
    open_in_chinese("train")
    assert told[-1] == {"language": "zh-Hans"}
