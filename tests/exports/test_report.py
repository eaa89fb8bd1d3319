"""The report: everything of the run in one file that needs nothing else."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mtl_core.events import RunStarted
from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.html_report import report
from mtl_core.exports.report_pictures import spread
from mtl_core.runs.store import open_store


class Elements(HTMLParser):
    """Names, attributes and text of everything in a page."""

    def __init__(self, page):
        super().__init__()
        self.names, self.attributes, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(trained):
    return report(ExportSource(trained.store, trained.run))


def test_it_holds_the_run(page, trained):
    found = Elements(page)
    words = " ".join(found.text)
    for title in ("Results", "Curves", "Gradient conflict", "Predictions during training", "All metrics", "Settings", "Environment", "Log"):
        assert title in words
    assert trained.run.config.to_yaml() in found.text
    summary = trained.store.summary(trained.run.id)
    for key in ("val/segments/miou", "test/depth/rmse"):
        assert f"{summary[key]['best']:.4g}" in words
    assert found.names.count("img") == 6  # a sheet a task
    assert found.names.count("svg") == 6 * 2 + 3 + 1


def test_it_asks_for_nothing_and_runs_nothing(page):
    found = Elements(page)
    assert "script" not in found.names
    addresses = [value for name, value in found.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(value.startswith(("data:", "#")) for value in addresses)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\((?!#)", page)


def test_what_people_typed_is_text(trained):
    run = replace(trained.run, name="<script>alert(1)</script>", note='"><img src=x onerror=alert(1)>', tags=("<b>",))
    found = Elements(report(ExportSource(trained.store, run)))
    assert "script" not in found.names
    assert "b" not in found.names
    assert "<script>alert(1)</script>" in found.text


def test_it_is_the_same_each_time(page, trained):
    assert report(ExportSource(trained.store, trained.run)) == page


def test_a_run_that_has_not_begun_has_its_settings(home, trained):
    store = open_store(home)
    run = store.create(trained.run.config)
    page = report(ExportSource(store, run))
    assert "<h2>Settings" in page
    assert "<h2>Results" not in page
    store.append(run.id, RunStarted(6, trained.run.info))  # begun, nothing measured or saved yet
    page = report(ExportSource(store, store.get(run.id)))
    assert "<h2>Environment" in page
    assert "<h2>Predictions" not in page


def test_evaluations_appear_when_there_are_some(home, trained):
    store = open_store(home)
    run = store.create(trained.run.config)
    store.append(run.id, RunStarted(6, trained.run.info))
    folder = store.folder(run.id) / "evaluations"
    folder.mkdir()
    entry = {"name": "miou", "title": "Mean <IoU>", "unit": "", "higher_is_better": True}
    for split, value in (("test", 0.4321), ("val", None), ("train", 0.8)):
        kept = {"split": split, "epoch": 2, "step": 1006, "tasks": {"segments": {"values": [{**entry, "value": value}]}}}
        (folder / f"epoch_0002_step_00001006_{split}.json").write_text(json.dumps(kept))
    (folder / "epoch_0001_step_00000003_val.json").write_text("{")
    words = " ".join(" ".join(Elements(report(ExportSource(store, store.get(run.id)))).text).split())
    assert "Evaluation Evaluated in detail on request" in words
    assert "Epoch 2, step 1,006 task metric train val test segments Mean <IoU> ↑ 0.8 – 0.4321" in words


def test_epochs_are_spread_over_the_run():
    assert spread(list(range(11)), 4) == [0, 3, 7, 10]
    assert spread([0, 1], 4) == [0, 1]
    assert spread([5], 4) == [5]
    assert spread([], 4) == []
