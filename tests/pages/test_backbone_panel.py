"""The table of all backbones on the Train page: asked for, drawn, its errors in words."""

from mtl_core.errors import MTLError
from mtl_core.runs.process_singletons import process_slot
from ui.train import backbone_panel
from ui.train.backbone_panel import backbone_frame

ROW = {
    "name": "a",
    "title": "A",
    "parameters": 162_024,
    "multiply_adds": 21_897_216,
    "licence": "",
    "megabytes": 0,
    "weights_need": "",
    "problem": "",
}
REPORT = {
    "batch_size": 32,
    "backbones": [
        {**ROW, "seconds_per_step": 0.01234, "timed_images": 32},
        {**ROW, "title": "B", "seconds_per_step": 18.5, "timed_images": 4, "licence": "Apache-2.0", "megabytes": 18.8, "weights_need": "turn it off"},
        {**ROW, "title": "C", "parameters": None, "multiply_adds": 5.2e9, "seconds_per_step": None, "timed_images": 0, "problem": "too small"},
    ],
}


def test_the_table_is_asked_for_and_an_error_is_a_sentence(quick_form, monkeypatch, texts):
    asked = []

    def fail(store, config, cancelled):
        asked.append(config)
        raise MTLError("the process was <b>ended</b>")

    def again():
        quick_form.button(key="backbones").click().run()
        for state in process_slot("jobs: backbones").values():
            state["thread"].join(60)
        quick_form.run()
        assert not quick_form.exception

    monkeypatch.setattr(backbone_panel, "compare", fail)
    again()
    assert "the process was &lt;b&gt;ended" in texts(quick_form) or r"\<b" in texts(quick_form)
    monkeypatch.setattr(backbone_panel, "compare", lambda store, config, cancelled: REPORT)
    again()
    assert [config.data.name for config in asked] == ["digits"]
    [table] = [frame.value for frame in quick_form.dataframe if "multiply-adds" in frame.value]
    assert list(table["backbone"]) == ["A", "B", "C"]
    assert "A star marks an estimate" in texts(quick_form)


def test_cells():
    first, second, third = backbone_frame(REPORT).to_dict("records")
    assert list(first.values()) == ["A", "162 k", "21.9 M", "12.3", "none", "yes"]
    assert list(second.values()) == ["B", "162 k", "21.9 M", "18,500 *", "19 MB, Apache-2.0 · turn it off", "yes"]
    assert list(third.values()) == ["C", "–", "5.2 G", "–", "none", "no: too small"]
