"""The report of a study says what the answer says, runs nothing and asks for nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from sqlalchemy import select, update

from mtl_core.__main__ import main
from mtl_core.config_fingerprint import fingerprint
from mtl_core.runs.sql.schema import runs
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.answer_json import answer_as_json
from mtl_core.studies.study_report import study_report
from tests.studies.test_study import train_all


class Page(HTMLParser):
    """Names and attributes of the elements, and the text of each cell of a table."""

    def __init__(self, page):
        super().__init__()
        self.names, self.attributes, self.cells, self.text, self.in_cell = [], [], [], [], False
        self.feed(page)
        self.cells = [" ".join(cell.split()) for cell in self.cells]

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag == "td":
            self.cells.append("")
            self.in_cell = True
        elif self.in_cell:
            self.cells[-1] += " "

    def handle_endtag(self, tag):
        if tag == "td":
            self.in_cell = False

    def handle_data(self, data):
        self.text.append(data)
        if self.in_cell:
            self.cells[-1] += data


@pytest.fixture
def trained(store, base, engine):
    made = studies.create(store, studies.draft("share", base, {}, range(3)))
    studies.start(store, made.id)
    train_all(store)
    return made


def test_it_says_what_the_answer_says(store, trained):
    answer = answer_of(store, trained)
    page = Page(study_report(store, answer))
    words = " ".join(" ".join(page.text).split())
    for line in answer.lines:
        assert line.label in page.cells
    for cell in trained.cells:  # one hash for all seeds of a cell, and another one for each cell
        assert page.cells.count(fingerprint(cell.config)[:12]) == 3
    assert page.cells.count("helps") == sum(line.verdict.word == "helps" for line in answer.lines) == 4
    assert "0.8510 ± 0.0050 (n 3)" in page.cells
    assert "12 of 12 finished" in words
    assert trained.to_yaml() in page.text
    assert sorted(cell for cell in page.cells if cell in answer.run_ids.values()) == sorted(answer.run_ids.values())


@pytest.fixture
def note_data(store):
    """Have runs know the hash of their data, as runs of this version do; the fake engine's do not."""

    def note(run_ids, digest):
        with store.database.write() as connection:
            for run_id in run_ids:
                info = json.loads(connection.execute(select(runs.c.info).where(runs.c.id == run_id)).scalar_one())
                connection.execute(update(runs).where(runs.c.id == run_id).values(info=json.dumps(info | {"data_hash": digest})))

    return note


def test_each_run_has_the_hash_of_its_data(store, trained, note_data):
    places = answer_of(store, trained).run_ids
    first, *others = trained.cells
    note_data([run_id for (cell, _), run_id in places.items() if cell == first.key], "ab" * 32)
    answer = answer_of(store, trained)
    assert set(answer.data_hashes) == {place for place in places if place[0] == first.key}
    page = Page(study_report(store, answer))
    after = {run_id: page.cells[page.cells.index(run_id) + 3] for run_id in places.values()}  # status, config, data
    assert after == {run_id: "abababababab" if cell == first.key else "–" for (cell, _), run_id in places.items()}
    assert answer.notes == []
    assert [one["data_hash"] for one in answer_as_json(answer)["runs"]] == [answer.data_hashes.get(place) for place in sorted(places)]
    assert others


def test_runs_on_other_data_under_the_same_settings_are_noted(store, trained, note_data):
    places = answer_of(store, trained).run_ids
    note_data(places.values(), "ab" * 32)
    assert answer_of(store, trained).notes == []
    note_data([next(iter(places.values()))], "cd" * 32)
    [note] = answer_of(store, trained).notes
    assert "have different hashes of the data: abababababab, cdcdcdcdcdcd." in note
    assert f"the data set '{trained.base.data.own_name}'" in note


def test_the_verdict_on_the_command_line_has_the_hash(store, trained, note_data, monkeypatch, capsys):
    monkeypatch.setenv("MTL_HOME", str(store.home))
    assert main(["study", "verdict", trained.id]) == 0
    assert "data (SHA-256): –\n" in capsys.readouterr().out
    note_data(answer_of(store, trained).run_ids.values(), "ab" * 32)
    assert main(["study", "verdict", trained.id]) == 0
    assert "data (SHA-256): abababababab\n" in capsys.readouterr().out


def test_below_three_seeds_it_has_no_verdict(store, base, engine):
    made = studies.create(store, studies.draft("share", base, {}, range(2)))
    studies.start(store, made.id)
    train_all(store)
    page = Page(study_report(store, answer_of(store, made)))
    assert page.cells.count("no verdict 1 seed missing") == 4
    assert not {"helps", "hurts"} & set(page.cells)


def test_a_study_without_runs_has_its_settings(store, base):
    made = studies.create(store, studies.draft("share", base, {}, [0]))
    page = study_report(store, answer_of(store, made))
    assert "0 of 4 finished" in page
    assert "<h2>Settings" in page
    assert "<h2>Cells" not in page
    assert "<h2>Environment" not in page


def test_what_people_typed_is_text_and_nothing_is_loaded(store, base):
    hostile = base.model_copy(update={"name": "<script>alert(1)</script><img src=//evil.example>"})
    made = studies.create(store, studies.draft("share", hostile, {}, [0]))
    text = study_report(store, answer_of(store, made))
    page = Page(text)
    assert not {"script", "img", "iframe"} & set(page.names)
    assert "default-src 'none'" in text
    assert [value for name, value in page.attributes if name in ("src", "href") and not value.startswith("data:")] == []
    assert not re.search(r"@import|url\((?!#)", text)
