"""The panel of what a sharing scheme learns."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from streamlit.testing.v1 import AppTest

from mtl_core.config import RunConfig
from mtl_core.runs.store import open_store
from ui.run.sharing_panel import matrix_of


def test_a_matrix_has_its_cells_and_is_empty_elsewhere():
    cells = pd.DataFrame({"row": ["a", "a", "b"], "column": ["x", "y", "y"], "value": [0.25, 0.75, 1.0]})
    values, rows, columns = matrix_of(cells)
    assert (rows, columns) == (["a", "b"], ["x", "y"])
    np.testing.assert_array_equal(values, [[0.25, 0.75], [np.nan, 1.0]])


def page(keys, epochs):
    from types import SimpleNamespace

    import pandas as pd

    from mtl_core.analysis.scalar_rows import scalar_rows
    from ui.run.sharing_panel import sharing_panel

    rows = [{"key": key, "epoch": float(epoch), "step": epoch, "value": 0.5 * epoch} for epoch in epochs for key in keys]
    sharing_panel(SimpleNamespace(id="20261123-141502-3fa9"), {"rows": scalar_rows(pd.DataFrame(rows, columns=["key", "epoch", "step", "value"]))})


def test_each_matrix_is_drawn_and_a_slider_goes_through_the_epochs():
    keys = ["sharing/stitch after stages.0/a/column of a", "sharing/stitch after stages.0/a/column of b", "sharing/mean *gate* weight/a/expert 1"]
    app = AppTest.from_function(page, args=([*keys, "val/a/loss"], [1, 2])).run()
    assert not app.exception
    assert len(app.caption) == 2
    assert app.select_slider[0].value == 2
    for epoch in (2, 1):  # a colour means the same in every epoch
        app.select_slider[0].set_value(epoch).run()
        charts = [json.loads(json.loads(chart.proto.json)["figure"])["data"][0] for chart in app.get("bidi_component")]
        assert [(chart["zmin"], chart["zmax"]) for chart in charts] == [(0.5, 1.0)] * 2


def test_what_a_search_has_found_can_be_trained(home):
    folder = open_store(home).folder("20261123-141502-3fa9") / "checkpoints" / "epoch_0001_step_00000002"
    folder.mkdir(parents=True)
    found = {"name": "tree", "branches": "a | b"}
    (folder / "meta.json").write_text(
        json.dumps({"position": {"epoch": 1, "step_in_epoch": 0}, "execution": {"precision": "fp32"}, "chosen_sharing": found})
    )
    app = AppTest.from_function(page, args=(["sharing/branch probability/a/node 1"], [1])).run()
    assert not app.exception
    assert any("Most probable at the last checkpoint: **a | b**" in element.value.replace("\\", "") for element in app.markdown)
    app.button(key="sharing.found").click().run()
    [change] = app.session_state["go_to"]["query"]["set"]
    config = RunConfig.from_dict({"data": {"name": "digits"}, "tasks": {"a": {}, "b": {}}, "backbone": {"name": "mlp"}, "sharing": {"name": "ltb"}})
    assert config.with_overrides([change]).to_dict()["sharing"] == found


def test_a_scheme_that_learns_nothing_has_no_panel():
    app = AppTest.from_function(page, args=(["val/a/loss"], [1])).run()
    assert not app.exception
    assert not app.markdown
