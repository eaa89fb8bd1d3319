"""An imported set on a machine with an object store: the page says how far its sending is, why it has failed, and tries again."""

import re
import threading
import uuid

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import import_dataset, propose
from mtl_core.errors import UnreachableObjectsError
from mtl_core.language import tr
from mtl_core.runs.objects.bucket import Bucket
from mtl_core.runs.store import open_store
from tests.pages.conftest import WAIT, config
from tests.pages.test_data_page import settle
from ui.data.set_sending import JOBS

ALONE = "This data set is on this machine alone."


class Line:
    """What the way to the object store is like.

    Attributes:
        is_away: every attempt fails.
        has_begun: a file has come. may_pass: files wait until it is set.
    """

    def __init__(self):
        self.is_away, self.has_begun, self.may_pass = False, threading.Event(), threading.Event()
        self.may_pass.set()


@pytest.fixture
def line(monkeypatch):
    found, write = Line(), Bucket.write

    def slow(bucket, name, source, moved=lambda count: None):
        found.has_begun.set()
        assert found.may_pass.wait(WAIT)
        if found.is_away:
            raise UnreachableObjectsError(f"the object store '{bucket.shown}' cannot be used: no route to host")
        write(bucket, name, source, moved)

    monkeypatch.setattr(Bucket, "write", slow)
    monkeypatch.setattr("mtl_core.runs.objects.object_artifacts.AWAY_SECONDS", -1.0)
    yield found
    found.may_pass.set()
    wait_for_sending()


@pytest.fixture
def lab(store, monkeypatch, line):
    """The store, with an object store."""
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"memory://{uuid.uuid4().hex}/runs")
    return open_store()


@pytest.fixture
def files(tmp_path):
    """Pictures in a folder with a space and letters of another script in its name."""
    random, folder = np.random.default_rng(0), tmp_path / "brought" / "我的 照片"
    for place in range(20):
        path = folder / ("猫" if place % 2 else "a dog") / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def days(lab, files):
    return import_dataset(files, propose(files).spec, "days", home=lab.home, sends=False)


def wait_for_sending():
    for state in JOBS.all().values():
        state["thread"].join(WAIT)
        assert not state["thread"].is_alive()


@pytest.fixture
def opened(open_page):
    return lambda **query: settle(open_page("data", **query))


def test_a_set_that_could_not_be_sent_says_why_and_is_sent_at_a_click(opened, days, lab, line, texts):
    line.is_away = True
    app = opened(data="imported/days")
    assert [element.value for element in app.warning if element.value.startswith(ALONE)] == [ALONE]
    app.button(key="data.send.days").click().run()
    wait_for_sending()
    app.run()
    [said] = [element.value for element in app.warning if element.value.startswith(ALONE)]
    assert "no route to host" in said
    assert not lab.artifacts.sets.is_sent("days")
    line.is_away = False
    app.button(key="data.send.days").click().run()
    wait_for_sending()
    app.run()
    assert lab.artifacts.sets.is_sent("days")
    assert ALONE not in texts(app)
    assert not app.exception


def test_while_it_is_sent_the_page_says_how_far_it_is_and_a_run_waits(opened, days, lab, line, texts):
    line.may_pass.clear()
    app = opened(data="imported/days")
    app.button(key="data.send.days").click().run()
    assert line.has_begun.wait(WAIT)
    app.run()
    [bar] = [element.proto.text.replace("\\", "") for element in app.get("progress") if "On its way" in element.proto.text]
    assert re.fullmatch(r"On its way to other machines: 0.0 of 0.0\d\d MB, 0 of 14 files sent to the object store", bar)
    assert "Data set days: 0.0 of" in texts(app)  # in the status bar of every page
    line.may_pass.set()
    wait_for_sending()
    app.run()
    assert not [element for element in app.get("progress") if "On its way" in element.proto.text]
    assert lab.artifacts.sets.is_sent("days")


def test_an_import_on_the_page_does_not_wait_for_its_sending(opened, open_page, lab, files, line, monkeypatch):
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(files.parent))
    line.may_pass.clear()
    app = open_page("data", new="1")
    app.text_input(key="import.path").set_value(str(files)).run()
    app.button(key="import.look_there").click()
    settle(app)
    app.button(key="import.check").click()
    settle(app)
    [name] = [field for field in app.text_input if str(field.key).startswith("import.name")]
    name.set_value("days").run()
    app.button(key="import.go").click()
    settle(app)
    assert app.query_params["data"] in ("imported/days", ["imported/days"])
    assert [element for element in app.get("progress") if "On its way" in element.proto.text]
    line.is_away = True
    line.may_pass.set()
    wait_for_sending()
    app.run()
    assert [element.value for element in app.warning if element.value.startswith(ALONE)]
    line.is_away = False
    app.button(key="data.send.days").click().run()
    wait_for_sending()
    assert lab.artifacts.sets.is_sent("days")


def test_without_an_object_store_nothing_is_said(opened, store, files, texts):
    import_dataset(files, propose(files).spec, "days", home=store.home)
    app = opened(data="imported/days")
    assert ALONE not in texts(app)
    assert not [button for button in app.button if str(button.key).startswith("data.send")]


def test_what_is_wrong_with_a_set_stands_in_the_status_bar(opened, days, lab):
    lab.artifacts.sets._unsent["days"] = "another machine has sent other data as the data set 'days', so this machine's stays here alone"
    app = opened(data="imported/days")
    assert [element.value for element in app.warning if element.value.startswith("Imported data sets: another machine has sent other data")]


def test_a_chinese_page_says_all_of_it_in_chinese(open_in_chinese, in_chinese, days, lab):
    problem = "another machine has sent other data as the data set 'days', so this machine's stays here alone. Delete it here, and import its files"
    lab.artifacts.sets._unsent["days"] = f"{problem} under another name"
    run = lab.create(config(data={"name": "imported", "set": "nights"}, tasks={days.tasks[0].name: {}}))  # a set that is on no machine
    app = open_in_chinese("data", data="imported/days")
    said = "\n".join(element.value.replace("\\", "") for kind in (app.warning, app.caption) for element in kind)
    assert "此数据集只在本机上。另一台机器已将其他数据作为数据集 'days' 发送" in said
    assert "导入的数据集：另一台机器已将其他数据" in said
    assert "它会失败：" in said  # in the queue
    assert run.status == "queued"
    assert not app.exception


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("1.5 of 4.0 MB, 3 of 14 files sent to the object store", "已向对象存储发送 1.5 / 4.0 MB，3 / 14 个文件"),
        ("its data set 'days' is fetched from the object store first: 4.0 MB", "先从对象存储获取它的数据集 'days'：4.0 MB"),
        (
            "the data set 'days' is being sent: 1.5 of 4.0 MB, 3 of 14 files sent to the object store. Queue the run again when that is done",
            "数据集 'days' 正在发送：已向对象存储发送 1.5 / 4.0 MB，3 / 14 个文件。发送完成后请重新把运行加入队列",
        ),
    ],
)
def test_how_far_a_set_is_has_its_chinese(in_chinese, said, expected):
    assert tr(said) == expected
